"""Child processes whose lines are printed behind their name, and who never outlive the program that started them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from tests.servers.reaper import get_reaper

_COLOURS = {
    "state": 35,
    "broker": 34,
    "web": 32,
    "web1": 32,
    "web2": 92,
    "web3": 96,
    "worker": 33,
    "beat": 36,
    "visitors": 95,
    "crowd": 91,
    "demo": 1,
}
_WIDTH = max(map(len, _COLOURS))

_ESCAPES = re.compile(r"\033\[[0-9;]*m")

_output_lock = threading.Lock()


def say(name: str, line: str = "") -> None:
    """Print a line behind ``name``, coloured on a terminal."""
    label = f"{name:<{_WIDTH}} |"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        label = f"\033[{_COLOURS.get(name, 37)}m{label}\033[0m"
    else:
        line = _ESCAPES.sub("", line)
    with _output_lock, suppress(BrokenPipeError):
        print(f"{label} {line}", flush=True)


class Child:
    """A process in a session of its own, so that Ctrl-C reaches it only through ``stop``."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        #: Whether it was told to stop.
        self.asked = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        get_reaper().watch(self._process.pid)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._print, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def returncode(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, once, and return."""
        if not self.asked and self.returncode is None:
            self.asked = True
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, and return when it has ended."""
        self.asked = True
        self._process.kill()
        self._process.wait()

    def stop(self, timeout: float = 10.0) -> int:
        """End it, gently for ``timeout`` seconds, and whatever it started; return its status."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        get_reaper().forget(self._process.pid)
        self._reader.join(timeout=5)
        return status

    def _print(self, output: TextIO) -> None:
        with output:
            for line in output:
                say(self.name, line.rstrip("\n"))


class Children:
    """All of them. Leaving the context ends them, the last one first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            child.ask_to_stop()
        for child in reversed(self._children):
            child.stop()

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Child:
        """Start one more."""
        child = Child(name, command, env=env, cwd=cwd)
        self._children.append(child)
        return child

    def wait(self, seconds: float) -> Child | None:
        """Wait until one of them has ended that nobody told to, and return it; ``None`` after ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for child in self._children:
                if child.returncode is not None and not child.asked:
                    return child
            time.sleep(0.05)
        return None
