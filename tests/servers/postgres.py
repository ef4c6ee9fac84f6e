"""PostgreSQL with a fresh cluster of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from tests.servers.ports import HOST, free_port
from tests.servers.process import Process
from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until

ROLE = "djust"


class Postgres:
    """A server whose role ``djust`` may do everything and needs no password.

    PostgreSQL refuses to run as root, so root runs it as the user ``postgres``, or ``nobody`` without one.
    """

    host = HOST

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = _unprivileged_user()
        self._directory = get_reaper().new_directory("postgres")
        self.port = 0
        self._process: Process | None = None

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._initialise()
        self.port = free_port()
        self.start()
        self.create_database("djust")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send(signal.SIGQUIT)
            self._process.stop()

    def start(self) -> None:
        """Start on the port it has, and wait until it answers."""
        # What is committed outlives the process, if not the machine.
        options = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
            "shared_buffers": "32MB",
        }
        self._process = Process(
            "postgres",
            [
                str(self._programs / "postgres"),
                *("-D", str(self._directory / "data")),
                *("-p", str(self.port)),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            log=self._directory / "log",
            cwd=self._directory,
            user=self._user,
        )
        wait_until(self._answers, what=f"PostgreSQL on port {self.port}")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()

    @property
    def url(self) -> str:
        """The URL of the database ``djust``."""
        return self.database_url("djust")

    def database_url(self, name: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgres://{ROLE}@{self.host}:{self.port}/{name}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create an empty database, or a copy of one, and return its URL."""
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(command)
        return self.database_url(name)

    def _initialise(self) -> None:
        command = [str(self._programs / "initdb"), "-D", str(self._directory / "data"), "-U", ROLE]
        command += ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=self._directory,
            user=self._user,
            extra_groups=None if self._user is None else [],
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        assert self._process is not None
        self._process.check_running()
        try:
            psycopg.connect(self.database_url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {line.split(":", 1)[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return "postgres" if "postgres" in known else "nobody"
