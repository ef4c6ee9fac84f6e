"""What the rules make of what a check finds."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from djust.conf import Config
from djust.monitoring.alerting.judgement import Judgement
from djust.monitoring.alerting.rules import RULES, configured, judge
from djust.monitoring.reading import BrokerReading, LossReading, ServerReading
from tests.unit.monitoring_support import MB, NODE, NOW, judged, reading, sample, server

OTHER = "10.0.0.6:6379"
STORE = ""


def state(judgement: Judgement) -> str | None:
    """A severity, "calm", "near" (too close to the threshold to count as calm), or None for not known."""
    if judgement.holds is None:
        return None
    return judgement.severity or ("calm" if judgement.calm else "near")


def test_a_healthy_store_has_no_alerts() -> None:
    assert {state(one) for one in judge(reading(), Config())} == {"calm"}


@pytest.mark.parametrize(
    ("policy", "source", "percent", "expected"),
    [
        ("noeviction", "maxmemory", 69, "calm"),
        ("noeviction", "maxmemory", 75, "near"),
        ("noeviction", "maxmemory", 80, "warning"),
        ("noeviction", "maxmemory", 90, "critical"),
        ("noeviction", "setting", 90, "critical"),
        ("volatile-ttl", "maxmemory", 79, "calm"),
        ("volatile-ttl", "maxmemory", 85, "near"),
        ("volatile-lru", "maxmemory", 100, "warning"),
        ("allkeys-lru", "maxmemory", 100, "calm"),
        # Without a maxmemory no policy ever acts.
        ("allkeys-lru", "system", 85, "warning"),
        ("", "maxmemory", 85, "near"),
        ("", "maxmemory", 95, "warning"),
    ],
)
def test_high_memory_is_judged_by_what_the_policy_does(policy: str, source: str, percent: int, expected: str) -> None:
    full = server(policy=policy, limit_source=source, used_bytes=percent * MB)
    assert state(judged("memory_high", reading(full))) == expected


@pytest.mark.parametrize(
    ("policy", "source", "expected"),
    [
        ("noeviction", "maxmemory", "critical"),
        ("volatile-lru", "maxmemory", "critical"),
        ("allkeys-lru", "maxmemory", "calm"),
        ("allkeys-lru", "setting", "calm"),
    ],
)
def test_a_cache_that_fills_up_is_no_alert(policy: str, source: str, expected: str) -> None:
    growing = server(policy=policy, limit_source=source, used_bytes=60 * MB, seconds_to_full=3000.0)
    assert state(judged("time_to_full", reading(growing))) == expected


@pytest.mark.parametrize(
    ("policy", "source", "words"),
    [
        ("noeviction", "maxmemory", "95 % of its limit: when it is full, writes are refused."),
        ("volatile-ttl", "maxmemory", "95 % of its limit: when it is full, it evicts sessions (volatile-ttl)."),
        ("noeviction", "system", "95 % of the machine's memory: it has no maxmemory, and a machine without memory"),
    ],
)
def test_high_memory_says_what_comes_next(policy: str, source: str, words: str) -> None:
    found = judged("memory_high", reading(server(policy=policy, limit_source=source, used_bytes=95 * MB)))
    assert f"{NODE} uses 95 MB of 100 MB, {words}" in found.summary


@pytest.mark.parametrize("rule", ["memory_high", "time_to_full", "fragmentation"])
@pytest.mark.parametrize(
    "samples",
    [
        [],
        [sample(sampled_at=NOW - timedelta(seconds=181), used_bytes=99 * MB, rss_bytes=300 * MB, seconds_to_full=60)],
        [sample(used_bytes=None, unavailable={"used_bytes": "INFO is denied."})],
    ],
    ids=["none", "old", "withheld"],
)
def test_without_a_recent_sample_nothing_is_known(rule: str, samples: list[Any]) -> None:
    what = reading(ServerReading(node=NODE, samples=samples, evicted=0))
    assert state(judged(rule, what)) is None


def test_a_slower_schedule_lets_a_sample_count_for_longer() -> None:
    old = server(sampled_at=NOW - timedelta(seconds=890), used_bytes=95 * MB)
    assert state(judged("memory_high", reading(old, sample_every_seconds=300.0))) == "critical"


@pytest.mark.parametrize(("evicted", "expected"), [(None, None), (0, "calm"), (1, "warning"), (40_000, "warning")])
def test_any_evicted_key_is_a_warning_at_once(evicted: int | None, expected: str | None) -> None:
    found = judged("evictions", reading(server(evicted=evicted)))
    assert (state(found), found.for_seconds) == (expected, 0)


def test_lost_sessions_are_critical_at_once_and_told_by_cause() -> None:
    losses = [
        LossReading(node=NODE, cause="evicted", sessions=1200),
        LossReading(node=NODE, cause="restart", sessions=300, estimated=True),
    ]
    found = judged("sessions_lost", reading(server(used_bytes=98 * MB), losses=losses))
    assert (state(found), found.for_seconds, found.value) == ("critical", 0, 1500)
    assert found.summary == (
        f"{NODE} lost about 1,500 live sessions (evicted: 1,200, restart without data: about 300) before their time."
    )
    assert "raise maxmemory" in found.advice
    assert "appendonly yes" in found.advice


def test_a_flush_is_the_loss_of_its_server_only() -> None:
    what = reading(server(), server(node=OTHER), losses=[LossReading(node=OTHER, cause="flushed", sessions=7)])
    assert state(judged("sessions_lost", what)) == "calm"
    found = judged("sessions_lost", what, node=OTHER)
    assert state(found) == "critical"
    assert "FLUSHALL" in found.advice
    assert "maxmemory" not in found.advice


def test_a_loss_that_belongs_to_no_server_is_the_store_s() -> None:
    found = judged("sessions_lost", reading(losses=[LossReading(node="", cause="unknown", sessions=1)]), node=STORE)
    assert found.summary == "The store lost 1 live session (unknown: 1) before their time."


@pytest.mark.parametrize(
    ("policy", "limit", "shared", "evicted", "expected"),
    [
        ("allkeys-lru", 64 * MB, False, 5, "warning"),
        ("allkeys-lru", 64 * MB, True, 0, "warning"),
        ("allkeys-random", 64 * MB, True, 5, "critical"),
        ("allkeys-lru", 0, True, 0, "calm"),
        ("volatile-ttl", 64 * MB, True, 5, "calm"),
        ("noeviction", 64 * MB, True, 0, "calm"),
        ("allkeys-lru", None, True, 5, None),
        (None, 64 * MB, True, 5, None),
    ],
)
def test_the_broker_is_at_risk_where_its_keys_can_be_evicted(
    policy: str | None, limit: int | None, shared: bool, evicted: int, expected: str | None
) -> None:
    broker = BrokerReading(node="queue:6379", policy=policy, limit_bytes=limit, shared_with_store=shared)
    found = judged("broker_at_risk", reading(server(evicted=evicted), broker=broker), node="queue:6379")
    assert state(found) == expected
    assert "server of its own" in found.advice or not found.holds


def test_on_a_cluster_only_the_broker_s_own_server_counts() -> None:
    broker = BrokerReading(node=NODE, policy="allkeys-lru", limit_bytes=64 * MB, shared_with_store=True)
    what = reading(server(evicted=0), server(node=OTHER, evicted=9), broker=broker)
    assert state(judged("broker_at_risk", what)) == "warning"


def test_no_broker_that_speaks_redis_is_nothing_to_judge() -> None:
    assert not [one for one in judge(reading(), Config()) if one.rule == "broker_at_risk"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "calm"), (17_000, "calm"), (15_000, "near"), (14_400, "warning"), (3_600, "critical"), (0, "critical")],
)
def test_time_to_full_is_the_worse_the_shorter(seconds: float | None, expected: str) -> None:
    assert state(judged("time_to_full", reading(server(seconds_to_full=seconds)))) == expected


@pytest.mark.parametrize(
    ("used", "resident", "expected"),
    [(4, 40, "calm"), (20, 29, "calm"), (50, 66, "near"), (50, 64, "calm"), (50, 71, "warning"), (50, None, None)],
)
def test_fragmentation_counts_where_it_wastes_something(used: int, resident: int | None, expected: str | None) -> None:
    one = server(used_bytes=used * MB, rss_bytes=None if resident is None else resident * MB)
    assert state(judged("fragmentation", reading(one))) == expected


def test_a_lost_index_says_that_what_it_held_is_unknown_and_how_to_rebuild_it() -> None:
    found = judged("index_lost", reading(index_shards_lost={NODE: 3}))
    assert (state(found), found.for_seconds) == ("critical", 0)
    assert found.summary == f"{NODE} evicted 3 shards of the index of sessions."
    assert "not known" in found.advice
    assert "--repair data_without_index" in found.advice


def test_an_index_that_was_not_looked_at_is_not_whole() -> None:
    assert state(judged("index_lost", reading(index_shards_lost={}))) is None


def test_an_unreachable_store_mutes_the_rest() -> None:
    what = reading(
        server(evicted=5, used_bytes=99 * MB),
        unreachable="Connection refused.",
        last_cleanup_at=NOW - timedelta(days=1),
        losses=[LossReading(node=NODE, cause="unknown", sessions=9)],
    )
    found = judged("store_unreachable", what, node=STORE)
    assert (state(found), found.for_seconds) == ("critical", 60)
    assert found.summary == "The store cannot be reached: Connection refused."
    assert {state(one) for one in judge(what, Config()) if one.rule != "store_unreachable"} == {None}


@pytest.mark.parametrize(
    ("rule", "age", "every", "expected"),
    [
        ("sampling_stopped", 299, 60.0, "calm"),
        ("sampling_stopped", 300, 60.0, "warning"),
        ("sampling_stopped", 3500, 1200.0, "calm"),
        ("sampling_stopped", 3600, 1200.0, "warning"),
        ("sampling_stopped", 99_999, None, "calm"),
        ("cleanup_stopped", 599, 60.0, "calm"),
        ("cleanup_stopped", 600, 60.0, "critical"),
        ("cleanup_stopped", 99_999, None, "calm"),
    ],
)
def test_a_task_has_stopped_when_it_missed_its_schedule(
    rule: str, age: int, every: float | None, expected: str
) -> None:
    what = "sample" if rule == "sampling_stopped" else "cleanup"
    times = {f"last_{what}_at": NOW - timedelta(seconds=age), f"{what}_every_seconds": every}
    assert state(judged(rule, reading(**times), node=STORE)) == expected


@pytest.mark.parametrize(
    ("late_in", "expected"),
    [(timedelta(hours=9), "calm"), (timedelta(), "critical"), (-timedelta(hours=1), "critical")],
)
def test_what_is_not_due_at_night_has_not_stopped(late_in: timedelta, expected: str) -> None:
    times = {"last_cleanup_at": NOW - timedelta(hours=3), "cleanup_every_seconds": 300.0}
    assert state(judged("cleanup_stopped", reading(**times, cleanup_late_at=NOW + late_in), node=STORE)) == expected


def test_what_never_ran_is_given_the_time_that_its_schedule_allows() -> None:
    never = {"last_cleanup_at": None, "cleanup_every_seconds": 900.0}
    found = judged("cleanup_stopped", reading(**never), node=STORE)
    assert (state(found), found.for_seconds) == ("critical", 2700)
    young = reading(**never, cleanup_late_at=NOW + timedelta(seconds=1))
    assert state(judged("cleanup_stopped", young, node=STORE)) == "calm"


@pytest.mark.parametrize(("overdue", "expected"), [(None, None), (0, "calm"), (400, "near"), (600, "warning")])
def test_a_clean_up_is_behind_when_sessions_wait_for_it(overdue: float | None, expected: str | None) -> None:
    assert state(judged("cleanup_behind", reading(oldest_overdue_seconds=overdue), node=STORE)) == expected


# ALERT_RULES


def test_rules_can_be_changed_by_name() -> None:
    config = Config(
        alert_rules={
            "memory_high": {"enabled": False},
            "evictions": {"clear_seconds": 30},
            "time_to_full": {"warning": 7200, "for_seconds": 60},
            "store_unreachable": {"for_seconds": 0},
            "cleanup_behind": {"warning": None, "critical": 50, "recover": 0},
        }
    )
    what = reading(server(seconds_to_full=9000, evicted=1, used_bytes=99 * MB), oldest_overdue_seconds=49)
    assert not [one for one in judge(what, config) if one.rule == "memory_high"]
    assert judged("evictions", what, config=config).clear_seconds == 30
    assert state(judged("time_to_full", what, config=config)) == "near"
    assert state(judged("cleanup_behind", what, node=STORE, config=config)) == "calm"
    assert configured(config)["store_unreachable"].for_seconds == 0
    assert RULES["memory_high"].enabled


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"memory_hihg": {}}, "unknown rule 'memory_hihg'. Did you mean 'memory_high'?"),
        ({"zzz": {}}, "unknown rule 'zzz'. Known rules: store_unreachable, sessions_lost"),
        ({"evictions": False}, r"\['evictions'\] must be a dict, such as \{\"enabled\": False\}, not bool"),
        ({"evictions": {"clear_second": 3}}, "unknown key 'clear_second'. Did you mean 'clear_seconds'?"),
        ({"broker_at_risk": {"warning": 1}}, "unknown key 'warning'. Known keys: enabled, for_seconds, clear_seconds"),
        ({"evictions": {"enabled": 1}}, r"\['evictions'\]\['enabled'\] must be True or False, not int"),
        ({"evictions": {"warning": "5"}}, r"\['warning'\] must be a number, not str"),
        ({"evictions": {"warning": 0}}, r"\['warning'\] must be greater than zero, not 0"),
        ({"evictions": {"for_seconds": -1}}, r"\['for_seconds'\] must be zero or more, not -1"),
        ({"evictions": {"for_seconds": float("inf")}}, r"\['for_seconds'\] must be a number of seconds, not inf"),
        ({"evictions": {"warning": None}}, 'has no threshold left. To turn the rule off, set "enabled" to False'),
        ({"memory_high": {"warning": 0.95}}, r"critical \(0.9\) must be above warning \(0.95\)"),
        ({"time_to_full": {"critical": 20_000}}, r"critical \(20000\) must be below warning \(14400\)"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as raised:
        configured(Config(alert_rules=rules))
    assert str(raised.value).startswith("DJUST_CONFIG['ALERT_RULES']")


def test_the_documentation_lists_every_rule_with_its_thresholds() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text()
    rows = {}
    for name, *cells in re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.*?) ?\| (\d+) s \|", page, re.MULTILINE):
        rows[name] = tuple(float(cell.split()[0]) if cell[:1].isdigit() else cell for cell in cells)
    expected = {
        name: (rule.warning or "", rule.critical or "", float(rule.for_seconds))
        for name, rule in RULES.items()
        if not rule.fixed
    }
    assert (
        expected
        | {
            "store_unreachable": ("", "always", 60),
            "broker_at_risk": ("always", "evicting", 0),
        }
        == rows
    )
