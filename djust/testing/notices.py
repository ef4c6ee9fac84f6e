"""What processes tell each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from types import TracebackType
from typing import Any, Self

import pytest

from djust.exceptions import InvalidArgument
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Notice
from djust.testing.concurrency import in_threads
from djust.testing.support import MakeBackend, Store, eventually

LAST = ("last", b"")

MakeListener = Callable[[StateBackend], "Listening"]


class Listening:
    """Listens to a backend in a thread with an event loop of its own, until the context ends.

    Args:
        backend: What to listen to.
        begin: Wait at the beginning until it can hear.
    """

    def __init__(self, backend: StateBackend, *, begin: bool = True) -> None:
        self._begin = begin
        self._backend = backend
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), name="listening")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._all: list[Notice] = []

    def __enter__(self) -> Self:
        self._thread.start()
        if self._begin:
            eventually(lambda: self._all)
            assert self._all[0] == Notice("resubscribed", b"")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    @property
    def heard(self) -> list[tuple[str, bytes]]:
        """What came so far, without what the listener was told about itself."""
        return [(notice.topic, notice.message) for notice in list(self._all) if notice.topic != "resubscribed"]

    @property
    def subscriptions(self) -> int:
        """How often it was told that it begins to hear."""
        return sum(notice.topic == "resubscribed" for notice in list(self._all))

    def first(self, count: int) -> list[tuple[str, bytes]]:
        """Return what came, once there are ``count`` and one more that is published now, so that any surplus shows.

        A store of several servers may deliver what was published on one before what was published earlier on another.
        """
        self._backend.publish("last", b"")
        eventually(lambda: len(self.heard) > count and LAST in self.heard)
        return [notice for notice in self.heard if notice != LAST]

    async def _listen(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            async with aclosing(self._backend.alisten()) as notices:
                async for notice in notices:
                    self._all.append(notice)
        except asyncio.CancelledError:
            await self._backend.aclose()


class NoticesContract:
    """``publish``, ``alisten``, and what deletions publish."""

    @pytest.fixture
    def make_listener(self) -> Iterator[MakeListener]:
        """Return a function that begins to listen to a backend."""
        with ExitStack() as stack:
            yield lambda backend: stack.enter_context(Listening(backend))

    @pytest.fixture
    def listener(self, make_listener: MakeListener, backend: StateBackend) -> Listening:
        """Listen to the usual backend."""
        return make_listener(backend)

    def test_every_listener_hears_everything_in_order(
        self, store: Store, make_listener: MakeListener, backend: StateBackend
    ) -> None:
        listeners = [make_listener(backend) for _ in range(3)]
        sent = [("topic", b"%d" % number) for number in range(50)]
        for topic, message in sent:
            store.publish(topic, message)
        for listener in listeners:
            assert listener.first(50) == sent

    def test_threads_may_publish_at_once(self, backend: StateBackend, listener: Listening) -> None:
        def publish(number: int) -> None:
            for _ in range(25):
                backend.publish("topic", b"%d" % number)

        in_threads(4, publish)
        heard = listener.first(100)
        assert sorted(heard) == [("topic", b"%d" % number) for number in range(4) for _ in range(25)]

    def test_nobody_has_to_listen(self, store: Store) -> None:
        store.publish("topic", b"message")

    def test_what_was_published_before_is_not_heard(
        self, store: Store, make_listener: MakeListener, backend: StateBackend
    ) -> None:
        store.publish("before", b"")
        listener = make_listener(backend)
        assert listener.first(0) == []

    def test_other_sessions_are_other_notices(
        self, make_backend: MakeBackend, backend: StateBackend, listener: Listening
    ) -> None:
        make_backend().publish("elsewhere", b"")
        assert listener.first(0) == []

    @pytest.mark.parametrize("topic", ["x" * 200, "ä" * 100, "a b\n\0{c}", "*"])
    @pytest.mark.parametrize("message", [b"", bytes(range(256)), b"x" * 65_536])
    def test_any_topic_and_any_bytes_arrive_as_they_are(
        self, store: Store, listener: Listening, topic: str, message: bytes
    ) -> None:
        store.publish(topic, message)
        assert listener.first(1) == [(topic, message)]

    @pytest.mark.parametrize(
        ("topic", "message", "words"),
        [
            ("", b"", "200 bytes"),
            ("x" * 201, b"", "200 bytes"),
            ("ä" * 101, b"", "200 bytes"),
            ("\ud800", b"", "surrogate"),
            (b"topic", b"", "must be text"),
            ("topic", "message", "must be bytes"),
            ("topic", None, "must be bytes"),
            ("topic", b"x" * 65_537, "64 kB"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, store: Store, topic: Any, message: Any, words: str) -> None:
        with pytest.raises(InvalidArgument, match=words):
            store.publish(topic, message)

    # Deletions

    def test_who_listens_hears_which_session_was_deleted(self, store: Store, listener: Listening, key: str) -> None:
        names = [key, f"{key} ä\n\0{{x}}", key.ljust(512, "x")]
        for name in names:
            store.set(name, {}, owner="someone")
            assert store.delete(name)
        assert sorted(listener.first(3)) == sorted(("ended", name.encode()) for name in names)

    def test_when_it_is_heard_the_session_is_gone(self, backend: StateBackend, key: str) -> None:
        async def work() -> None:
            await backend.aset(key, {})
            async with aclosing(backend.alisten()) as notices:
                assert (await anext(notices)).topic == "resubscribed"
                deletion = asyncio.create_task(backend.adelete(key))
                assert await anext(notices) == Notice("ended", key.encode())
                assert await backend.aget(key) is None
                assert await deletion
            await backend.aclose()

        asyncio.run(work())

    def test_nothing_is_said_of_what_did_not_live(self, store: Store, listener: Listening, key: str) -> None:
        store.set_expired(f"{key} expired", owner="someone")
        for name in (f"{key} expired", f"{key} unknown"):
            assert not store.delete(name)
        assert store.delete_owner("someone") == 0
        store.cleanup_expired()
        assert store.delete_all() == 0
        assert listener.first(0) == []

    def test_the_sessions_of_an_owner_are_named(self, store: Store, listener: Listening, key: str) -> None:
        for number in range(20):
            store.set(f"{key} {number}", {}, owner="someone")
        store.set(key, {}, owner="another")
        assert store.delete_owner("someone") == 20
        expected = sorted(("ended", f"{key} {number}".encode()) for number in range(20))
        assert sorted(listener.first(20)) == expected

    def test_of_all_sessions_one_notice_tells(self, store: Store, listener: Listening, key: str) -> None:
        for number in range(20):
            store.set(f"{key} {number}", {})
        assert store.delete_all() == 20
        assert listener.first(1) == [("ended_all", b"")]

    # The end of listening

    def test_listening_ends_when_it_is_cancelled_or_closed(self, backend: StateBackend) -> None:
        async def listen(begun: asyncio.Event) -> None:
            async for _notice in backend.alisten():
                begun.set()

        async def work() -> None:
            for _ in range(3):
                begun = asyncio.Event()
                task = asyncio.create_task(listen(begun))
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                notices = backend.alisten()
                await anext(notices)
                await notices.aclose()
            await backend.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(work())
