"""A proxy that can be slow, cut its connections, swallow what passes, or lose a reply."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.servers.ports import HOST, free_port

T = TypeVar("T")


class TcpProxy:
    """Stands at ``host:port`` and forwards to the target. All methods can be called from any thread."""

    host = HOST

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay = 0.0
        self._replies_to_lose = 0
        self.port = free_port()
        #: How many connections were accepted so far.
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, scheme: str = "redis", database: int = 0) -> str:
        """Return a URL that leads through the proxy."""
        return f"{scheme}://{self.host}:{self.port}/{database}"

    def retarget(self, host: str, port: int) -> None:
        """Lead new connections elsewhere, as a name does after a failover. Old ones stay where they are."""
        self._target = (host, port)

    def delay(self, seconds: float) -> None:
        """Let every reply arrive this much later; 0 ends it."""
        self._delay = seconds

    def cut(self) -> None:
        """Close every connection at once. New ones are served."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Close every connection and refuse new ones until ``restore``."""
        self._run(self._refuse())

    def blackhole(self) -> None:
        """Keep connections open and accept new ones, but let nothing pass until ``restore``."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def lose_replies(self, count: int = 1) -> None:
        """Swallow the next ``count`` replies, each with its connection: the work was done, nobody hears of it."""
        self._replies_to_lose = count

    def restore(self) -> None:
        """Let everything pass again, without delay."""
        self._delay = 0.0
        self._replies_to_lose = 0
        self._run(self._restore())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        self._remember(asyncio.current_task())
        try:
            await self._passing.wait()
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            self._open.discard(writer)
            return
        self._open.add(upstream_writer)
        for work in (
            self._forward(reader, upstream_writer, replies=False),
            self._forward(upstream_reader, writer, replies=True),
        ):
            self._remember(asyncio.create_task(work))

    def _remember(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        try:
            while data := await reader.read(65_536):
                if replies and self._replies_to_lose > 0:
                    self._replies_to_lose -= 1
                    break
                if replies and self._delay:
                    await asyncio.sleep(self._delay)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._open.discard(writer)

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _restore(self) -> None:
        self._passing.set()
        if self._server is None:
            await self._listen()

    async def _end(self) -> None:
        await self._refuse()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
