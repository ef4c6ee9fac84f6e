"""The progress bar of the commands."""

from __future__ import annotations

import logging
import os
from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from djust.log import NAME, logger
from djust.management import progress
from djust.management.progress import ProgressBar


class Terminal(StringIO):
    """Remembers what was shown, and how wide it is."""

    columns = 0

    def fileno(self) -> int:
        if not self.columns:
            return super().fileno()  # which it has not
        return 1

    def shown(self) -> str:
        """Return what was shown since the last look."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(progress, "REDRAW_SECONDS", 0)


def bar_on(terminal: Terminal, *, shown: bool = True) -> ProgressBar:
    return ProgressBar(OutputWrapper(terminal), "sessions", shown=shown)


def test_the_last_state_stays(terminal: Terminal) -> None:
    with bar_on(terminal) as bar:
        bar.update(1_000, 4_000)
        assert terminal.shown() == "\r[#######.......................]  25 %  1,000 of 4,000 sessions"
        bar.update(4_000, 4_000)
    assert terminal.shown().splitlines()[-1] == "[##############################] 100 %  4,000 of 4,000 sessions"


def test_without_a_total_it_counts(terminal: Terminal) -> None:
    with bar_on(terminal) as bar:
        bar.update(12)
        assert terminal.shown() == "\r12 sessions"


def test_what_is_logged_meanwhile_has_a_line_of_its_own(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    handler = logging.StreamHandler(terminal)
    logging.getLogger(NAME).addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, NAME), bar_on(terminal) as bar:
            bar.update(5)
            logger.info("something_happened")
            bar.update(6)
    finally:
        logging.getLogger(NAME).removeHandler(handler)
    blank = " " * len("5 sessions")
    assert terminal.shown() == (f"\r5 sessions\r{blank}\rsomething_happened\n\r6 sessions\r6 sessions\n")
    assert logging.getLogger(NAME).filters == []


def test_it_stays_on_one_line_of_a_narrow_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.columns = 30
    monkeypatch.setattr(os, "get_terminal_size", lambda _number: os.terminal_size((30, 24)))
    with bar_on(terminal) as bar:
        bar.update(1, 2)
        assert len(terminal.shown().removeprefix("\r")) == 29


def test_short_work_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 3_600)
    with bar_on(terminal) as bar:
        bar.update(1, 2)
    assert terminal.shown() == ""


def test_it_draws_nothing_where_it_should_not(terminal: Terminal) -> None:
    with bar_on(terminal, shown=False) as bar:
        bar.update(1, 2)
    assert terminal.shown() == ""


def test_an_error_begins_on_a_line_of_its_own(terminal: Terminal) -> None:
    def work() -> None:
        with bar_on(terminal) as bar:
            bar.update(1, 2)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert terminal.shown().endswith("\n")
