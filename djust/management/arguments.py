"""What the commands share: reading seconds, naming the caller, and ending with the right status."""

from __future__ import annotations

import argparse
import getpass
import math
import sys
from typing import NoReturn

from djust.exceptions import DjustError


def seconds(text: str) -> float:
    """Read a number of seconds, for argparse."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds.") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds.")
    return value


def caller() -> str:
    """Return who runs the command, for the history; empty where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def store_failed(error: DjustError) -> NoReturn:
    """End the command because the store could not do what was asked."""
    sys.stderr.write(f"{error}\n")
    sys.exit(1)


def bad_arguments(message: str) -> NoReturn:
    """End the command because of its arguments."""
    sys.stderr.write(f"{message}\n")
    sys.exit(2)
