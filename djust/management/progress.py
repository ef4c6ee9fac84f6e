"""A progress bar for long work on a terminal."""

from __future__ import annotations

import time
from typing import TextIO

WIDTH = 30
#: Work that is shorter than this shows no bar.
PATIENCE_SECONDS = 1.0
REDRAW_SECONDS = 0.1


class ProgressBar:
    """Draws on a terminal, and nowhere else."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream = stream
        self._unit = unit
        self._draws = stream.isatty()
        self._next = time.monotonic() + PATIENCE_SECONDS
        self._drawn = 0

    def update(self, done: int, total: int | None = None) -> None:
        """Draw, unless it was drawn a moment ago."""
        if not self._draws or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REDRAW_SECONDS
        text = f"{done:,} {self._unit}"
        if total:
            filled = min(WIDTH, WIDTH * done // total)
            bar = "#" * filled + "." * (WIDTH - filled)
            text = f"[{bar}] {done * 100 // total:3d} %  {done:,} of {total:,} {self._unit}"
        self._stream.write("\r" + text.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(text)

    def clear(self) -> None:
        """Take the bar away again."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0
