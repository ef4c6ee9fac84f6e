"""The servers that keep the sessions, each asked by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from ipaddress import ip_address

from djust.conf import Config
from djust.doctor.findings import Finding, Item, ok, problem, unavailable, warning
from djust.doctor.probe import Probe
from djust.exceptions import DjustError
from djust.monitoring.wording import duration, share, size
from djust.state_backend.redis.address import is_loopback

OLDEST = (6, 0)
#: Seconds between the clocks of Redis and of this machine that do no harm.
SKEW_SECONDS = 2.0
#: Fragmentation of a small server says nothing.
FRAGMENTED, FRAGMENTED_BYTES, SMALL_BYTES = 1.4, 10 * 1024**2, 5 * 1024**2

#: What each server is asked about.
ITEMS = (
    Item.VERSION,
    Item.PASSWORD,
    Item.NETWORK,
    Item.MEMORY,
    Item.POLICY,
    Item.PERSISTENCE,
    Item.CLOCK,
    Item.FRAGMENTATION,
)


def examine(probes: Sequence[Probe], config: Config) -> Iterable[Finding]:
    """Look at each server; of several, each is named."""
    key = f"{config.key_prefix}doctor"
    looks: tuple[Callable[[Probe], Finding], ...] = (
        version,
        partial(password, key=key),
        partial(network, key=key),
        partial(memory, known_limit=config.memory_limit_bytes),
        policy,
        persistence,
        clock,
        fragmentation,
    )
    for probe in probes:
        for item, look in zip(ITEMS, looks, strict=True):
            finding = _or_unavailable(item, partial(look, probe))
            yield finding if len(probes) == 1 else _of(probe, finding)


def _or_unavailable(item: Item, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except DjustError as error:
        return unavailable(item, str(error))


def _of(probe: Probe, finding: Finding) -> Finding:
    return Finding(finding.item, finding.status, f"{probe.endpoint}: {finding.text}", finding.advice)


def version(probe: Probe) -> Finding:
    """Say whether the server is new enough."""
    info = probe.info()
    number = str(info.get("redis_version", ""))
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {number}"
    parts = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    if not parts:
        return unavailable(Item.VERSION, "The server does not say its version.")
    if parts < OLDEST:
        return problem(Item.VERSION, f"{name} is too old.", "Upgrade to Redis 6.0 or later, or to Valkey.")
    return ok(Item.VERSION, f"{name}.")


def password(probe: Probe, *, key: str) -> Finding:
    """Say whether somebody without a password may read sessions, by trying."""
    if not probe.lets_anybody_read(key):
        return ok(Item.PASSWORD, "A connection without a password may not read sessions.")
    text = "A connection without a password may read and end sessions."
    advice = "Set requirepass, or ACL users with the default user off, and write the password into REDIS_URL."
    if is_local(probe.endpoint):
        return warning(Item.PASSWORD, f"{text} It takes a login on this machine.", advice)
    return problem(Item.PASSWORD, text, advice)


def is_local(endpoint: str) -> bool:
    """Whether an endpoint is a socket or this machine's own address."""
    return endpoint.startswith("/") or is_loopback(endpoint.rpartition(":")[0].strip("[]"))


def network(probe: Probe, *, key: str) -> Finding:
    """Say where the server can be reached from, as far as it tells."""
    addresses = (probe.setting("bind") or "*").split()
    open_to = [address for address in addresses if _is_wide(address.lstrip("-"))]
    if not open_to:
        return ok(Item.NETWORK, f"Bound to {', '.join(addresses)}.")
    if probe.setting("protected-mode") == "yes" and probe.lets_anybody_read(key):
        return ok(Item.NETWORK, "Protected mode lets nobody in from other machines.")
    return warning(
        Item.NETWORK,
        f"Bound to {', '.join(open_to)}: only a firewall, if there is one, keeps the internet out.",
        "Bind it to loopback and private addresses (bind in redis.conf), or make sure that a firewall or a container "
        "network stands before it.",
    )


def _is_wide(address: str) -> bool:
    if address in ("*", "::*", "0.0.0.0", "::"):  # noqa: S104 - looked for, not bound to
        return True
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def memory(probe: Probe, *, known_limit: int | None) -> Finding:
    """Say whether the server knows how much memory it may use."""
    info = probe.info()
    if "maxmemory" not in info or "used_memory" not in info:
        return unavailable(Item.MEMORY, "The server does not say how much memory it may use.")
    used, limit = int(info["used_memory"]), int(info["maxmemory"])
    if limit:
        return ok(Item.MEMORY, f"{size(used)} of {size(limit)} used ({share(used / limit)}).")
    if known_limit:
        return ok(Item.MEMORY, f"{size(used)} used; no maxmemory, but MEMORY_LIMIT_BYTES says {size(known_limit)}.")
    machine = int(info.get("total_system_memory", 0))
    of_machine = f" of the machine's {size(machine)}" if machine > 0 else ""
    return warning(
        Item.MEMORY,
        f"{size(used)}{of_machine} used, and no maxmemory: when the memory of the machine is full, the system kills "
        "Redis, and every session goes.",
        "Set maxmemory in redis.conf to what the server may use, with room for the copy that saving makes. Where the "
        "provider sets the limit and hides it, write it into MEMORY_LIMIT_BYTES.",
    )


def policy(probe: Probe) -> Finding:
    """Say what goes when the memory is full."""
    name = probe.info().get("maxmemory_policy")
    if name is None:
        return unavailable(Item.POLICY, "The server does not say its eviction policy.")
    if name == "noeviction":
        return ok(Item.POLICY, "noeviction: when it is full, new sessions are refused and none is lost.")
    if name == "volatile-random":
        text = "volatile-random: when it is full, sessions go at random, those in use too."
        return warning(Item.POLICY, text, "Set maxmemory-policy to volatile-lru.")
    if str(name).startswith("volatile-"):
        return ok(Item.POLICY, f"{name}: when it is full, sessions go, the index stays: every loss can be named.")
    return warning(
        Item.POLICY,
        f"{name}: when it is full, parts of the index can go with the sessions, and what they held is not known.",
        "Set maxmemory-policy to volatile-lru, unless a cache without expiry times shares this server.",
    )


def persistence(probe: Probe) -> Finding:
    """Say whether the sessions survive a restart of the server."""
    info = probe.info()
    if "aof_enabled" not in info:
        return unavailable(Item.PERSISTENCE, "The server does not say whether it saves.")
    failed = [
        words
        for field, words in (("aof_last_write_status", "append-only file"), ("rdb_last_bgsave_status", "snapshot"))
        if str(info.get(field, "ok")) == "err"
    ]
    if failed:
        text = f"The last attempt to write the {' and the '.join(failed)} failed."
        return problem(Item.PERSISTENCE, text, "Look for a full disk or missing rights in the log of Redis.")
    if int(info["aof_enabled"]):
        return ok(Item.PERSISTENCE, "appendonly: a restart keeps the sessions.")
    try:
        saves = probe.setting("save")
    except DjustError as error:
        # A save since the start shows that there are saves; none shows nothing.
        if int(info.get("rdb_last_save_time", 0)) > time.time() - int(info.get("uptime_in_seconds", 0)) + 60:
            return ok(Item.PERSISTENCE, "Snapshots are made; a restart keeps what the last one held.")
        return unavailable(Item.PERSISTENCE, str(error), "Ask the provider whether the data survives a restart.")
    if saves:
        return ok(Item.PERSISTENCE, f"Snapshots (save {saves}); a restart loses what came after the last one.")
    return warning(
        Item.PERSISTENCE,
        "Nothing is saved: a restart of Redis ends every session.",
        "Set appendonly yes, or save, in redis.conf.",
    )


def clock(probe: Probe) -> Finding:
    """Compare the server's clock, by which sessions expire, with this machine's."""
    asked = time.time()
    seconds, microseconds = (int(part) for part in probe.ask("TIME"))
    answered = time.time()
    skew = seconds + microseconds / 1e6 - (asked + answered) / 2
    if abs(skew) <= SKEW_SECONDS + (answered - asked) / 2:
        return ok(Item.CLOCK, f"The clocks of Redis and of this machine are {abs(skew):.1f} s apart.")
    return warning(
        Item.CLOCK,
        f"The clock of Redis is {duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's. Sessions "
        "expire by that of Redis; ages and times on pages are wrong by as much.",
        "Let both machines set their clocks by NTP.",
    )


def fragmentation(probe: Probe) -> Finding:
    """Say whether memory is lost between values."""
    info = probe.info()
    if "mem_fragmentation_ratio" not in info or "used_memory" not in info:
        return unavailable(Item.FRAGMENTATION, "The server does not say.")
    ratio, used = float(info["mem_fragmentation_ratio"]), int(info["used_memory"])
    wasted = int(info.get("mem_fragmentation_bytes", used * (ratio - 1)))
    if used < SMALL_BYTES or ratio <= FRAGMENTED or wasted <= FRAGMENTED_BYTES:
        return ok(Item.FRAGMENTATION, "Little memory is lost to fragmentation.")
    return warning(
        Item.FRAGMENTATION,
        f"The process holds {ratio:.1f} times what its data needs; {size(wasted)} are lost to fragmentation.",
        "Set activedefrag yes, or restart Redis at a quiet hour if it saves its data.",
    )
