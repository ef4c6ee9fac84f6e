"""A project in a directory of its own, whose commands run as processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from djust.state_backend import RedisStateBackend
from tests.servers.process import child_environment
from tests.servers.waiting import wait_until


class Ended(NamedTuple):
    """How a command ended and what it printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        """The last line for a person."""
        return self.stdout.splitlines()[-1]

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it logged under this name."""
        lines = [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]


@dataclass(frozen=True)
class Project:
    """Its database is a file; its ``DJUST_CONFIG`` is given."""

    directory: Path
    config: dict[str, Any]

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the variables of its processes."""
        return child_environment(
            {
                "DJANGO_SETTINGS_MODULE": "tests.commands.settings",
                "TEST_DATABASE_URL": f"sqlite:///{self.directory / 'db.sqlite3'}",
                "TEST_DJUST_CONFIG": json.dumps(self.config),
                **changes,
            }
        )

    def run(self, *arguments: str, stdin: str = "", **changes: str) -> Ended:
        """Run ``manage.py`` with these arguments."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            env=self.environment(**changes),
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def run_on_a_terminal(self, *arguments: str, answer: str = "") -> tuple[int, str]:
        """Run it on a terminal, type ``answer`` there, and return the status and everything that was shown."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "django", *arguments]
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=self.environment(), start_new_session=True
        ) as process:
            os.close(theirs)
            os.write(ours, answer.encode())
            shown = b""
            while True:
                try:
                    part = os.read(ours, 65_536)
                except OSError:  # Linux says so when the other side is closed.
                    break
                if not part:
                    break
                shown += part
        os.close(ours)
        return process.returncode, shown.decode()


def make_due(backend: RedisStateBackend, count: int) -> None:
    """Make sessions that are due when this returns. None is due while they are made, so no write reports them."""
    for number in range(count):
        backend.set(f"due{number}", {}, ttl=600)
    for number in range(count):
        backend.touch(f"due{number}", 0.05)
    wait_until(lambda: backend.count_due() == count, what="the sessions to be due")
