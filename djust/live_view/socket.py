"""One socket of one page: events are done in turn, saved, and only then answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable
from typing import Any

from django.conf import settings

from djust.codec.content import pack as encoded
from djust.conf import get_config
from djust.exceptions import BackendError, BackendUnavailable, CodecError, SessionGone, VersionConflict
from djust.live_view import at_work, origin, tokens
from djust.live_view.at_work import AtWork
from djust.live_view.attributes import explain
from djust.live_view.connection import Connection, Job, Send
from djust.live_view.errors import InvalidEvent, PageGone, PageStale, Refused
from djust.live_view.hub import LEFT, Hub, hub_of_this_loop
from djust.live_view.page import LivePage, Steps, page_of
from djust.live_view.protocol import Close
from djust.live_view.request import SocketRequest
from djust.live_view.runtime import path_of
from djust.live_view.saving import Kept, keep_number, patiently, save
from djust.live_view.threads import in_thread
from djust.log import hashed, logger
from djust.state_backend.registry import get_backend

_WHERE = re.compile(r"\[[^\]]*\]")
#: Browsers give up a server that says nothing for ten seconds.
_SIGN_OF_LIFE_SECONDS = 3.0


class LiveSocket(Connection):
    """Joins a page and does what the browser asks of it."""

    __slots__ = ("at_work", "client", "hub", "login", "page", "topics", "touch_at")

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        super().__init__(scope, send)
        self.hub: Hub = hub_of_this_loop()
        self.page: LivePage | None = None
        #: The id of the page instance in the browser; empty while that shows none.
        self.client = ""
        #: What stands for its Django session in notices; empty for visitors who are not logged in.
        self.login = ""
        self.topics: frozenset[str] = frozenset()
        #: When its session is to be touched, in seconds of the loop's clock.
        self.touch_at = float("inf")
        self.at_work = AtWork()

    @property
    def session(self) -> Any:
        """The Django session of the handshake."""
        return self.scope.get("session")

    @property
    def user(self) -> Any:
        """The user of the handshake."""
        return self.scope.get("user")

    async def open(self) -> None:
        """Accept the handshake, or refuse it with a code that the page can read."""
        await self.accept()
        if not origin.is_own(self.scope):
            await self.refuse(Refused(Close.FOREIGN_ORIGIN, "The page is not of this site."))
            return
        session_key = tokens.session_key_of(SocketRequest(self.scope, "/"))
        if session_key and self.user is not None and self.user.is_authenticated:
            self.login = tokens.login_digest(session_key)
        self.hub.add(self)

    async def disconnected(self, code: int | None) -> asyncio.Task[None] | None:
        """See ``Connection``. A reconnect waits for what is still at work."""
        self.at_work.tell()
        key = self.key
        task = await super().disconnected(code)
        if key is not None and task is not None:
            self.hub.finish(key, task)
        self.hub.remove(self)
        return task

    async def finished(self) -> None:
        """See ``Connection``."""
        await super().finished()
        await self.at_work.ended()

    async def run(self, job: Job) -> None:
        """Do a job. It may find that the page was saved by a release whose view has other fields."""
        try:
            await job()
        except PageStale:
            logger.info("live_page_stale", session=None if self.key is None else hashed(self.key))
            self.page = None
            self.hub.leave(self)
            await self.answer({"t": "stale", "client": self.client})

    async def take(self, frame: dict[str, Any]) -> None:
        """Do what a frame asks for."""
        if frame["t"] == "join":
            await self._join(frame)
        elif frame["t"] == "leave":
            self.page, self.client = None, ""
            if self.key is not None:
                await self.depart(self.key)
        else:
            await self._change(frame)

    async def depart(self, key: str) -> None:
        """Let the session of a page that was left on purpose expire soon, unless another socket shows it."""
        self.touch_at = float("inf")
        if self.key == key:
            self.hub.leave(self)
        if self.hub.has(key):
            return
        backend = get_backend()
        ttl = get_config().page_ttl
        try:
            await backend.atouch(key, min(ttl, backend.default_ttl) if backend.default_ttl > 0 else ttl)
            await backend.apublish(LEFT, key.encode())
        except BackendError as error:
            logger.debug("live_page_not_given_up", session=hashed(key), error=str(error))

    # A page

    async def _join(self, frame: dict[str, Any]) -> None:
        request = SocketRequest(self.scope, "/")
        token = tokens.read(frame["token"], request)
        if self.key is not None and self.key != token.key:
            await self.depart(self.key)
        if self.is_over():
            # Whoever is gone by now does not join, and a page that nobody joined ends soon.
            return
        self.client = frame["client"]
        # From here on the hub hears when the session is ended, so that it cannot end unnoticed while it is read.
        self.hub.enter(self, token.key)
        async with self._asking_for_patience():
            await self.hub.settle(token.key, self.client, self)
            await at_work.others(token.key, self.client, self.is_over)
        if self.is_over():
            return
        backend = get_backend()
        try:
            session = await backend.aget(token.key)
            # In a thread: what the author does in setup() may ask the database.
            page = await in_thread(partial(page_of, session, request, token.view))
            if self.is_over():
                return
            await backend.atouch(token.key, backend.default_ttl)
        except PageGone:
            await self.close(Close.GONE, "expired")
            return
        self.page = page
        self._saved(page)
        missed = page.record.missed(self.client, frame.get("acked"))
        joined = {"t": "joined", "client": self.client, "n": page.record.seen.get(self.client, 0)}
        await self.answer(await self._whole(page, None, {**joined, **missed}))

    @asynccontextmanager
    async def _asking_for_patience(self) -> AsyncGenerator[None, None]:
        """Give signs of life while this lasts: a browser waits for no silent server."""

        async def say() -> None:
            while True:
                await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
                await self.answer({"t": "pong"})

        task = asyncio.get_running_loop().create_task(say())
        try:
            yield
        finally:
            task.cancel()

    async def _change(self, frame: dict[str, Any]) -> None:
        page, number = self.page, frame["n"]
        if page is None:
            if not self.client:
                raise Refused(Close.MALFORMED, "The first frame joins a page.")
            # Sent before the browser heard that the page is stale.
            return
        if page.record.has_seen(self.client, number):
            logger.debug("live_event_repeated", session=hashed(page.key))
            await self.answer({"t": "update", "n": number, "splices": []})
            return
        with self.at_work.on(page.key, self.client):
            answer = await self._handle(page, number, frame)
        # A browser on a slow line takes its time, and the event is no longer at work.
        await self._answer(answer)

    async def _handle(self, page: LivePage, number: int, frame: Mapping[str, Any]) -> dict[str, Any] | None:
        """Let an event change the page, and return the answer; ``None``: the page is over."""
        try:
            update = await self._perform(page, partial(page.steps, frame))
            if update is None:
                return {"t": "moved", "n": number, "uri": frame["uri"]}
            if isinstance(update, InvalidEvent):
                return self._rejected(page, number, update)
            page.record.note(self.client, number, update)
            await save(page)
        except Refused:
            raise
        except VersionConflict:
            return await self._truth(page, number)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and the page goes on
            return await self._failed(page, number, error)
        self._saved(page)
        return {**update, "n": number}

    def _rejected(self, page: LivePage, number: int, error: InvalidEvent) -> dict[str, Any]:
        """Return what says that an event does not fit its handler, which was not called."""
        logger.warning("live_event_invalid", session=hashed(page.key), view=path_of(type(page.view)), error=str(error))
        return {"t": "error", "n": number, "message": str(error)}

    async def _answer(self, frame: dict[str, Any] | None) -> None:
        """Send a frame; without one the page is over."""
        if frame is None:
            await self.close(Close.GONE, "expired")
        else:
            await self.answer(frame)

    async def hear(self, topic: str, message: Any) -> None:
        """Let the page hear a broadcast."""
        page = self.page
        if page is None or topic not in self.topics:
            return
        before = encoded(page.attributes()), self.topics
        try:
            update = await self._perform(page, partial(page.broadcast_steps, topic, message))
            if (encoded(page.attributes()), page.view.djust.topics) != before:
                await save(page)
        except VersionConflict:
            await self.verify()
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything, and the page goes on
            await self._answer(await self._failed(page, None, error))
        else:
            self._saved(page, touched=False)
            if isinstance(update, dict) and (len(update) > 2 or update["splices"]):
                await self.answer(update)

    async def catch_up(self) -> None:
        """Render the page, which may show what broadcasts told that were left out."""
        if self.page is not None:
            await self.answer(await self._whole(self.page, self.page.begin, {}))

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
            await self.answer(await self._whole(page, partial(page.adopt, session), {}))

    # What that is made of

    async def _perform(
        self, page: LivePage, make_steps: Callable[[], Steps | None]
    ) -> dict[str, Any] | InvalidEvent | None:
        """Make and take steps, render, and return the update.

        Returns:
            ``None`` if the steps lead to another view, the error if they could not be made.
        """
        steps: Steps | None = None

        def work() -> Any:
            nonlocal steps
            if steps is None:
                try:
                    steps = make_steps()
                except InvalidEvent as error:
                    # Not raised: what a handler raises of the same kind is another matter.
                    return error
            if steps is None:
                return None
            pending = page.work(steps)
            if pending is not None:
                return pending
            update = page.render()
            # Not before: an event whose page cannot be shown did not work.
            page.request.save_session()
            return update

        while isawaitable(result := await in_thread(work)):
            await self._finish(page, result)
        done: dict[str, Any] | InvalidEvent | None = result
        return done

    async def _finish(self, page: LivePage, pending: Any) -> None:
        """Wait for what is asynchronous in a step."""
        try:
            with page.surrounded():
                await pending
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("Something that the handler waited for was cancelled.") from error
        except SystemExit as error:
            raise RuntimeError("The handler raised SystemExit.") from error

    async def _whole(self, page: LivePage, before: Callable[[], None] | None, frame: dict[str, Any]) -> dict[str, Any]:
        """Render the page, after ``before``, and return a frame with all of it."""

        def work() -> dict[str, Any]:
            if before is not None:
                before()
            return page.render_whole()

        update = await in_thread(work)
        self.hub.listen(self, page.view.djust.topics)
        return {**update, **frame}

    async def _truth(self, page: LivePage, number: int) -> dict[str, Any] | None:
        """Return what another tab or another server saved; the event did not count, and is not tried again.

        Unless it was this very event that was saved: whoever handled it first may have reached nobody with its answer.
        """
        kept = await keep_number(page, self.client, number)
        if kept is Kept.GONE:
            return None
        if kept is Kept.NOTED:
            logger.info("live_conflict", session=hashed(page.key), view=path_of(type(page.view)))
        self._saved(page, touched=kept is Kept.NOTED)
        more = {"conflict": True} if kept is Kept.NOTED else page.record.missed(self.client, number - 1)
        return await self._whole(page, None, {"n": number, **more})

    async def _failed(self, page: LivePage, number: int | None, error: Exception) -> dict[str, Any] | None:
        """Put the page back to what is stored, and return what says that an event did not work."""
        if isinstance(error, SessionGone):
            return None
        if isinstance(error, BackendUnavailable):
            raise error
        view = path_of(type(page.view))
        detail = explain(page.view, page.attributes()) if isinstance(error, CodecError) else str(error)
        if isinstance(error, (CodecError, BackendError)):
            # Where in the state it is may name keys of dicts, which are part of the state.
            logger.error("live_state_not_stored", view=view, error=_WHERE.sub("[...]", detail))
        else:
            logger.error("live_event_failed", session=hashed(page.key), view=view, exc_info=error)
        kept = await keep_number(page, self.client, number)
        if kept is Kept.GONE:
            return None
        self._saved(page, touched=kept is Kept.NOTED)
        message = f"{type(error).__name__}: {detail}" if settings.DEBUG else "This did not work."
        # All of it, since what the browser shows may be older than what was rendered last.
        return await self._whole(page, None, {} if number is None else {"t": "error", "n": number, "message": message})

    def _saved(self, page: LivePage, *, touched: bool = True) -> None:
        """Note that a page was saved or touched, and what it listens to."""
        if self.closed:
            return
        if touched:
            ttl = get_backend().default_ttl
            self.touch_at = asyncio.get_running_loop().time() + ttl * 0.1 if ttl > 0 else float("inf")
        self.hub.listen(self, page.view.djust.topics)
