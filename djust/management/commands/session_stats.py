"""``manage.py session_stats``."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from djust.management.base import STORE_FAILED, budget
from djust.management.stats import describe
from djust.monitoring.status.bounded import BoundedReader
from djust.monitoring.status.summary import Summary, judge, read_records, read_store, unanswered

WATCH_SECONDS = 2.0
WIDEST = 100

#: What a terminal understands as: go to the top left; clear to the end of the line; clear what is below.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_CLEAR = f"{_HOME}{_CLEAR_BELOW}"


class Command(BaseCommand):
    """Shows how the store is doing."""

    help = (
        "Show sessions, memory, losses, alerts and whether maintenance goes on. Changes nothing. "
        "Exit status: 0 shown; 1 the store cannot be reached (the rest is shown all the same); 2 bad arguments."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._records = BoundedReader(read_records, patience_seconds=5.0)

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        parser.add_argument(
            "--watch",
            nargs="?",
            type=budget,
            const=WATCH_SECONDS,
            metavar="SECONDS",
            help=f"look again and again, every {WATCH_SECONDS:g} seconds unless said otherwise, until Ctrl-C",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a look and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """See ``BaseCommand``."""
        if options["watch"] is not None:
            self._watch(options["watch"], as_json=options["json"])
            return
        summary = self._look()
        self.stdout.write(self._text(summary, as_json=options["json"]))
        if not (summary.store.up or summary.store.elsewhere):
            raise SystemExit(STORE_FAILED)

    def _watch(self, pause: float, *, as_json: bool) -> None:
        in_place = self.stdout.isatty() and not as_json
        try:
            if in_place:
                self._print(_CLEAR)
            while True:
                text = self._text(self._look(), as_json=as_json)
                self._print(_in_place(text) if in_place else f"{text}\n" if as_json else f"{text}\n\n")
                time.sleep(pause)
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            # Whoever read has gone. What Python still holds back for them must not be an error at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _look(self) -> Summary:
        now = timezone.now()
        pending = self._records.start()
        store = read_store()
        return judge(pending.get() or unanswered(), store, now)

    def _text(self, summary: Summary, *, as_json: bool) -> str:
        if as_json:
            return json.dumps(summary.as_dict())
        style = self.style
        paint = {
            "well": style.SUCCESS,
            "starting": style.HTTP_INFO,
            "attention": style.WARNING,
            "trouble": style.ERROR,
            "unknown": style.WARNING,
        }
        return "\n".join(describe(summary, paint=paint, width=min(shutil.get_terminal_size().columns, WIDEST)))

    def _print(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()


def _in_place(text: str) -> str:
    """Return a text that replaces the one before, line by line so that nothing flickers, cut to the screen."""
    lines = text.split("\n")[: max(1, shutil.get_terminal_size().lines - 1)]
    return _HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW
