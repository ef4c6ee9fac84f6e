"""The files of example/deploy agree with each other, and the programs that read them take them."""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.acceptance.deployment import DEPLOY, SECRETS, WEB, filled_in_env
from tests.servers.binaries import ROOT
from tests.servers.compose import ComposeFile, read_env_file
from tests.servers.nginx_server import NginxServer, plain_variant

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXAMPLE = ROOT / "example"


@pytest.fixture(scope="module")
def services() -> dict:
    """The services of the compose file."""
    return ComposeFile(DEPLOY / "docker-compose.yml", filled_in_env(), directory=EXAMPLE).services


# nginx


@pytest.mark.parametrize("https", [True, False])
def test_nginx_takes_its_configuration(https):
    with NginxServer([1, 2, 3], https=https) as server:
        assert "test is successful" in server.test()


def test_the_plain_variant_is_what_the_command_in_the_header_makes():
    configuration = DEPLOY / "nginx.conf"
    command = re.search(r"^#     (sed .*)$", configuration.read_text(), re.MULTILINE)[1]
    made = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, cwd=DEPLOY).stdout
    assert made == plain_variant(configuration.read_text())
    assert not re.search(r"ssl|443|return 301", re.sub(r"#.*", "", made))


def test_nginx_asks_the_servers_that_the_compose_file_starts(services):
    text = (DEPLOY / "nginx.conf").read_text()
    asked = re.findall(r"^ *server ([\d.]+):8000", text, re.MULTILINE)
    assert asked == [services[name]["networks"]["default"]["ipv4_address"] for name in WEB]


def test_what_waits_for_another_waits_longer(services):
    """nginx closes idle connections before gunicorn does, uvicorn ends before gunicorn kills it, and so on."""
    nginx, gunicorn = (DEPLOY / "nginx.conf").read_text(), gunicorn_settings()
    upstream = nginx[nginx.index("upstream djust_backend") :]
    assert int(re.search(r"keepalive_timeout (\d+)s", upstream)[1]) < gunicorn["keepalive"]
    ends = gunicorn["worker_class"].CONFIG_KWARGS["timeout_graceful_shutdown"]
    unit = (DEPLOY / "systemd" / "djust-web@.service").read_text()
    for patience in (services["web1"]["stop_grace_period"], re.search(r"TimeoutStopSec=(\d+)", unit)[1]):
        assert ends < gunicorn["graceful_timeout"] < int(patience.removesuffix("s"))


# gunicorn


def gunicorn_settings() -> dict:
    """Return what gunicorn's configuration file defines."""
    path = DEPLOY / "gunicorn.conf.py"
    defined: dict = {"__name__": "gunicorn_conf"}
    exec(compile(path.read_text(), str(path), "exec"), defined)
    return defined


@pytest.mark.parametrize("path", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"])
def test_gunicorn_finds_the_worker_of_the_guide_and_its_successor(path):
    command = [sys.executable, "-m", "gunicorn", "--check-config", "-k", path, "config.asgi:application"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=EXAMPLE,
        env={**filled_in_env(), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr


def test_an_empty_variable_means_the_default(monkeypatch):
    for name in ("BIND", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "LOG_LEVEL", "LOG_FORMAT", "WS_COMPRESSION"):
        monkeypatch.setenv(name, "")
    settings = gunicorn_settings()
    assert settings["bind"] == "0.0.0.0:8000"
    assert settings["workers"] == 1
    assert settings["forwarded_allow_ips"] == "127.0.0.1"
    assert settings["worker_class"].CONFIG_KWARGS["ws_per_message_deflate"] is False


# Compose


def test_one_beat_two_redis_three_web_servers(services):
    assert set(services) == {"nginx", *WEB, "prepare", "worker", "beat", "redis-state", "redis-broker"}
    assert services["beat"]["container_name"], "a container with a name cannot be scaled"
    assert all("replicas" not in service.get("deploy", {}) for service in services.values())
    assert "version" not in yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())


def test_only_nginx_is_reached_from_outside(services):
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_no_container_is_given_the_address_of_another(services):
    network = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["networks"]["default"]["ipam"]["config"][0]
    subnet, given = ipaddress.ip_network(network["subnet"]), ipaddress.ip_network(network["ip_range"])
    addresses = [
        ipaddress.ip_address(service["networks"]["default"]["ipv4_address"])
        for service in services.values()
        if "networks" in service
    ]
    assert len(set(addresses)) == len(addresses) == 6
    assert all(address in subnet and address not in given for address in addresses)
    for name in ("redis-state", "redis-broker"):
        address = services[name]["networks"]["default"]["ipv4_address"]
        assert f"\nbind {address} 127.0.0.1\n" in (DEPLOY / f"{name}.conf").read_text()
    assert services["web1"]["environment"]["FORWARDED_ALLOW_IPS"] == "10.0.1.2"
    assert services["nginx"]["networks"]["default"]["ipv4_address"] == "10.0.1.2"


def test_a_secret_that_is_missing_is_an_error():
    for name in ("STATE_PASSWORD", "BROKER_PASSWORD"):
        with pytest.raises(KeyError, match=name):
            ComposeFile(DEPLOY / "docker-compose.yml", {**filled_in_env(), name: ""}, directory=EXAMPLE)


# Variables


def test_every_variable_stands_in_the_example_and_none_that_nobody_reads():
    readers = [*EXAMPLE.joinpath("config").glob("*.py"), DEPLOY / "gunicorn.conf.py"]
    code = "\n".join(path.read_text() for path in readers)
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', code))
    read |= set(re.findall(r'environ\.get\("([A-Z_]+)"', code))
    read |= set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker-compose.yml").read_text()))
    for unit in UNITS:
        read |= set(re.findall(r"\$\{(\w+)", unit.read_text()))
    assert set(read_env_file(DEPLOY / ".env.example")) == read


def test_the_example_holds_no_secret():
    variables = read_env_file(DEPLOY / ".env.example")
    assert all(variables[name] == "" for name in (*SECRETS, "METRICS_TOKEN"))


# The image


def test_the_image_is_made_of_what_is_there():
    text = (DEPLOY / "Dockerfile").read_text()
    extras = re.search(r"\.\[([\w,]+)\]", text)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    assert "\nUSER djust\n" in text
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (ROOT / source).exists()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for needed in ("pyproject.toml", "hatch_build.py", "requirements-dev.lock", "client", "djust", "example"):
        assert f"!{needed}" in ignored
    assert "example/deploy/.env" in ignored


# systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit, tmp_path):
    text = unit.read_text()
    for essential in (
        "EnvironmentFile=/etc/djust/env",
        "User=djust",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "WantedBy=multi-user.target",
    ):
        assert f"\n{essential}\n" in text
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
    assert (Path(sys.executable).parent / Path(program).name).exists()
    # Where systemd is not installed, what is above has to do.
    if shutil.which("systemd-analyze"):
        installed = tmp_path / unit.name
        installed.write_text(text.replace("/srv/djust/venv/bin", str(Path(sys.executable).parent)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(installed)], check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_units_and_compose_file_run_the_same(services):
    commands = {unit.stem: re.search(r"^ExecStart=\S+/(.*)$", unit.read_text(), re.MULTILINE)[1] for unit in UNITS}
    web = commands["djust-web@"].replace(" --bind ${WEB_ADDRESS}:%i", "")
    assert web == services["web1"]["command"]
    assert commands["djust-worker"] == services["worker"]["command"]
    assert commands["djust-beat"] == services["beat"]["command"]
