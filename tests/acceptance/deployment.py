"""The deployment of example/deploy, run from its own files: compose file, redis.conf, gunicorn.conf.py, nginx.conf."""

from __future__ import annotations

import secrets
import ssl
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, Self

import httpx
import redis

from tests.acceptance.support import CLEAN_UP, every_second
from tests.servers.binaries import ROOT
from tests.servers.compose import ComposeFile, read_env_file
from tests.servers.nginx_server import NginxServer
from tests.servers.ports import HOST
from tests.servers.process import Process
from tests.servers.waiting import wait_until

DEPLOY = ROOT / "example" / "deploy"
WEB = ("web1", "web2", "web3")
SECRETS = ("SECRET_KEY", "STATE_PASSWORD", "BROKER_PASSWORD")


def filled_in_env() -> dict[str, str]:
    """Return the variables of ``.env.example`` as its remarks say to fill them in, for this machine."""
    variables = read_env_file(DEPLOY / ".env.example")
    variables |= {name: secrets.token_hex(32) for name in SECRETS}
    return {**variables, "ALLOWED_HOSTS": f"{HOST},localhost"}


class Deployment:
    """Everything that the compose file starts. Leaving the context ends it."""

    def __init__(self) -> None:
        self.compose = ComposeFile(DEPLOY / "docker-compose.yml", filled_in_env(), directory=ROOT / "example")
        self.processes: dict[str, Process] = {}
        self.nginx = NginxServer(
            [self.compose.ports[name] for name in WEB], https=True, static=self.compose.volume("static")
        )
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._end)
            for name in ("redis-state", "redis-broker"):
                self.start(name)
                self.wait_until_healthy(name)
            self.compose.run("prepare")
            # A clean-up every second, not every minute: the tests wait for one.
            every_second(SimpleNamespace(env=self.compose.environment("beat")), CLEAN_UP)
            for name in (*WEB, "worker", "beat"):
                self.start(name)
            stack.enter_context(self.nginx)
            for name in WEB:
                self.wait_until_healthy(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, service: str) -> Process:
        """Start a service, again if it has ended."""
        options: list[str] = []
        env: dict[str, str] = {}
        if service.startswith("redis-"):
            # The address that the shipped file names is not one of this machine.
            options = ["--bind", HOST, "--port", str(self.compose.ports[service])]
        elif service in WEB:
            env = {"BIND": f"{HOST}:{self.compose.ports[service]}"}
        process = self.processes[service] = self.compose.start(service, *options, env=env)
        return process

    def wait_until_healthy(self, service: str) -> None:
        """Wait until the service's own health check passes."""
        said = ""

        def healthy() -> bool:
            nonlocal said
            self.processes[service].check_running()
            done = self.compose.check_health(service)
            said = done.stdout
            return done.returncode == 0

        try:
            wait_until(healthy, timeout=60, what=f"{service} to be healthy")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{said}\n{self.processes[service].tail()}") from None

    def client(self, **options: Any) -> httpx.Client:
        """Return a visitor, who trusts the certificate."""
        return httpx.Client(base_url=self.nginx.url, verify=self.tls(), timeout=30, **options)

    def tls(self) -> ssl.SSLContext:
        """Return what a client needs to trust the certificate."""
        assert self.nginx.certificates is not None
        return ssl.create_default_context(cafile=str(self.nginx.certificates.authority))

    def redis(self, name: str) -> redis.Redis:
        """Return a client of ``state`` or ``broker``."""
        password = self.compose.variables[f"{name.upper()}_PASSWORD"]
        return redis.Redis(HOST, self.compose.ports[f"redis-{name}"], password=password, decode_responses=True)

    def _end(self) -> None:
        # Redis last, or the others would complain.
        for process in reversed(self.processes.values()):
            process.kill()
