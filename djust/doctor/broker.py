"""The Celery broker: whether it answers, and whether its server may drop messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import current_app
from kombu import Connection
from kombu.exceptions import ChannelError, OperationalError

from djust.doctor.findings import Finding, Item, ok, problem, skipped, unavailable, warning
from djust.doctor.probe import Probe
from djust.exceptions import DjustError
from djust.tasks.queue import CONNECT_SECONDS, IMPATIENT, BrokerUnavailable

NO_REDIS = "The broker is no Redis."


@dataclass(frozen=True, slots=True)
class Broker:
    """A connection to the broker that answered."""

    connection: Connection
    #: Kind, host and port, for people.
    place: str

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its transport may raise."""
        transport: Any = self.connection.transport
        return (
            OperationalError,
            ChannelError,
            OSError,
            *transport.connection_errors,
            *transport.channel_errors,
        )

    @property
    def probe(self) -> Probe | None:
        """What asks its server, if that speaks Redis."""
        if self.connection.transport.driver_type != "redis":
            return None
        channel: Any = self.connection.default_channel
        return Probe(channel.client, self.place)


@contextmanager
def connected() -> Iterator[Broker]:
    """Connect to the broker of the current Celery app, with the patience of somebody who waits.

    Raises:
        BrokerUnavailable: It does not answer. The message names its place and no more.
    """
    unknown = False
    try:
        made = current_app.connection_for_write(connect_timeout=CONNECT_SECONDS)
    except (ImportError, KeyError):
        unknown = True
    if unknown:
        raise BrokerUnavailable("The broker URL names a transport that is unknown or not installed.")
    with made as connection:
        connection.transport_options = {**(connection.transport_options or {}), **IMPATIENT}
        place = _place(connection)
        failure = _connect(connection)
        if failure is not None:
            raise BrokerUnavailable(f"The broker ({place}) {failure}.")
        yield Broker(connection, place)


def _connect(connection: Connection) -> str | None:
    """Connect, and return in words of ours why that did not work."""
    try:
        # Each host of a URL that names several, once.
        connection.ensure_connection(max_retries=max(0, len(connection.alt) - 1), interval_start=0, interval_step=0)
    except ImportError:
        return "has a transport that is not installed"
    except (OperationalError, OSError) as error:
        # Their texts quote URLs, so only the kind is taken from them.
        words = f"{type(error.__cause__ or error).__name__} {error}".lower()
        if any(part in words for part in ("auth", "wrongpass", "noperm", "access_refused", "accessrefused")):
            return "refused the user or the password of the broker URL"
        if "timeout" in words or "timed out" in words:
            return "did not answer in time"
        return "cannot be reached"
    return None


def _place(connection: Connection) -> str:
    host = connection.hostname or ""
    if "://" in host:
        return f"{connection.transport_cls} at {host.partition('://')[2].partition('?')[0]}"
    if not host:
        return str(connection.transport_cls)
    port = connection.port or connection.get_transport_cls().default_port
    return f"{connection.transport_cls} at {host}:{port}" if port else f"{connection.transport_cls} at {host}"


def examine(broker: Broker, store: Sequence[Probe]) -> Iterable[Finding]:
    """Say where the broker is and what its server may do with messages.

    Args:
        broker: The broker.
        store: The servers that keep the sessions.
    """
    yield ok(Item.BROKER, f"It answers ({broker.place}).")
    probe = broker.probe
    if probe is None:
        yield from skipped((Item.BROKER_SERVER, Item.BROKER_POLICY), NO_REDIS)
        return
    try:
        yield _server(probe, store)
        yield _policy(probe)
    except DjustError as error:
        yield unavailable(Item.BROKER_POLICY, str(error))


def _server(probe: Probe, store: Sequence[Probe]) -> Finding:
    """Compare the servers by the name that each gives itself at start, whatever the URLs say."""
    if not store:
        return skipped((Item.BROKER_SERVER,), "The sessions are kept by no Redis that answers.")[0]
    try:
        ours = {str(other.info()["run_id"]) for other in store}
        shared = str(probe.info()["run_id"]) in ours
    except (DjustError, KeyError):
        return unavailable(Item.BROKER_SERVER, "The servers do not say who they are.", "Compare the URLs yourself.")
    if not shared:
        return ok(Item.BROKER_SERVER, "It is another server than that of the sessions.")
    return warning(
        Item.BROKER_SERVER,
        "Sessions and messages are on one server. Another database number does not help: memory limit and eviction "
        "policy hold for the whole server.",
        "Give the broker a Redis of its own, with maxmemory-policy noeviction.",
    )


def _policy(probe: Probe) -> Finding:
    info = probe.info()
    name, limit = str(info.get("maxmemory_policy", "")), int(info.get("maxmemory", 0))
    if not name:
        return unavailable(Item.BROKER_POLICY, "The server does not say its eviction policy.")
    if not name.startswith("allkeys-"):
        return ok(Item.BROKER_POLICY, f"{name}: no message is dropped to make room.")
    text = f"{name}: when its memory is full, Redis drops queues, and the tasks in them never run."
    advice = "Set maxmemory-policy to noeviction on the broker's server, and keep the sessions on another."
    if limit:
        return problem(Item.BROKER_POLICY, text, advice)
    return warning(Item.BROKER_POLICY, f"{text} It has no maxmemory yet.", advice)
