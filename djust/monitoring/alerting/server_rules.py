"""The rules about the servers that keep the sessions: memory, evictions, losses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from djust.models import MemorySample, SessionLoss
from djust.monitoring.alerting.advice import make_room
from djust.monitoring.alerting.judgement import CRITICAL, WARNING, Finding, Rule, calm, unknown
from djust.monitoring.reading import LossReading, Reading, ServerReading
from djust.monitoring.wording import count, counted, duration, share, size

#: How often a sample is taken where no schedule says so, and how many of them may be missed before the last is old.
SAMPLE_EVERY_SECONDS = 60.0
SAMPLES_MISSED = 3
#: Fragmentation says nothing about a small server, and costs nothing while little is wasted.
_MB = 1024**2
_SMALLEST_BYTES = 5 * _MB
_WASTED_BYTES = 10 * _MB

_NO_SAMPLE = "There is no recent sample of this server."
_MEANT_TO_BE_FULL = "A server that may evict every key is meant to be full."


def last_sample(server: ServerReading, reading: Reading) -> MemorySample | None:
    """Return the last sample of a server unless it is too old to say anything about now."""
    if not server.samples:
        return None
    sample = server.samples[-1]
    oldest = timedelta(seconds=SAMPLES_MISSED * (reading.sample_every_seconds or SAMPLE_EVERY_SECONDS))
    return sample if reading.now - sample.sampled_at <= oldest else None


def memory_high(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge how full each server is, by what its policy does when it is full."""
    for server in reading.servers:
        sample = last_sample(server, reading)
        if sample is None:
            yield unknown(server.node, _NO_SAMPLE)
        elif sample.usage is None:
            yield unknown(server.node, "Its usage is not known.")
        else:
            yield _judge_usage(rule, reading, server, sample, sample.usage)


def _is_meant_to_be_full(sample: MemorySample) -> bool:
    """Whether it is a cache. Without a limit of its own no policy ever acts."""
    return sample.policy.startswith("allkeys-") and sample.limit_source != MemorySample.LimitSource.SYSTEM


def _judge_usage(rule: Rule, reading: Reading, server: ServerReading, sample: MemorySample, usage: float) -> Finding:
    of_machine = sample.limit_source == MemorySample.LimitSource.SYSTEM
    refuses = of_machine or sample.policy == "noeviction"
    if _is_meant_to_be_full(sample):
        return calm(server.node, _MEANT_TO_BE_FULL)
    if of_machine:
        then = "it has no maxmemory, and a machine without memory ends it"
    elif refuses:
        then = "when it is full, writes are refused"
    else:
        then = f"when it is full, it evicts sessions ({sample.policy or 'policy not known'})"
    of = "of the machine's memory" if of_machine else "of its limit"
    used, limit = size(sample.used_bytes or 0), size(sample.limit_bytes or 0)
    return rule.weigh(
        usage,
        node=server.node,
        # Where evicting makes room, only the higher threshold counts, and it is no more than a warning.
        warning=rule.warning if refuses else rule.critical,
        critical=rule.critical if refuses else None,
        summary=f"{server.node} uses {used} of {limit}, {share(usage)} {of}: {then}.",
        advice=f"{make_room(server, reading)}.",
    )


def evictions(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge what each server evicted since the check before."""
    for server in reading.servers:
        if server.evicted is None:
            yield unknown(server.node, "Its count of evictions is not known.")
            continue
        yield rule.weigh(
            server.evicted,
            node=server.node,
            warning=rule.warning,
            critical=rule.critical,
            summary=f"{server.node} evicted {counted(server.evicted, 'key')} since the check before to make room.",
            advice=f"Evicted keys need not be live sessions: those are counted as lost. {make_room(server, reading)}.",
        )


_WHY_LOST = {
    SessionLoss.Cause.FLUSHED: "Somebody emptied the server (FLUSHALL, FLUSHDB): take these commands away by ACL, and "
    "give the sessions a server of their own.",
    SessionLoss.Cause.RESTART: "The server restarted without its data: turn on persistence (appendonly yes) or keep a "
    "replica.",
    SessionLoss.Cause.UNKNOWN: "Nobody knows why: look into the log of the server, and for others who delete keys.",
}


def sessions_lost(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge the sessions that were found lost since the check before, all causes of a server together."""
    servers = {server.node: server for server in reading.servers}
    for node in dict.fromkeys([*servers, *(loss.node for loss in reading.losses), ""]):
        losses = [loss for loss in reading.losses if loss.node == node and loss.sessions]
        causes = {loss.cause for loss in losses}
        advice = [text for cause, text in _WHY_LOST.items() if cause in causes]
        if SessionLoss.Cause.EVICTED in causes:
            room = make_room(servers[node], reading) if node in servers else "Raise maxmemory or lower SESSION_TTL"
            advice.insert(0, f"{room}.")
        yield rule.weigh(
            sum(loss.sessions for loss in losses),
            node=node,
            warning=rule.warning,
            critical=rule.critical,
            summary=f"{node or 'The store'} lost {_losses(losses)} before their time.",
            advice=" ".join(advice),
        )


def _losses(losses: list[LossReading]) -> str:
    causes: dict[tuple[str, bool], int] = {}
    for loss in losses:
        kind = (str(SessionLoss.Cause(loss.cause).label), loss.estimated)
        causes[kind] = causes.get(kind, 0) + loss.sessions
    parts = (
        f"{name}: about {count(sessions)}" if estimated else f"{name}: {count(sessions)}"
        for (name, estimated), sessions in causes.items()
    )
    total = counted(sum(loss.sessions for loss in losses), "live session")
    about = "about " if any(loss.estimated for loss in losses) else ""
    return f"{about}{total} ({', '.join(parts)})"


def time_to_full(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge how soon each server is full if it grows on like this."""
    for server in reading.servers:
        sample = last_sample(server, reading)
        if sample is None:
            yield unknown(server.node, _NO_SAMPLE)
        elif _is_meant_to_be_full(sample):
            yield calm(server.node, _MEANT_TO_BE_FULL)
        elif sample.seconds_to_full is None:
            # Where usage is known, there is no forecast because the memory does not grow.
            yield unknown(server.node, "Its usage is not known.") if sample.usage is None else calm(server.node)
        else:
            left = duration(sample.seconds_to_full)
            usage = "" if sample.usage is None else f" It uses {share(sample.usage)} now."
            yield rule.weigh(
                sample.seconds_to_full,
                node=server.node,
                warning=rule.warning,
                critical=rule.critical,
                summary=f"{server.node} will be full in {left} at the present pace.{usage}",
                advice=f"{make_room(server, reading)}.",
            )


def fragmentation(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge how much memory each server holds without using it."""
    for server in reading.servers:
        sample = last_sample(server, reading)
        if sample is None or sample.used_bytes is None:
            yield unknown(server.node, _NO_SAMPLE)
        elif sample.used_bytes < _SMALLEST_BYTES:
            yield calm(server.node)
        elif sample.rss_bytes is None:
            yield unknown(server.node, "Its resident memory is not known.")
        else:
            yield _judge_fragmentation(rule, server, sample.used_bytes, sample.rss_bytes)


def _judge_fragmentation(rule: Rule, server: ServerReading, used: int, resident: int) -> Finding:
    wasted, ratio = resident - used, resident / used
    if wasted <= _WASTED_BYTES:
        return calm(server.node)
    return rule.weigh(
        ratio,
        node=server.node,
        warning=rule.warning,
        critical=rule.critical,
        summary=f"{server.node} holds {size(resident)} for {size(used)} of data, {ratio:.1f} times as much.",
        advice=f"{size(wasted)} are wasted: turn on activedefrag (CONFIG SET activedefrag yes) or restart the server "
        "at a quiet hour, with persistence on.",
    )


def index_lost(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether a server evicted a part of the index, and with it the names of what may be lost."""
    for node in dict.fromkeys([*(server.node for server in reading.servers), *reading.index_shards_lost]):
        shards = reading.index_shards_lost.get(node)
        if shards is None:
            yield unknown(node, "Its index was not looked at.")
            continue
        yield rule.weigh(
            shards,
            node=node,
            warning=rule.warning,
            critical=rule.critical,
            summary=f"{node} evicted {counted(shards, 'shard')} of the index of sessions.",
            advice="Which sessions they held, and whether any of those were lost, is not known. A "
            "reconcile that indexes what is still there is asked for; if no worker takes it, run reconcile_sessions "
            "with --repair data_without_index index_without_data. Give the server a volatile-* policy, which evicts "
            "no index.",
        )


def broker_at_risk(_rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether the server of the Celery broker may evict the broker's keys."""
    broker = reading.broker
    if broker is None:
        return
    if broker.policy is None or (broker.limit_bytes is None and broker.policy.startswith("allkeys-")):
        yield unknown(broker.node, "The policy of the broker's server is not known.")
    elif not broker.policy.startswith("allkeys-") or not broker.limit_bytes:
        # The broker's keys have no time to live, so that a volatile-* policy keeps them.
        yield calm(broker.node)
    else:
        yield _judge_broker(broker.node, broker.policy, broker.limit_bytes, _evicted_beside(reading))


def _evicted_beside(reading: Reading) -> int | None:
    """Return what the broker's server evicted if it keeps sessions as well; ``None``: it does not, or not known."""
    broker = reading.broker
    if broker is None or not broker.shared_with_store:
        return None
    counts = [server.evicted for server in reading.servers if server.node == broker.node]
    # By another name of the same machine: with a single server there is only one that it can be.
    if not counts and len(reading.servers) == 1:
        counts = [reading.servers[0].evicted]
    return counts[0] if counts else None


def _judge_broker(node: str, policy: str, limit: int, evicted: int | None) -> Finding:
    lost = f" It evicted {counted(evicted, 'key')} since the check before." if evicted else ""
    return Finding(
        node=node,
        severity=CRITICAL if evicted else WARNING,
        summary=f"{node} keeps the Celery queue and may evict it: {policy} with a maxmemory of {size(limit)}.{lost}",
        advice="Give the broker a server of its own with noeviction. Another database number does not help, since the "
        "policy is that of the server. Until then, a volatile-* policy keeps the broker's keys, which have no time to "
        "live.",
    )
