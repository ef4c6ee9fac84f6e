"""The life of an alert, minute by minute, without a clock or a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djust.conf import Config
from djust.models import Alert
from djust.monitoring.alerting.judgement import Judgement, rank
from djust.monitoring.alerting.lifecycle import LONGEST_CALM_SECONDS, Step, advance, may_return, needed_calm
from djust.monitoring.alerting.rules import RULES
from tests.unit.monitoring_support import NODE, NOW

COOLDOWN = Config().alert_cooldown_seconds
MINUTE = timedelta(minutes=1)

#: What a minute is like. Longer stories read well: "WWcccc".
CALM, NEAR, UNKNOWN, WARNING, CRITICAL = "c", "n", "?", "W", "C"


def judgement(kind: str, **changes: Any) -> Judgement:
    severity = {WARNING: "warning", CRITICAL: "critical"}.get(kind)
    values: dict[str, Any] = {
        "rule": "evictions",
        "node": NODE,
        "holds": None if kind == UNKNOWN else severity is not None,
        "severity": severity,
        "calm": kind == CALM,
        "value": {WARNING: 5.0, CRITICAL: 50.0, NEAR: 0.5, CALM: 0.0, UNKNOWN: None}[kind],
        "threshold": 1.0,
        "summary": f"is {kind}",
        "advice": "",
        "for_seconds": 0.0,
        "clear_seconds": 600.0,
    }
    return Judgement(**values | changes)


class Story:
    """An alert and what people were told of it: (minute, what)."""

    def __init__(self, cooldown: float = COOLDOWN, **changes: Any) -> None:
        self.cooldown = cooldown
        self.changes = changes
        self.row: Alert | None = None
        self.rows = 0
        self.minute = 0
        self.told: list[tuple[int, str]] = []
        self.silent: list[tuple[int, str]] = []

    @property
    def alert(self) -> Alert:
        assert self.row is not None
        return self.row

    @property
    def now(self) -> datetime:
        return NOW + self.minute * MINUTE

    def live(self, minutes: Iterable[str], *, step: int = 1) -> Story:
        for kind in minutes:
            found = self._find(kind)
            self._take(found, advance(found, judgement(kind, **self.changes), self.now, self.cooldown))
            self.minute += step
        return self

    def _find(self, kind: str) -> Alert | None:
        """The row that the database would be asked for."""
        row = self.row
        if row is None or row.state != "resolved":
            return row
        return row if kind in (WARNING, CRITICAL) and may_return(row, self.now, self.cooldown) else None

    def _take(self, found: Alert | None, step: Step) -> None:
        if step.announce:
            (self.silent if step.silent else self.told).append((self.minute, str(step.announce)))
        if step.gone:
            self.row = None
        elif step.life is not None:
            if found is None:
                self.rows += 1
            self.row = found or Alert(rule="evictions", node=NODE)
            for name, value in step.life.values.items():
                setattr(self.row, name, value)


def test_it_fires_at_once_and_is_over_after_the_calm() -> None:
    story = Story().live("W" + 9 * "c")
    assert story.alert.state == "firing"
    story.live("cc")
    assert (story.alert.state, story.told) == ("resolved", [(0, "fired"), (11, "resolved")])
    assert (story.alert.value, story.alert.peak, story.alert.resolved_at) == (0.0, 5.0, NOW + 11 * MINUTE)


def test_it_is_pending_until_the_condition_held_for_long_enough() -> None:
    story = Story(for_seconds=120.0).live("WW")
    assert (story.alert.state, story.told) == ("pending", [])
    story.live("W")
    assert (story.alert.state, story.told) == ("firing", [(2, "fired")])
    assert (story.alert.pending_since, story.alert.fired_at) == (NOW, NOW + 2 * MINUTE)


@pytest.mark.parametrize("kind", [CALM, NEAR])
def test_what_does_not_hold_for_long_enough_leaves_no_trace(kind: str) -> None:
    story = Story(for_seconds=120.0).live("WW" + kind)
    assert (story.row, story.told) == (None, [])
    story.live("WW")
    assert story.alert.state == "pending"


def test_too_near_to_the_threshold_is_no_calm() -> None:
    story = Story().live("W" + 60 * "n")
    assert story.alert.state == "firing"
    story.live(11 * "c")
    assert story.alert.state == "resolved"


def test_getting_worse_is_told_once_and_getting_better_is_not() -> None:
    story = Story().live("WCWCWC")
    assert (story.alert.severity, story.told) == ("critical", [(0, "fired"), (1, "escalated")])
    story.live("W")
    assert story.alert.severity == "warning"


def test_each_return_doubles_the_calm_that_is_needed() -> None:
    story = Story().live("W" + 5 * "c" + "W" + 15 * "c")
    assert (story.alert.state, story.alert.returns) == ("firing", 1)
    story.live(6 * "c")
    assert (story.alert.state, story.told) == ("resolved", [(0, "fired"), (27, "resolved")])


def test_the_calm_that_is_needed_has_a_limit() -> None:
    assert [needed_calm(600, returns).total_seconds() for returns in (0, 1, 2, 3, 10_000)] == [
        *(600, 1200, 2400, LONGEST_CALM_SECONDS, LONGEST_CALM_SECONDS)
    ]
    assert needed_calm(7200, 5).total_seconds() == 7200
    assert needed_calm(0, 5).total_seconds() == 0


# Counts from check to check


class Counting(Story):
    """The alert of a rule that counts what happened since the check before, told of again from 100 more on."""

    def count(self, *figures: float) -> Counting:
        for figure in figures:
            self.changes["value"] = figure
            self.live(CRITICAL if figure else CALM)
        return self


def counting() -> Counting:
    return Counting(rule="sessions_lost", news_from=RULES["sessions_lost"].news_from)


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ((1, 3000), [0, 1]),
        ((1, 10, 100), [0]),
        ((1, 101), [0, 1]),
        ((50, 499), [0]),
        ((50, 500), [0, 1]),
        # What was told counts, not what was before.
        ((1, 3000, 1, 3000, 29_999), [0, 1]),
        ((1, 3000, 30_000), [0, 1, 2]),
    ],
)
def test_a_far_larger_count_is_told_of_again(figures: tuple[int, ...], told: list[int]) -> None:
    story = counting().count(*figures)
    assert story.told == [(minute, "escalated" if minute else "fired") for minute in told]
    assert (story.alert.peak, story.alert.value) == (max(figures), figures[-1])


def test_a_far_larger_figure_of_another_rule_is_not() -> None:
    assert len(Counting().count(1, 3000).told) == 1


@pytest.mark.parametrize("answer", ["acknowledge", "silence"])
def test_who_has_seen_one_loss_has_not_seen_thousands(answer: str) -> None:
    story = counting().count(1)
    acknowledge(story) if answer == "acknowledge" else silence(story, 600)
    story.count(50)
    assert story.alert.state in ("acknowledged", "silenced")
    story.count(3000)
    assert (story.alert.state, story.alert.acknowledged_by, story.alert.silenced_until) == ("firing", "", None)
    assert story.told == [(0, "fired"), (2, "escalated")]


def test_a_mass_loss_passes_the_cool_down() -> None:
    story = counting().count(2, *11 * [0], 3, 3000)
    assert story.told == [(0, "fired"), (11, "resolved"), (13, "fired")]


@pytest.mark.parametrize("toggle", [1, 2, 3, 4, 5])
def test_two_hours_of_losses_on_and_off_are_two_messages(toggle: int) -> None:
    story = counting()
    for number in range(120 // (2 * toggle)):
        story.count(*toggle * [1 + 37 * number % 90], *toggle * [0])
    story.count(*180 * [0])
    assert [what for _, what in story.told] == ["fired", "resolved"]


# Missing data


def test_what_is_not_known_is_stale_and_not_over() -> None:
    story = Story().live("W" + 180 * "?")
    assert (story.alert.state, story.alert.stale) == ("firing", True)
    story.live("c")
    assert (story.alert.state, story.alert.stale) == ("firing", False)


def test_calm_does_not_grow_while_nothing_is_known() -> None:
    story = Story().live("W" + 5 * "c" + 60 * "?" + 5 * "c")
    assert story.alert.state == "firing"
    story.live(2 * "c")
    assert story.told[-1][1] == "resolved"


def test_what_is_pending_does_not_ripen_while_nothing_is_known() -> None:
    story = Story(for_seconds=600.0).live("WW" + 60 * "?" + 8 * "W")
    assert story.alert.state == "pending"
    story.live("WW")
    assert story.alert.state == "firing"


def test_time_in_which_nobody_looked_counts_little() -> None:
    story = Story().live("Wc")
    story.minute += 600
    story.live("c")
    assert story.alert.state == "firing"


def test_checks_that_are_far_apart_still_come_to_an_end() -> None:
    story = Story(for_seconds=600.0).live("WWW" + "cccc", step=30)
    assert [what for _, what in story.told] == ["fired", "resolved"]


def test_an_unknown_condition_starts_nothing() -> None:
    assert Story().live("???").row is None


# Coming back


def test_what_comes_back_in_the_cool_down_is_the_same_alert_and_no_message() -> None:
    story = Story(clear_seconds=60.0).live("Wcc" + "WWW")
    assert (story.alert.state, story.alert.returns, story.rows) == ("firing", 1, 1)
    assert (story.alert.resolved_at, story.told) == (None, [(0, "fired"), (2, "resolved")])
    story.live(5 * "c")
    assert (story.alert.state, len(story.told)) == ("resolved", 2)


def test_what_still_fires_after_the_cool_down_is_told() -> None:
    story = Story(clear_seconds=60.0).live("Wcc" + 20 * "W")
    assert story.told == [(0, "fired"), (2, "resolved"), (17, "fired")]
    story.live(5 * "c")
    assert [what for _, what in story.told] == ["fired", "resolved", "fired", "resolved"]


@pytest.mark.parametrize("back", ["C", "WC"], ids=["at once", "later"])
def test_worse_than_before_passes_the_cool_down(back: str) -> None:
    story = Story(clear_seconds=60.0).live("Wcc" + back)
    assert [what for _, what in story.told] == ["fired", "resolved", "fired"]


def test_as_bad_as_before_does_not() -> None:
    assert len(Story(clear_seconds=60.0).live("Ccc" + "C").told) == 2


def test_after_the_cool_down_it_is_a_new_alert() -> None:
    story = Story(clear_seconds=60.0).live("Wcc" + 15 * "c" + "W")
    assert (story.rows, story.alert.returns) == (2, 0)
    assert [what for _, what in story.told] == ["fired", "resolved", "fired"]


def test_a_return_that_does_not_last_leaves_the_end_as_it_was() -> None:
    story = Story(clear_seconds=60.0, for_seconds=120.0).live("WWWcc")
    ended = story.alert.resolved_at
    story.live("WW")
    assert story.alert.state == "pending"
    story.live("c")
    assert (story.alert.state, story.alert.resolved_at, story.alert.returns) == ("resolved", ended, 0)
    assert story.alert.pending_since <= story.alert.fired_at


# People


def acknowledge(story: Story) -> None:
    story.alert.state, story.alert.acknowledged_at, story.alert.acknowledged_by = "acknowledged", story.now, "ann"


def silence(story: Story, minutes: int) -> None:
    story.alert.state, story.alert.silenced_by = "silenced", "ann"
    story.alert.silenced_until = story.now + minutes * MINUTE


def test_an_acknowledged_alert_stays_so_until_it_is_over() -> None:
    story = Story().live("W")
    acknowledge(story)
    story.live(300 * "W")
    assert (story.alert.state, story.told) == ("acknowledged", [(0, "fired")])
    story.live(11 * "c")
    assert (story.alert.state, story.told[1:]) == ("resolved", [(311, "resolved")])


def test_an_acknowledged_alert_that_gets_worse_fires_again() -> None:
    story = Story().live("W")
    acknowledge(story)
    story.live("C")
    assert (story.alert.state, story.alert.acknowledged_by, story.told[1:]) == ("firing", "", [(1, "escalated")])


def test_an_acknowledged_alert_that_comes_back_fires_again() -> None:
    story = Story(clear_seconds=60.0).live("W")
    acknowledge(story)
    story.live("cc" + "W")
    assert (story.alert.state, story.alert.acknowledged_at) == ("firing", None)


def test_a_silenced_alert_is_told_of_afterwards_if_it_was_not_before() -> None:
    story = Story(clear_seconds=60.0).live("Wcc" + "W")
    silence(story, 60)
    story.live(60 * "W")
    assert len(story.told) == 2
    story.live("W")
    assert (story.alert.state, story.told[2:]) == ("firing", [(64, "fired")])


def test_a_silenced_alert_that_was_told_of_is_not_told_of_again() -> None:
    story = Story().live("W")
    silence(story, 10)
    story.live(30 * "W")
    assert (story.alert.state, story.alert.silenced_until, story.told) == ("firing", None, [(0, "fired")])


def test_silence_over_an_acknowledged_alert_ends_as_acknowledged() -> None:
    story = Story().live("W")
    acknowledge(story)
    silence(story, 10)
    story.live(30 * "W")
    assert story.alert.state == "acknowledged"


def test_silence_ends_when_it_gets_worse() -> None:
    story = Story().live("W")
    silence(story, 600)
    story.live("WC")
    assert (story.alert.state, story.alert.silenced_until, story.told[1:]) == ("firing", None, [(2, "escalated")])


def test_the_end_of_a_silenced_alert_goes_to_log_and_signal_only() -> None:
    story = Story().live("W")
    silence(story, 600)
    story.live(11 * "c")
    assert (story.alert.state, story.told, story.silent) == ("resolved", [(0, "fired")], [(11, "resolved")])


def test_an_end_that_nobody_was_told_of_begins_no_cool_down() -> None:
    story = Story().live("W")
    silence(story, 20)
    story.live(20 * "c" + "W")
    assert (story.rows, story.told) == (2, [(0, "fired"), (21, "fired")])


def test_what_comes_back_while_silenced_is_silent() -> None:
    story = Story().live("W")
    silence(story, 120)
    story.live(60 * "c" + 30 * "W")
    assert (story.alert.state, story.rows, len(story.told)) == ("silenced", 1, 1)


# Flapping


@pytest.mark.parametrize("toggle", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rule", ["evictions", "memory_high"])
def test_two_hours_of_flapping_are_two_messages(rule: str, toggle: int) -> None:
    found = RULES[rule]
    story = Story(for_seconds=float(found.for_seconds), clear_seconds=float(found.clear_seconds))
    story.live((toggle * "W" + toggle * "c") * (120 // (2 * toggle)))
    story.live(180 * "c")
    # What never holds for as long as its rule asks is nobody's concern.
    expected = ["fired", "resolved"] if (toggle - 1) * 60 >= found.for_seconds else []
    assert [what for _, what in story.told] == expected


@given(st.lists(st.tuples(st.sampled_from("cW"), st.integers(1, 5)), max_size=80))
def test_random_flapping_is_two_messages_at_most(spells: list[tuple[str, int]]) -> None:
    # Five minutes of anything are too short for the ten of calm, and two neighbours may be alike.
    story = Story()
    previous = ""
    for kind, minutes in spells:
        story.live(minutes * kind if kind != previous else "")
        previous = kind
    story.live(121 * "c")
    assert [what for _, what in story.told] in ([], ["fired", "resolved"])


@given(
    st.lists(st.tuples(st.sampled_from("cn?WC"), st.integers(1, 40)), max_size=25),
    st.sampled_from([0.0, 120.0, 600.0]),
    st.sampled_from([0.0, 60.0, 600.0]),
    st.sampled_from([0.0, 900.0]),
)
def test_messages_come_in_order_whatever_happens(
    spells: list[tuple[str, int]], for_seconds: float, clear_seconds: float, cooldown: float
) -> None:
    story = Story(cooldown, for_seconds=for_seconds, clear_seconds=clear_seconds)
    for kind, minutes in spells:
        story.live(minutes * kind)
        row = story.row
        if row is not None and row.state == "firing" and row.announced_severity:
            assert rank(row.announced_severity) >= rank(row.severity)
            assert story.told
    following = {"fired": {"escalated", "resolved"}, "escalated": {"resolved"}, "resolved": {"fired"}}
    kinds = [what for _, what in story.told]
    assert kinds[:1] in ([], ["fired"])
    assert all(after in following[before] for before, after in pairwise(kinds))
    story.live(121 * "c")
    assert story.row is None or story.row.state == "resolved"
    assert [what for _, what in story.told][-1:] in ([], ["resolved"])
