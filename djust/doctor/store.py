"""The store as djust uses it: which one, whether it answers, and whether it lets djust do its work."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from djust.conf import get_config
from djust.doctor.findings import Finding, Item, ok, problem, warning
from djust.exceptions import BackendDenied, DjustError
from djust.state_backend.base import StateBackend

#: A session of the doctor's that could not be ended ends itself.
TRIAL_SECONDS = 30
_RIGHTS = "Give its user what docs/redis.md lists under Rights."


def describe(backend: StateBackend, *, production: bool) -> Finding:
    """Say which backend is in use, and whether it is one for production."""
    if not backend.process_local:
        return ok(Item.BACKEND, f"The sessions are kept by {backend!r}.")
    if production:
        return problem(
            Item.BACKEND,
            "The sessions live in the memory of each web process. A restart ends them, another web process does not "
            "see them, and a Celery worker cannot clean them up.",
            "Set DJUST_CONFIG['STATE_BACKEND'] to 'redis', and REDIS_URL.",
        )
    return ok(Item.BACKEND, "The sessions live in the memory of the web process, which is right for development.")


def reach(backend: StateBackend) -> Finding:
    """Say whether the store answers, and how fast."""
    report = backend.health_check()
    if report["status"] == "healthy":
        return ok(Item.REACHABLE, f"It answers in {report['latency_ms']:.1f} ms.")
    return problem(
        Item.REACHABLE,
        str(report["error"]),
        "Try redis-cli -h HOST -p PORT ping from this machine. No answer: Redis is down, or a firewall stands "
        "between. An answer: host, port, user or password in REDIS_URL are wrong.",
    )


def rights(backend: StateBackend) -> Finding:
    """Do everything that djust does, once, with a session of the doctor's own, and say what is refused."""
    started = time.perf_counter()
    name = f"djust_doctor:{secrets.token_hex(8)}"
    refused = []
    try:
        for what, work in _WORK:
            try:
                work(backend, name)
            except BackendDenied:
                refused.append(what)
            except DjustError as error:
                return problem(Item.RIGHTS, f"It could not {what}: {error}", "See docs/redis.md.")
    finally:
        # Where the last step was refused. A store that went away cannot be asked; the session ends by itself.
        with suppress(DjustError):
            backend.delete(name)
    if refused:
        return problem(Item.RIGHTS, f"This user of Redis may not {', '.join(refused)}.", _RIGHTS)
    took = (time.perf_counter() - started) * 1000
    if backend.monitor is not None and any(info.refused for info in backend.monitor.server_info()):
        return warning(
            Item.RIGHTS,
            "Everything is allowed but INFO: there are no memory figures, and no alerts about memory.",
            "Give its user +info, or take back that INFO was renamed.",
        )
    return ok(Item.RIGHTS, f"A session was written, read, touched, counted, measured and ended in {took:.0f} ms.")


def _keep(backend: StateBackend, name: str) -> None:
    backend.set(name, {"doctor": True}, TRIAL_SECONDS, owner=name, label="djust_doctor")
    backend.get(name)
    backend.touch(name)


def _measure(backend: StateBackend, _name: str) -> None:
    backend.get_memory_stats()
    if backend.monitor is not None:
        denied = [measured.refused for measured in backend.monitor.measure(1) if measured.refused]
        if denied:
            raise BackendDenied(denied[0])


def _clean_up(backend: StateBackend, name: str) -> None:
    backend.acquire_lease("doctor", name, get_config().redis_timeout)
    backend.release_lease("doctor", name)
    backend.backlog()


_WORK: tuple[tuple[str, Callable[[StateBackend, str], object]], ...] = (
    ("keep sessions", _keep),
    ("count sessions", lambda backend, _: backend.get_stats()),
    ("measure sessions", _measure),
    ("list sessions", lambda backend, _: next(backend.iter_sessions(page_size=1), None)),
    ("clean up", _clean_up),
    ("end the sessions of an owner", lambda backend, name: backend.delete_owner(name)),
)
