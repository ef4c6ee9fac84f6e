"""Debian's nginx with the configuration that example/deploy/nginx.conf ships."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.binaries import ROOT, MissingServer
from tests.servers.certificates import Certificates
from tests.servers.ports import HOST, free_ports
from tests.servers.process import Process, child_environment
from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until

CONFIGURATION = ROOT / "example" / "deploy" / "nginx.conf"


class NginxServer:
    """nginx in front of web servers on this machine, at ``url``. Leaving the context ends it.

    The shipped file is used as it is but for what its header says may be changed, the addresses of the web servers and
    of the certificate, and for what this machine needs: free ports on the loopback interface, and a directory of its
    own for files that nginx reads and writes.

    Args:
        upstreams: The ports of the web servers on the loopback interface.
        https: As shipped, with a certificate of ``certificates`` and a redirect at ``redirect_url``; otherwise the
            plain variant that the file's header describes, which a browser takes without an exception.
        static: What ``collectstatic`` has collected; the files of the example unless given.
    """

    host = HOST

    def __init__(self, upstreams: Sequence[int], *, https: bool = False, static: Path | None = None) -> None:
        self.directory = get_reaper().new_directory("nginx")
        self.configuration = self.directory / "nginx.conf"
        self.certificates = Certificates(self.directory) if https else None
        self._https = https
        self._upstreams = list(upstreams)
        self._static = static
        self.port = 0
        self.redirect_port = 0
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.port, self.redirect_port = free_ports(2)
        (self.directory / "static").symlink_to(self._static or collected_static())
        self.configuration.write_text(self._adapted())
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()

    # Life and death

    def start(self) -> None:
        """Start on the ports it has, and wait until it accepts connections."""
        self._process = Process("nginx", [*self._command(), "-g", "daemon off;"], log=self.directory / "log")
        wait_until(self._accepts, what=f"nginx on port {self.port}")

    def test(self) -> str:
        """Let nginx check the configuration, and return what it says.

        Raises:
            AssertionError: It is not valid.
        """
        return check_configuration(self._command())

    def reload(self, upstreams: Sequence[int]) -> None:
        """Let a running nginx take other web servers, and wait until it does. Open connections stay where they are."""
        self._upstreams = list(upstreams)
        self.configuration.write_text(self._adapted())
        before = self._workers()
        subprocess.run([*self._command(), "-s", "reload"], check=True, capture_output=True)
        # The former workers accept connections until they are told that the new ones are there.
        wait_until(lambda: not self._workers() & before, what="nginx to serve with its new configuration")

    @property
    def process(self) -> Process:
        """The process that runs now or ran last."""
        assert self._process is not None
        return self._process

    # Ways to get at it

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"{'https' if self._https else 'http'}://{self.host}:{self.port}"

    @property
    def redirect_url(self) -> str:
        """Where the server of port 80 listens that leads to HTTPS."""
        assert self._https
        return f"http://{self.host}:{self.redirect_port}"

    def access_log(self) -> str:
        """Return what it has logged of requests so far."""
        return (self.directory / "logs" / "access.log").read_text()

    # Inside

    def _command(self) -> list[str]:
        return [nginx(), "-p", str(self.directory), "-c", str(self.configuration)]

    def _adapted(self) -> str:
        text = CONFIGURATION.read_text()
        if not self._https:
            text = plain_variant(text)
        return adapted(
            text,
            directory=self.directory,
            ports={443: self.port, 80: self.redirect_port if self._https else self.port},
            upstreams=self._upstreams,
            certificates=self.certificates,
        )

    def _workers(self) -> set[int]:
        """Return the processes that accept connections; one that only ends those it has says so in its title."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(child) for child in children if "shutting down" not in _title(child)}

    def _accepts(self) -> bool:
        self.process.check_running()
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True


def _title(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def plain_variant(text: str) -> str:
    """Return the configuration without HTTPS, as the `sed` command in its header makes it."""
    lines = (line for line in text.splitlines() if not line.endswith("# https"))
    return "\n".join(line.replace("# plain: ", "", 1) for line in lines) + "\n"


def adapted(
    text: str,
    *,
    directory: Path,
    ports: dict[int, int],
    upstreams: Sequence[int],
    certificates: Certificates | None,
) -> str:
    """Return the configuration for this machine. Each substitution has to find something to substitute."""
    (directory / "logs").mkdir(exist_ok=True)
    servers = "\n".join(f"        server {HOST}:{port} max_fails=0;" for port in upstreams)
    changes = [
        (r"^ *server 10\.0\.1\.1\d:8000.*\n(^ *server 10\.0\.1\.1\d:8000.*\n)*", f"{servers}\n"),
        (r"^ *listen \[::\]:.*\n", ""),
        (r"listen (\d+)", lambda found: f"listen {HOST}:{ports[int(found[1])]}"),
        # Whoever runs the tests may read what lies in their directories, www-data may not. Only root can choose.
        (r"^user www-data;\n", "user root;\n" if os.getuid() == 0 else ""),
        (r"/run/nginx\.pid", f"{directory}/nginx.pid"),
        (r"/var/log/nginx/", f"{directory}/logs/"),
        (r"root /srv/djust;", f"root {directory};"),
        (
            r"^http \{\n",
            "http {\n"
            + "".join(
                f"    {kind}_temp_path {directory}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ),
        ),
    ]
    if certificates is not None:
        changes += [
            (r"/etc/nginx/certs/fullchain\.pem", str(certificates.server_certificate)),
            (r"/etc/nginx/certs/privkey\.pem", str(certificates.server_key)),
        ]
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"Nothing in {CONFIGURATION} matches {pattern!r}.")
    return text


def check_configuration(command: Sequence[str]) -> str:
    """Run `nginx -t`, and return what it says; it has to be valid."""
    done = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@cache
def nginx() -> str:
    """Return where nginx is."""
    # Debian puts it where a user's PATH does not lead.
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingServer("nginx is not installed: run `make test` as root, or install Debian's nginx-light.")
    return found


@cache
def collected_static() -> Path:
    """Return a directory with the static files of the example, collected once per process."""
    directory = get_reaper().new_directory("static")
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT / "example",
        env=child_environment(
            {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "SECRET_KEY": "only-for-tests",
                "STATIC_ROOT": str(directory),
            }
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory
