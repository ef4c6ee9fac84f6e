"""The sockets of one event loop, and what concerns all of them: notices, time, and who is logged in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from djust.conf import get_config
from djust.exceptions import BackendError
from djust.live_view import draining
from djust.live_view.broadcast import PREFIX
from djust.live_view.identity import still_logged_in
from djust.live_view.logins import LOGOUT
from djust.live_view.protocol import Close
from djust.live_view.threads import in_spare_thread
from djust.log import logger
from djust.state_backend.records import Notice
from djust.state_backend.registry import get_backend

T = TypeVar("T")

#: Topics of the store's notices: a session was ended, all of them were, and the listener was away until now.
ENDED, ENDED_ALL, RESUBSCRIBED = "ended", "ended_all", "resubscribed"
#: Topic of a notice by the hub: a page was left on purpose, and whoever still shows it has to keep it alive.
LEFT = "left"

#: Seconds between two looks at all sockets.
TICK_SECONDS = 2.0
#: Seconds in which a socket must have joined a page.
JOIN_SECONDS = 15.0
#: Seconds between two looks at whether somebody is still logged in.
LOGIN_SECONDS = 60.0
#: Seconds for which a reconnect waits for what is at work for the connection that it replaces.
SETTLE_SECONDS = 30.0
FAREWELL_SECONDS = 1.0
#: Heartbeats without a frame after which a socket is taken for dead. Browsers slow the timers of hidden tabs down.
SILENT_HEARTBEATS = 4


class Member(Protocol):
    """What the hub knows of a socket."""

    key: str | None
    client: str
    login: str
    topics: frozenset[str]
    closed: bool
    heard_at: float
    #: Since when it shows no page; infinity while it shows one.
    idle_since: float
    touch_at: float

    @property
    def session(self) -> Any:
        """The Django session of its handshake."""

    @property
    def user(self) -> Any:
        """The user of its handshake."""

    def enqueue(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do something after what is waiting already."""

    def enqueue_broadcast(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do something after what is waiting already, unless too much of its kind waits."""

    async def close(self, code: int, reason: str = "") -> None:
        """Close it."""

    async def disconnected(self, code: int | None) -> asyncio.Task[None] | None:
        """Take it for closed."""

    async def hear(self, topic: str, message: Any) -> None:
        """Let its page hear a broadcast."""

    async def verify(self) -> None:
        """Compare its page with the store."""


class Hub:
    """Finds sockets by what they are concerned with. Everything happens in one event loop."""

    def __init__(self) -> None:
        self.sockets: set[Member] = set()
        self._by_key: dict[str, set[Member]] = {}
        self._by_topic: dict[str, set[Member]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._finishing: dict[str, set[asyncio.Task[None]]] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    # Who is there

    def add(self, socket: Member) -> None:
        """Look after a socket."""
        self.sockets.add(socket)
        if not self._tasks:
            draining.watch()
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(_for_ever(work)) for work in (self._listen, self._tick, self._look_at_logins)
            ]

    def remove(self, socket: Member) -> None:
        """Look after a socket no longer. The last one turns off the light."""
        self.leave(socket)
        self.sockets.discard(socket)
        if not self.sockets:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    def enter(self, socket: Member, key: str) -> None:
        """Let a socket show the page of a session."""
        self.leave(socket)
        socket.key, socket.idle_since = key, float("inf")
        self._by_key.setdefault(key, set()).add(socket)

    def leave(self, socket: Member) -> None:
        """Let a socket show no page."""
        if socket.key is not None:
            _discard(self._by_key, socket.key, socket)
            socket.key, socket.idle_since = None, asyncio.get_running_loop().time()
        self.listen(socket, ())

    def has(self, key: str) -> bool:
        """Whether any socket here shows the page of a session."""
        return key in self._by_key

    def listen(self, socket: Member, topics: Iterable[str]) -> None:
        """Let a socket hear what is broadcast to these topics, and to no others."""
        wanted = frozenset() if socket.closed else frozenset(topics)
        if wanted == socket.topics:
            return
        for topic in socket.topics - wanted:
            _discard(self._by_topic, topic, socket)
        for topic in wanted - socket.topics:
            self._by_topic.setdefault(topic, set()).add(socket)
        socket.topics = wanted

    # Reconnects

    def finish(self, key: str, task: asyncio.Task[None]) -> None:
        """Remember that something is still at work for a session whose socket is closed."""
        self._finishing.setdefault(key, set()).add(task)
        task.add_done_callback(partial(_discard, self._finishing, key))

    async def settle(self, key: str, client: str, newest: Member) -> None:
        """Close the sockets that ``newest`` replaces, and wait until what is at work for them is done."""
        for socket in list(self._by_key.get(key, ())):
            if socket is not newest and socket.client == client:
                # There may be nobody to take it. One that was closed before stays until its server says so.
                if farewells := self._close([socket], Close.NORMAL, "replaced"):
                    await asyncio.wait(farewells, timeout=FAREWELL_SECONDS)
                await socket.disconnected(None)
        # Itself is among them if its connection was lost meanwhile.
        tasks = self._finishing.get(key, set()) - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=SETTLE_SECONDS)

    # What goes on meanwhile

    async def _listen(self) -> None:
        async for notice in get_backend().alisten():
            self._take(notice)

    def _take(self, notice: Notice) -> None:
        text = notice.message.decode(errors="replace")
        topic = notice.topic
        if topic == ENDED:
            self._close(self._by_key.get(text, ()), Close.GONE, "ended")
        elif topic == LOGOUT:
            self._close([socket for socket in self.sockets if socket.login == text], Close.LOGGED_OUT, "logged out")
        elif topic == LEFT:
            for socket in self._by_key.get(text, ()):
                socket.touch_at = 0.0
        elif topic in (ENDED_ALL, RESUBSCRIBED):
            # Which sessions still live is not known, nor which were left elsewhere: ask the store.
            for socket in self.sockets:
                if socket.key is not None:
                    socket.touch_at = 0.0
                    socket.enqueue(socket.verify)
        elif topic.startswith(PREFIX):
            self._broadcast(topic.removeprefix(PREFIX), text)

    def _close(self, sockets: Iterable[Member], code: Close, reason: str) -> list[asyncio.Task[None]]:
        """Close sockets at once. Nobody waits for one whose browser takes nothing any more."""
        loop = asyncio.get_running_loop()
        farewells = [loop.create_task(socket.close(code, reason)) for socket in sockets if not socket.closed]
        self._farewells.update(farewells)
        for farewell in farewells:
            farewell.add_done_callback(self._farewells.discard)
        return farewells

    def _broadcast(self, topic: str, text: str) -> None:
        if topic not in self._by_topic:
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            logger.error("broadcast_unreadable", topic=topic)
            return
        for socket in list(self._by_topic.get(topic, ())):
            socket.enqueue_broadcast(partial(socket.hear, topic, message))

    async def _tick(self) -> None:
        await asyncio.sleep(TICK_SECONDS)
        now = asyncio.get_running_loop().time()
        silent_since = now - SILENT_HEARTBEATS * get_config().heartbeat_seconds
        self._close(
            [s for s in self.sockets if s.heard_at < silent_since or s.idle_since < now - JOIN_SECONDS],
            Close.SILENT,
            "silent",
        )
        due = [socket for socket in self.sockets if socket.touch_at <= now]
        await asyncio.gather(*(self._touch(socket, now) for socket in due))

    async def _touch(self, socket: Member, now: float) -> None:
        backend = get_backend()
        key = socket.key
        if key is None:
            return
        ttl = backend.default_ttl
        socket.touch_at = now + ttl * 0.1 if ttl > 0 else float("inf")
        try:
            lives = await backend.atouch(key, ttl)
        except BackendError:
            # The store says itself that it is away. The next tick tries again.
            socket.touch_at = now
            return
        if not lives and socket.key == key:
            self._close([socket], Close.GONE, "expired")

    async def _look_at_logins(self) -> None:
        await asyncio.sleep(LOGIN_SECONDS)
        by_login: dict[str, list[Member]] = {}
        for socket in self.sockets:
            if socket.login:
                by_login.setdefault(socket.login, []).append(socket)
        failure: Exception | None = None
        for login, sockets in by_login.items():
            try:
                user = await in_spare_thread(partial(still_logged_in, sockets[0].session, sockets[0].user))
            except Exception as error:  # noqa: BLE001 - what keeps sessions and users may raise anything
                failure = error
                continue
            if user is None:
                self._close(
                    [socket for socket in self.sockets if socket.login == login], Close.LOGGED_OUT, "logged out"
                )
        if failure is not None:
            logger.warning("live_logins_not_seen", error=type(failure).__name__)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again: without it no socket would be touched, closed or told anything any more."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it was, the sockets are still there
            logger.error("live_hub_failed", exc_info=error)
            await asyncio.sleep(TICK_SECONDS)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub_of_this_loop() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub


def _discard(index: dict[str, set[T]], key: str, item: T) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(item)
        if not found:
            del index[key]
