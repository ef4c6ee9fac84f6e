"""One connection of one browser: what comes in is checked and done in turn, what goes out is sent until the end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from djust.conf import get_config
from djust.exceptions import BackendUnavailable
from djust.live_view import protocol
from djust.live_view.errors import Refused
from djust.live_view.limits import FrameBudget
from djust.live_view.protocol import Close
from djust.log import hashed, logger

Send = Callable[[dict[str, Any]], Awaitable[None]]
Job = Callable[[], Awaitable[None]]

#: Characters of a reason: a closing frame holds 123 bytes.
_LONGEST_REASON = 100
#: How many of the largest frames may wait while a connection is busy. What was parsed takes many times its text.
_MAX_WAITING = 4
#: Broadcasts that may wait while a connection is busy. What comes then is left out, and the page rendered afterwards.
_MAX_BROADCASTS = 64
#: Seconds for which a server that ends waits for what a connection still has at work.
_FINISH_SECONDS = 30.0
#: What a browser reports when a page is closed or left. Servers report 1005 or 1006 for a connection that was lost.
_ON_PURPOSE = frozenset({1000, 1001})


class Connection(ABC):
    """Takes frames and does what they ask for, one after the other, in a task of its own.

    Subclasses say what is to be done with a frame (``take``), with a page that was left (``depart``) and with
    broadcasts that were too many (``catch_up``).
    """

    __slots__ = (
        "__weakref__",
        "_behind",
        "_broadcasts",
        "_budget",
        "_jobs",
        "_leave_ends",
        "_send",
        "_task",
        "_waiting_size",
        "closed",
        "heard_at",
        "idle_since",
        "key",
        "scope",
    )

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        now = asyncio.get_running_loop().time()
        self.scope = scope
        #: The key of the session that it joined.
        self.key: str | None = None
        #: Whether nothing can be sent any more.
        self.closed = False
        #: When the browser was heard last, in seconds of the loop's clock.
        self.heard_at = now
        #: Since when it shows no page; infinity while it shows one.
        self.idle_since = now
        self._send = send
        self._budget = FrameBudget(now, get_config().frame_burst)
        self._jobs: deque[Job] = deque()
        #: How many broadcasts wait, and whether there were too many.
        self._broadcasts = 0
        self._behind = False
        #: Characters of the frames that wait.
        self._waiting_size = 0
        #: How many of what waits come before the end of the last leave.
        self._leave_ends = 0
        self._task: asyncio.Task[None] | None = None

    # For a subclass

    async def run(self, job: Job) -> None:
        """Do a job."""
        await job()

    @abstractmethod
    async def take(self, frame: dict[str, Any]) -> None:
        """Do what a frame asks for."""

    @abstractmethod
    async def depart(self, key: str) -> None:
        """Let the session of a page that was left on purpose expire soon."""

    @abstractmethod
    async def catch_up(self) -> None:
        """Render the page: some broadcasts were left out."""

    # What comes in

    async def receive(self, text: str | None) -> None:
        """Take a frame."""
        if self.closed:
            return
        self.heard_at = asyncio.get_running_loop().time()
        try:
            frame, size = self._checked(text)
        except Refused as refused:
            await self.refuse(refused)
            return
        if frame["t"] == "ping":
            await self.answer({"t": "pong"})
            return
        self._waiting_size += size
        self.enqueue(partial(self._take, frame, size))
        if frame["t"] == "leave":
            self._leave_ends = len(self._jobs)

    async def disconnected(self, code: int | None) -> asyncio.Task[None] | None:
        """Hear that the connection is over.

        What is at work is finished and saved. What waits is done too as far as its page was left on purpose, since
        nobody will send it again; the rest the browser sends again after a lost connection.

        Returns:
            The task that is still at work, if there is one.
        """
        self.closed = True
        is_left = code in _ON_PURPOSE or self._leave_ends > 0
        if code not in _ON_PURPOSE:
            while len(self._jobs) > self._leave_ends:
                self._jobs.pop()
        if is_left and self.key is not None:
            self.enqueue(partial(self.depart, self.key))
        return self._task

    async def finished(self) -> None:
        """Wait until what is at work after the end is done, so that a server that ends does not break it off."""
        deadline = asyncio.get_running_loop().time() + _FINISH_SECONDS
        while self._task is not None and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait({self._task}, timeout=left)

    def _checked(self, text: str | None) -> tuple[dict[str, Any], int]:
        config = get_config()
        self._budget.take(self.heard_at, config.frame_rate, config.frame_burst)
        frame = protocol.parse(text, config.frame_max_bytes)
        size = len(text or "")
        if self._waiting_size + size > _MAX_WAITING * config.frame_max_bytes:
            raise Refused(Close.TOO_MANY, "More is waiting to be done than a socket may send at once.")
        return frame, size

    async def _take(self, frame: dict[str, Any], size: int) -> None:
        self._waiting_size -= size
        await self.take(frame)

    # What is done

    def enqueue(self, job: Job) -> None:
        """Do ``job`` after what is waiting already."""
        self._jobs.append(job)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    def enqueue_broadcast(self, job: Job) -> None:
        """Do ``job`` after what is waiting already, or ``catch_up`` once if too many of its kind wait."""
        if self._behind or self.closed:
            return
        if self._broadcasts == _MAX_BROADCASTS:
            self._behind = True
            self.enqueue(self._catch_up)
            return
        self._broadcasts += 1
        self.enqueue(partial(self._hear, job))

    async def _hear(self, job: Job) -> None:
        self._broadcasts -= 1
        await job()

    async def _catch_up(self) -> None:
        self._behind = False
        await self.catch_up()

    async def _work(self) -> None:
        try:
            while self._jobs:
                job = self._jobs.popleft()
                self._leave_ends = max(0, self._leave_ends - 1)
                await self._do(job)
        finally:
            self._task = None

    async def _do(self, job: Job) -> None:
        try:
            await self.run(job)
        except Refused as refused:
            await self.refuse(refused)
        except BackendUnavailable:
            await self.close(Close.TRY_LATER)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task: what goes wrong is logged, and ends it
            logger.error("live_socket_failed", exc_info=error)
            await self.close(Close.FAILED)

    # What goes out

    async def answer(self, frame: dict[str, Any]) -> None:
        """Send a frame, if anything can still be sent."""
        if not self.closed:
            await self._tell({"type": "websocket.send", "text": protocol.dump(frame)})

    async def refuse(self, refused: Refused) -> None:
        """Close the connection because of what it sent."""
        logger.warning(
            "live_refused",
            code=int(refused.code),
            reason=str(refused),
            session=None if self.key is None else hashed(self.key),
        )
        await self.close(refused.code, str(refused))

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection. What waits is not done any more; what is at work is finished and not answered."""
        if not self.closed:
            self.closed = True
            self._jobs.clear()
            await self._tell({"type": "websocket.close", "code": int(code), "reason": reason[:_LONGEST_REASON]})

    def is_over(self) -> bool:
        """Whether nothing can be sent any more, which may be so after every wait."""
        return self.closed

    async def accept(self) -> None:
        """Accept the handshake."""
        await self._tell({"type": "websocket.accept"})

    async def _tell(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except OSError:
            # The browser is gone. The server says so in a moment, but what it is busy with can end before.
            self.closed = True
