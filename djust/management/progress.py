"""A progress bar for long work on a terminal."""

from __future__ import annotations

import logging
import os
import time
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper

from djust.log import NAME

WIDTH = 30
#: Work that is shorter than this shows no bar.
PATIENCE_SECONDS = 1.0
REDRAW_SECONDS = 0.1
#: Where the terminal does not say how wide it is.
DEFAULT_COLUMNS = 80


class ProgressBar:
    """Draws one line again and again while a ``with`` block lasts, and leaves the last state when it ends.

    What djust logs meanwhile gets a line of its own.

    Args:
        stream: A terminal.
        unit: What is counted, e.g. ``"sessions"``.
        shown: Draw at all.
    """

    def __init__(self, stream: OutputWrapper, unit: str, *, shown: bool) -> None:
        self._stream = stream
        self._unit = unit
        #: Whether it draws.
        self.shown = shown
        self._next = time.monotonic() + PATIENCE_SECONDS
        self._text = ""
        self._drawn = 0
        self._ever_drawn = False

    def __enter__(self) -> Self:
        if self.shown:
            logging.getLogger(NAME).addFilter(self._make_room)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger(NAME).removeFilter(self._make_room)
        if self._ever_drawn:
            self._draw()
            self._write("\n")

    def update(self, done: int, total: int | None = None) -> None:
        """Say how far the work has come; drawn unless that happened a moment ago."""
        if not self.shown:
            return
        self._text = f"{done:,} {self._unit}"
        if total:
            filled = min(WIDTH, WIDTH * done // total)
            bar = "#" * filled + "." * (WIDTH - filled)
            self._text = f"[{bar}] {done * 100 // total:3d} %  {done:,} of {total:,} {self._unit}"
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + REDRAW_SECONDS
            self._draw()

    def _draw(self) -> None:
        text = self._text[: self._columns() - 1]
        self._write("\r" + text.ljust(self._drawn))
        self._drawn = len(text)
        self._ever_drawn = True

    def _make_room(self, _record: logging.LogRecord) -> bool:
        if self._drawn:
            self._write("\r" + " " * self._drawn + "\r")
            self._drawn = 0
        return True

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or DEFAULT_COLUMNS
        except OSError:
            return DEFAULT_COLUMNS

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()
