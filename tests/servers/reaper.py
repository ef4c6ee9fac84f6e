"""Ends what is left when the tests are over or were killed: a small process that waits for the end of this one.

It holds the reading end of a pipe whose writing end only this process has. When the pipe closes, it kills every
process group it was told about and removes the directory that the servers worked in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

_WAIT_AND_KILL = """
import os, shutil, signal, sys
groups = set()
for line in sys.stdin:
    sign, number = line[0], int(line[1:])
    (groups.add if sign == "+" else groups.discard)(number)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


class Reaper:
    """Knows every process group that must not outlive this process."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="djust-tests-"))
        self.root.chmod(0o755)  # PostgreSQL runs as another user and has to get at its directory
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WAIT_AND_KILL, str(self.root)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Kill this process group when this process ends."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._tell(f"-{group}\n")

    def new_directory(self, name: str) -> Path:
        """Return a fresh directory that is removed when this process ends."""
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
        directory.chmod(0o755)
        return directory

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(line)
            self._process.stdin.flush()


@cache
def get_reaper() -> Reaper:
    """Return the reaper of this process."""
    return Reaper()
