"""What to do about a lack of memory, with the arithmetic: what the sessions of a server need, now and at the peak."""

from __future__ import annotations

import math
from dataclasses import dataclass

from djust.models import MemorySample
from djust.monitoring.reading import Reading, ServerReading
from djust.monitoring.wording import count, counted, maxmemory, share, size

#: How full a server of the proposed size is at the peak: below every threshold of ``memory_high``.
FILL = 0.75
#: A full server shows no more sessions than fit, so a larger one is proposed whatever the peak needs.
GROWTH = 1.25
#: A time to live shorter than this part of the present one is no advice: it would throw out people at work.
SHORTEST_TTL = 0.25
_MB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What one server holds, what it would hold at the peak, and what would make room. ``None``: not known."""

    sessions: int | None = None
    #: A payload, the half-width of its 95 % interval, and what the index keeps for it.
    payload_bytes: float | None = None
    margin_bytes: float | None = None
    index_bytes: float | None = None
    #: The sessions at the busiest moment of the last week that fall to this server.
    peak_sessions: int | None = None
    #: What is no session: the server itself, and keys of others.
    other_bytes: float | None = None
    limit_bytes: int | None = None
    #: What sessions occupy now, and what everything needs at the peak.
    now_bytes: float | None = None
    peak_bytes: float | None = None
    proposed_limit: int | None = None
    #: ``None`` also where a shorter time to live makes no room.
    proposed_ttl: int | None = None
    ttl_seconds: float = 0

    @property
    def unknown(self) -> tuple[str, ...]:
        """The figures without which nothing can be reckoned, in words."""
        figures = (
            ("sessions", self.sessions),
            ("bytes per session", self.payload_bytes),
            ("used memory", self.other_bytes),
            ("peak of the last week", self.peak_sessions),
            ("limit", self.limit_bytes),
        )
        return tuple(name for name, value in figures if value is None)


def sizing(server: ServerReading, reading: Reading) -> Sizing:
    """Reckon what a server needs from its last sample, as far as its figures are known.

    Sessions are taken to grow with ``SESSION_TTL``, and each to cost what the sampled ones cost on average.
    """
    if not server.samples:
        return Sizing(ttl_seconds=reading.session_ttl_seconds)
    sample = server.samples[-1]
    peak = _peak(sample, reading)
    # Where every session that was looked at is gone, those of a moment ago say what one costs.
    measured = next((one for one in reversed(server.samples) if one.bytes_per_session is not None), sample)
    per_session, index = _per_session(measured)
    sessions = _present(sample)
    other = now = needed = None
    if per_session is not None and sessions is not None:
        now = per_session * sessions
        if sample.used_bytes is not None:
            other = max(0.0, sample.used_bytes - now)
    if per_session is not None and other is not None and peak is not None:
        needed = other + peak * per_session
    ttl = None
    if needed is not None and per_session is not None and other is not None and peak and sample.limit_bytes:
        ttl = _shorter_ttl(reading.session_ttl_seconds, (sample.limit_bytes * FILL - other) / (peak * per_session))
    return Sizing(
        sessions=sessions,
        payload_bytes=measured.bytes_per_session,
        margin_bytes=measured.bytes_per_session_margin,
        index_bytes=index,
        peak_sessions=peak,
        other_bytes=other,
        limit_bytes=sample.limit_bytes or None,
        now_bytes=now,
        peak_bytes=needed,
        proposed_limit=None if needed is None else _larger_limit(needed, sample),
        proposed_ttl=ttl,
        ttl_seconds=reading.session_ttl_seconds,
    )


def _present(sample: MemorySample) -> int | None:
    """Return how many sessions take room: those that the index names, less those found to be lost among them."""
    return None if sample.sessions is None else max(0, sample.sessions - round(sample.lost_estimate or 0))


def make_room(server: ServerReading, reading: Reading) -> str:
    """Return how much memory the sessions need and what would make room for them, or what is missing to say so."""
    found = sizing(server, reading)
    return f"{_arithmetic(found)}: {_remedy(found, server, reading)}"


def _peak(sample: MemorySample, reading: Reading) -> int | None:
    """Return this server's part of the store's peak: the part that it has of the sessions now."""
    if reading.peak_sessions is None or sample.sessions is None:
        return None
    counts = [server.samples[-1].sessions for server in reading.servers if server.samples]
    known = [sessions for sessions in counts if sessions is not None]
    if len(known) < len(reading.servers):
        return None
    total = sum(known)
    part = sample.sessions / total if total else 1 / max(1, len(reading.servers))
    return max(sample.sessions, round(reading.peak_sessions * part))


def _per_session(sample: MemorySample) -> tuple[float | None, float | None]:
    """Return what a session costs in all, and what of that is the index; the index counts only where it is known."""
    index = sample.index_bytes / sample.sessions if sample.index_bytes is not None and sample.sessions else None
    return None if sample.bytes_per_session is None else sample.bytes_per_session + (index or 0), index


def _larger_limit(needed: float, sample: MemorySample) -> int | None:
    """Return a limit with head-room at the peak; ``None``: the present one has that and is not full, or is fixed."""
    wanted = needed / FILL
    limit = sample.limit_bytes
    if not limit:
        return _round_up(wanted)
    if _is_the_machine(sample):
        return None  # It has what it has.
    if (sample.usage or 0) >= FILL:
        wanted = max(wanted, limit * GROWTH)
    return _round_up(wanted) if wanted > limit else None


def _is_the_machine(sample: MemorySample) -> bool:
    return sample.limit_source == MemorySample.LimitSource.SYSTEM


def _round_up(wanted: float) -> int:
    """Round up to a size that people use: powers of two up to 64 MB, then steps of 64 MB, 256 MB and a GB."""
    if wanted <= 64 * _MB:
        return int(2 ** math.ceil(math.log2(max(1.0, wanted / _MB)))) * _MB
    step = 64 * _MB if wanted <= 1024 * _MB else 256 * _MB if wanted <= 8 * 1024 * _MB else 1024 * _MB
    return math.ceil(wanted / step) * step


def _shorter_ttl(ttl: float, part: float) -> int | None:
    """Return the time to live that leaves this part of the sessions, in whole minutes or five of them."""
    if ttl <= 0 or not SHORTEST_TTL <= part < 1:
        return None
    step = 300 if ttl * part >= 1800 else 60
    return int(ttl * part // step * step) or None


def _arithmetic(found: Sizing) -> str:
    if found.sessions is None:
        return "The number of sessions is not known"
    if found.payload_bytes is None or found.now_bytes is None:
        return f"{counted(found.sessions, 'session')} of unknown size"
    each = found.payload_bytes + (found.index_bytes or 0)
    notes = [] if found.margin_bytes is None or not each else [f"+-{found.margin_bytes / each * 100:.0f} %"]
    notes.append("index included" if found.index_bytes is not None else "index not known")
    text = f"{counted(found.sessions, 'session')} x {size(each)} ({', '.join(notes)}) = {size(found.now_bytes)} now"
    if found.other_bytes is not None:
        text += f", {size(found.other_bytes)} of other data"
    if found.peak_bytes is not None and found.peak_sessions is not None:
        text += f", the peak of {count(found.peak_sessions)} needs {size(found.peak_bytes)} in all"
    return text


def _remedy(found: Sizing, server: ServerReading, reading: Reading) -> str:
    if found.peak_bytes is None:
        missing = ", ".join(found.unknown) or "figures"
        return f"raise maxmemory or lower SESSION_TTL; by how much cannot be said (unknown: {missing})"
    if _is_the_machine(server.samples[-1]) and found.limit_bytes and found.peak_bytes > found.limit_bytes * FILL:
        return _relieve_machine(found, found.limit_bytes, found.peak_bytes)
    ways = []
    if found.proposed_limit is not None:
        ways.append(_more_memory(found.proposed_limit, server.samples[-1]))
    if found.proposed_ttl is not None:
        ways.append(f"lower SESSION_TTL from {reading.session_ttl_seconds:.0f} to {found.proposed_ttl}")
    elif found.proposed_limit is not None and reading.session_ttl_seconds <= 0:
        ways.append("give SESSION_TTL a value, since sessions never expire")
    if not ways and (server.samples[-1].usage or 0) < FILL:
        return f"there is room for that now, below {share(FILL)} of the limit"
    if not ways:
        return f"this fits below {share(FILL)} of the limit, so look for what else fills the server"
    full = " (a full server shows no more sessions than fit, so it may need more)" if _is_full(server) else ""
    return ", or ".join(ways) + full


def _relieve_machine(found: Sizing, machine: int, needed: float) -> str:
    """Return what to do about a server without maxmemory that takes more than its machine can spare."""
    other = found.other_bytes or 0.0
    sessions = needed - other
    if other > sessions:
        own = maxmemory(_round_up(sessions / FILL))
        ways = [
            f"{size(other)} of the machine's {size(machine)} are no sessions, so look for what fills it "
            "(redis-cli --bigkeys)",
            f"give the sessions a server of their own, for which a maxmemory of {own} is enough",
        ]
    else:
        ways = [f"the machine's {size(machine)} are too few for that, so spread the sessions over more servers"]
        if found.proposed_ttl is not None:
            ways.append(f"lower SESSION_TTL from {found.ttl_seconds:.0f} to {found.proposed_ttl}")
        elif found.ttl_seconds <= 0:
            ways.append("give SESSION_TTL a value, since sessions never expire")
    return ", or ".join(ways)


def _more_memory(proposed: int, sample: MemorySample) -> str:
    source = MemorySample.LimitSource
    if sample.limit_source == source.SETTING:
        return f"get a server with {size(proposed)} (MEMORY_LIMIT_BYTES)"
    if sample.limit_bytes:
        return f"raise maxmemory from {maxmemory(sample.limit_bytes)} to {maxmemory(proposed)}"
    return f"set maxmemory to {maxmemory(proposed)}"


def _is_full(server: ServerReading) -> bool:
    usage = server.samples[-1].usage if server.samples else None
    return usage is not None and usage >= 0.95
