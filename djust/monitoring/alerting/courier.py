"""Sends in threads, so that nobody waits longer for a receiver than he wants to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from django.db import connections

#: Channel and target of a message.
Receiver = tuple[str, str]


class Courier:
    """Calls what sends something, each time in a thread of its own.

    Timeouts of a mail server or a web service hold for each answer, and a mail backend need not have any. One that
    answers slowly takes minutes for a mail, in which a task would run into its time limit.
    """

    def __init__(self) -> None:
        self._threads: dict[Receiver, threading.Thread] = {}

    def start(self, receiver: Receiver, send: Callable[[], None]) -> Future[None]:
        """Begin to send, and return what will be known of it.

        Args:
            receiver: Who it is for, to tell whether ``is_busy``.
            send: Sends it. The connections to databases that it makes are closed afterwards.
        """
        sending: Future[None] = Future()
        # A daemon, since a process that ends must not wait for a receiver either.
        thread = threading.Thread(target=_work, args=(sending, send), name="djust-courier", daemon=True)
        self._threads[receiver] = thread
        thread.start()
        return sending

    def busy(self) -> list[Receiver]:
        """Return the receivers that something is still being sent to. Each holds one thread, however long it takes."""
        self._threads = {receiver: thread for receiver, thread in self._threads.items() if thread.is_alive()}
        return list(self._threads)


def _work(sending: Future[None], send: Callable[[], None]) -> None:
    try:
        try:
            send()
        except BaseException as error:  # noqa: BLE001 - it is looked at by whoever waits
            sending.set_exception(error)
        else:
            sending.set_result(None)
    finally:
        connections.close_all()
