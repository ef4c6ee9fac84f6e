"""One socket of one browser: what it sends is done in turn, saved, and only then answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from django.conf import settings

from djust.codec.content import pack as encoded
from djust.conf import get_config
from djust.exceptions import BackendError, BackendUnavailable, CodecError, SessionGone, VersionConflict
from djust.live_view import origin, protocol, tokens
from djust.live_view.attributes import explain
from djust.live_view.errors import InvalidEvent, PageGone, PageStale, Refused
from djust.live_view.hub import LEFT, Hub, hub_of_this_loop
from djust.live_view.limits import FrameBudget
from djust.live_view.page import LivePage, Steps, page_of
from djust.live_view.protocol import Close
from djust.live_view.request import SocketRequest
from djust.live_view.saving import keep_number, patiently, save
from djust.live_view.threads import in_thread
from djust.log import hashed, logger
from djust.state_backend.registry import get_backend

Send = Callable[[dict[str, Any]], Awaitable[None]]
Job = Callable[[], Awaitable[None]]

#: Characters of a reason: a closing frame holds 123 bytes.
_LONGEST_REASON = 100
#: How many of the largest frames may wait while a socket is busy. What was parsed takes many times its text in memory.
_MAX_WAITING = 4
#: What a browser reports when its page is closed or left: not a lost connection.
_GOING_AWAY = 1001


class LiveSocket:
    """One socket. ``receive`` returns at once; what has to be done is done by a task, one frame after the other."""

    __slots__ = (
        "__weakref__",
        "_budget",
        "_jobs",
        "_left",
        "_scope",
        "_send",
        "_task",
        "_waiting_size",
        "client",
        "closed",
        "heard_at",
        "hub",
        "key",
        "login",
        "opened_at",
        "page",
        "topics",
        "touch_at",
    )

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        now = asyncio.get_running_loop().time()
        self.hub: Hub = hub_of_this_loop()
        self.page: LivePage | None = None
        #: The key of the session that it joined.
        self.key: str | None = None
        #: What stands for its Django session in notices; empty for visitors who are not logged in.
        self.login = ""
        self.topics: frozenset[str] = frozenset()
        self.closed = False
        #: Times of the loop's clock, in seconds.
        self.opened_at = self.heard_at = now
        self.touch_at = float("inf")
        self._scope = scope
        self._send = send
        #: The id of the page instance in the browser.
        self.client = ""
        self._left = False
        self._budget = FrameBudget(now, get_config().frame_burst)
        self._jobs: deque[Job] = deque()
        #: Characters of the frames that wait among them.
        self._waiting_size = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> Any:
        """The Django session of the handshake."""
        return self._scope.get("session")

    @property
    def user(self) -> Any:
        """The user of the handshake."""
        return self._scope.get("user")

    # From the browser

    async def open(self) -> None:
        """Accept the handshake, or refuse it with a code that the page can read."""
        await self._send({"type": "websocket.accept"})
        if not origin.is_own(self._scope):
            await self._refuse(Refused(Close.FOREIGN_ORIGIN, "The page is not of this site."))
            return
        user = self._scope.get("user")
        if user is not None and user.is_authenticated:
            self.login = tokens.login_digest(tokens.session_key_of(SocketRequest(self._scope, "/")))
        self.hub.add(self)

    async def receive(self, text: str | None) -> None:
        """Take a frame."""
        if self.closed:
            return
        config = get_config()
        self.heard_at = asyncio.get_running_loop().time()
        try:
            self._budget.take(self.heard_at, config.frame_rate, config.frame_burst)
            frame = protocol.parse(text, config.frame_max_bytes)
            size = len(text or "")
            if self._waiting_size + size > _MAX_WAITING * config.frame_max_bytes:
                raise Refused(Close.TOO_MANY, "More is waiting to be done than a socket may send at once.")
        except Refused as refused:
            await self._refuse(refused)
            return
        if frame["t"] == "ping":
            await self._answer({"t": "pong"})
        else:
            handle = {"join": self._join, "leave": self._leave}.get(frame["t"], self._change)
            self._waiting_size += size
            self.enqueue(partial(self._take, handle, frame, size))

    async def disconnected(self, code: int | None) -> None:
        """Hear that the socket is closed. What is at work is finished and saved; what waits will be sent again."""
        self.closed = True
        self._jobs.clear()
        if self.key is not None and self._task is not None:
            self.hub.finish(self.key, self._task)
        if self.key is not None and (self._left or code == _GOING_AWAY):
            await self._give_up_session()
        self.hub.remove(self)

    async def finished(self) -> None:
        """Wait until what was at work when the socket was closed is done: a server that ends waits for its sockets."""
        if self._task is not None:
            await asyncio.wait({self._task})

    # From the hub

    def enqueue(self, job: Job) -> None:
        """Do ``job`` after what is waiting already."""
        self._jobs.append(job)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket."""
        if not self.closed:
            self.closed = True
            self._jobs.clear()
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason[:_LONGEST_REASON]})

    async def hear(self, topic: str, message: Any) -> None:
        """Let the page hear a broadcast."""
        page = self.page
        if page is None or topic not in self.topics:
            return
        before = encoded(page.attributes()), self.topics
        try:
            update = await self._perform(page, page.broadcast_steps(topic, message))
            if (encoded(page.attributes()), page.view.djust.topics) != before:
                await save(page)
        except VersionConflict:
            await self.verify()
            return
        except SessionGone:
            await self.close(Close.GONE, "expired")
            return
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and the page goes on
            await self._failed(page, None, error)
            return
        self._saved(page)
        if len(update) > 2 or update["splices"]:
            await self._answer(update)

    async def verify(self) -> None:
        """Compare the page with the store, and show what is there if that is something else."""
        page = self.page
        if page is None:
            return
        try:
            # A Redis that starts lets itself be listened to before it has loaded what it is asked for.
            session = await patiently(lambda: get_backend().aget(page.key))
        except BackendUnavailable:
            raise
        except BackendError:
            return
        if session is None:
            await self.close(Close.GONE, "expired")
        elif session.version != page.version:
            await self._show(page, partial(page.adopt, session), {})

    # Jobs

    async def _take(
        self, handle: Callable[[dict[str, Any]], Awaitable[None]], frame: dict[str, Any], size: int
    ) -> None:
        self._waiting_size -= size
        await handle(frame)

    async def _join(self, frame: dict[str, Any]) -> None:
        request = SocketRequest(self._scope, "/")
        token = tokens.read(frame["token"], request)
        backend = get_backend()
        if self.key is not None and self.key != token.key:
            await self._give_up_session()
            if self.closed:
                return
        self.client, self._left = frame["client"], False
        # From here on the hub hears when the session is ended, so that it cannot end unnoticed while it is read.
        self.hub.enter(self, token.key)
        await self.hub.settle(token.key, self.client, self)
        try:
            session = await backend.aget(token.key)
            # What the author does in setup() may ask the database.
            page = await in_thread(partial(page_of, session, request, token.view))
            if self.closed:
                # Whoever is gone by now did not join, and a page that was left ends soon.
                return
            await backend.atouch(token.key, backend.default_ttl)
        except PageGone:
            await self.close(Close.GONE, "expired")
            return
        except PageStale:
            self.hub.leave(self)
            logger.info("live_page_stale", session=hashed(token.key), view=token.view)
            await self._answer({"t": "stale"})
            return
        self.page = page
        self._saved(page)
        await self._show(page, None, {"t": "joined", "n": page.record.seen.get(self.client, 0)})

    async def _leave(self, _frame: dict[str, Any]) -> None:
        self._left = True
        if self.key is not None:
            await self._give_up_session()

    async def _change(self, frame: dict[str, Any]) -> None:
        page, number = self.page, frame["n"]
        if page is None:
            raise Refused(Close.MALFORMED, "The first frame joins a page.")
        if page.record.has_seen(self.client, number):
            logger.debug("live_event_repeated", session=hashed(page.key))
            await self._answer({"t": "update", "n": number, "splices": []})
            return
        try:
            steps = page.steps(frame)
            if steps is None:
                await self._answer({"t": "moved", "n": number, "uri": frame["uri"]})
                return
            update = await self._perform(page, steps)
            page.record.note(self.client, number)
            await save(page)
        except Refused:
            raise
        except InvalidEvent as error:
            logger.warning("live_event_invalid", session=hashed(page.key), view=self._view(page), error=str(error))
            await self._answer({"t": "error", "n": number, "message": str(error)})
        except VersionConflict:
            logger.info("live_conflict", session=hashed(page.key), view=self._view(page))
            await self._show_truth(page, number)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and the page goes on
            await self._failed(page, number, error)
        else:
            self._saved(page)
            await self._answer({**update, "n": number})

    # What jobs are made of

    async def _perform(self, page: LivePage, steps: Steps) -> dict[str, Any]:
        """Take the steps, render, and return the update."""

        def work() -> Any:
            pending = page.work(steps)
            return page.render() if pending is None else pending

        while not isinstance(result := await in_thread(work), dict):
            await result
        return result

    async def _show(self, page: LivePage, before: Callable[[], None] | None, frame: dict[str, Any]) -> None:
        """Render the page and send all of it, after ``before``."""

        def work() -> dict[str, Any]:
            if before is not None:
                before()
            return page.render_whole()

        try:
            update = await in_thread(work)
        except PageStale:
            await self._answer({"t": "stale"})
            return
        self.hub.listen(self, page.view.djust.topics)
        await self._answer({**update, **frame})

    async def _show_truth(self, page: LivePage, number: int) -> None:
        """Show what another tab or another server saved; the event did not count, and is not tried again."""
        if await keep_number(page, self.client, number):
            self._saved(page)
            await self._show(page, None, {"n": number, "conflict": True})
        else:
            await self.close(Close.GONE, "expired")

    async def _failed(self, page: LivePage, number: int | None, error: Exception) -> None:
        """Put the page back to what is stored, and say that an event did not work."""
        if isinstance(error, SessionGone):
            await self.close(Close.GONE, "expired")
            return
        if isinstance(error, BackendUnavailable):
            raise error
        message = "This did not work."
        if isinstance(error, CodecError):
            logger.error("live_state_not_stored", view=self._view(page), error=explain(page.view, page.attributes()))
        elif isinstance(error, BackendError):
            logger.error("live_state_not_stored", view=self._view(page), error=str(error))
        else:
            logger.error("live_event_failed", session=hashed(page.key), view=self._view(page), exc_info=error)
        if settings.DEBUG:
            detail = explain(page.view, page.attributes()) if isinstance(error, CodecError) else str(error)
            message = f"{type(error).__name__}: {detail}"
        if not await keep_number(page, self.client, number):
            await self.close(Close.GONE, "expired")
            return
        self._saved(page)
        # All of it, since what the browser shows may be older than what was rendered last.
        await self._show(page, None, {} if number is None else {"t": "error", "n": number, "message": message})

    def _saved(self, page: LivePage) -> None:
        now = asyncio.get_running_loop().time()
        ttl = get_backend().default_ttl
        self.touch_at = now + ttl * 0.1 if ttl > 0 else float("inf")
        self.hub.listen(self, page.view.djust.topics)

    async def _give_up_session(self) -> None:
        """Let the session of a page that was left on purpose expire soon, unless another socket shows it."""
        key, self.page, self.touch_at = self.key, None, float("inf")
        self.hub.leave(self)
        if key is None or self.hub.has(key):
            return
        backend = get_backend()
        ttl = get_config().page_ttl
        try:
            await backend.atouch(key, min(ttl, backend.default_ttl) if backend.default_ttl > 0 else ttl)
            await backend.apublish(LEFT, key.encode())
        except BackendError as error:
            logger.debug("live_page_not_given_up", session=hashed(key), error=str(error))

    async def _work(self) -> None:
        try:
            while self._jobs:
                await self._jobs.popleft()()
        except Refused as refused:
            await self._refuse(refused)
        except PageStale:
            # Another release saved the page meanwhile.
            await self._answer({"t": "stale"})
        except BackendUnavailable:
            await self.close(Close.TRY_LATER)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task: what goes wrong is logged, and ends the socket
            logger.error("live_socket_failed", exc_info=error)
            await self.close(Close.FAILED)
        finally:
            self._task = None
            if self._jobs and not self.closed:
                self._task = asyncio.get_running_loop().create_task(self._work())

    async def _refuse(self, refused: Refused) -> None:
        logger.warning(
            "live_refused",
            code=int(refused.code),
            reason=str(refused),
            session=None if self.key is None else hashed(self.key),
        )
        await self.close(refused.code, str(refused))

    async def _answer(self, frame: dict[str, Any]) -> None:
        if not self.closed:
            await self._send({"type": "websocket.send", "text": protocol.dump(frame)})

    def _view(self, page: LivePage) -> str:
        return f"{type(page.view).__module__}.{type(page.view).__qualname__}"
