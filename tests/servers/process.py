"""One server process: started in a group of its own, its output in a file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def child_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's variables for a Python child that has to find this repository's packages.

    The settings module of the tests is left out: a child says itself which project it is.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    path = os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH")]))
    return {**inherited, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **(changes or {})}


class Process:
    """A running child process and what it has written."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        get_reaper().watch(self.pid)

    @property
    def pid(self) -> int:
        """The number of the process, which is also that of its group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def output(self) -> str:
        """Return what this process has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def wait_for_output(self, pattern: str, *, timeout: float = 60.0, count: int = 1) -> list[str]:
        """Wait until the regular expression matches ``count`` times, and return the matched texts."""

        def matches() -> list[str]:
            found = [match.group(0) for match in re.finditer(pattern, self.output(), re.MULTILINE)]
            if len(found) >= count:
                return found
            self.check_running()
            return []

        try:
            return wait_until(matches, timeout=timeout, what=f"{pattern!r} in the output of {self.name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.tail()}") from None

    def check_running(self) -> None:
        """Raise if the process has ended."""
        if not self.running:
            raise RuntimeError(f"{self.name} ended with status {self.returncode}.\n{self.tail()}")

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.output().splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """End the whole group at once, as a power cut would."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait()
        get_reaper().forget(self.pid)

    def stop(self, *, timeout: float = 20.0) -> None:
        """Ask the process to end, and kill the group when it does not within ``timeout`` seconds."""
        if self.running:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
