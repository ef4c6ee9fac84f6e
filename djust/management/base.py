"""What the commands share: reading seconds, the bar, one way to print, and ending with the right status."""

from __future__ import annotations

import argparse
import getpass
import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from djust.exceptions import DjustError, InvalidArgument
from djust.management.progress import ProgressBar
from djust.state_backend.arguments import check_seconds

STORE_FAILED, BAD_ARGUMENTS, INTERRUPTED = 1, 2, 130


class StoreCommand(BaseCommand):
    """Does something to the configured store, and says how that went as text or as one JSON object.

    Exit status: 0 done, skipped or not applicable; 1 the store could not do it; 2 bad arguments; 130 Ctrl-C.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    @abstractmethod
    def work(self, options: dict[str, Any]) -> tuple[dict[str, Any], Sequence[str]]:
        """Do it, and return the figures for ``--json`` and the lines for a person."""

    def handle(self, *args: Any, **options: Any) -> None:
        """See ``BaseCommand``."""
        try:
            report, lines = self.work(options)
        except InvalidArgument as error:
            bad_arguments(str(error))
        except DjustError as error:
            message = str(error)
        except KeyboardInterrupt:
            raise CommandError("Interrupted. What was done stays done.", returncode=INTERRUPTED) from None
        else:
            self.stdout.write(json.dumps(report) if options["json"] else "\n".join(lines))
            return
        # Raised out here, so that --traceback shows nothing but the words of the error.
        if options["json"]:
            self.stdout.write(json.dumps({"outcome": "failed", "error": message}))
        raise CommandError(message, returncode=STORE_FAILED)

    def progress(self, unit: str, options: dict[str, Any]) -> ProgressBar:
        """Return a bar for a ``with`` block; it draws on a terminal only, and never beside ``--json``."""
        return ProgressBar(self.stderr, unit, shown=self.stderr.isatty() and not options["json"])


def seconds(text: str) -> float:
    """Read a number of seconds, for argparse."""
    try:
        return check_seconds("", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to a century.") from None


def budget(text: str) -> float:
    """Read a time to work, for argparse."""
    value = seconds(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("it must be greater than zero.")
    return value


def add_budget(parser: CommandParser) -> None:
    """Let a person limit how long the command works; nobody waits for it as Celery does."""
    help_text = "stop after this time and leave the rest; no limit by default"
    parser.add_argument("--budget", type=budget, metavar="SECONDS", default=math.inf, help=help_text)


def caller() -> str:
    """Return who runs the command, for the history; empty where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def bad_arguments(message: str) -> NoReturn:
    """End the command because of its arguments."""
    raise CommandError(message, returncode=BAD_ARGUMENTS) from None
