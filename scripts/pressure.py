"""The part of the demo in which memory runs short: a crowd of drive-by visitors, a low limit, and the way out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from scripts.child_processes import Child, say

#: Seconds after which the crowd comes, and for which it stays at least; it leaves when an alert has fired.
QUIET_SECONDS, CROWD_SECONDS = 12.0, 8.0
#: What is left free when the crowd comes: less would be gone with the buffers of a few connections. A slow machine
#: does not serve enough pages to use that; there the limit comes down by a step at a time until something is evicted.
FREE_BYTES, STEP_BYTES = 700 * 1024, 64 * 1024
#: What the limit is raised to.
ENOUGH = "64mb"
#: Shortest demo that has time for all of it.
NEEDS_SECONDS = 50.0

RULES = ("evictions", "sessions_lost")


class Pressure:
    """Lowers the limit, lets the crowd come, and raises the limit once an alert has said what to do.

    Args:
        url: The state server, which belongs to the demo.
        start_crowd: Starts the drive-by visitors.
    """

    def __init__(self, url: str, start_crowd: Callable[[], Child]) -> None:
        self._server: Redis = Redis.from_url(url)
        self._start_crowd = start_crowd
        self._crowd: Child | None = None
        self._began_at = time.monotonic()
        self._limit = 0
        self._is_short = False
        self._raised = False
        self._said: set[tuple[int, str]] = set()

    def go_on(self) -> None:
        """Do what is due, and say what the alerts say."""
        elapsed = time.monotonic() - self._began_at
        if self._crowd is None and elapsed >= QUIET_SECONDS:
            self._crowd = self._start_crowd()
            say("demo", "A crowd arrives that fetches pages and never connects to them.")
            self._limit = int(self._server.info("memory")["used_memory"]) + FREE_BYTES
            say("demo", f"The state server may use {self._limit / 2**20:.2f} MB from now on.")
            self._server.config_set("maxmemory", self._limit)
        elif not self._is_short and not self._raised and elapsed >= QUIET_SECONDS + CROWD_SECONDS:
            self._is_short = int(self._server.info("stats")["evicted_keys"]) > 0
            if not self._is_short:
                self._limit -= STEP_BYTES
                self._server.config_set("maxmemory", self._limit)
        self._say_alerts()
        if self._crowd is not None and not self._raised and elapsed >= QUIET_SECONDS + CROWD_SECONDS and self.fired:
            self._raised = True
            self._crowd.ask_to_stop()
            self._server.config_set("maxmemory", ENOUGH)
            say("demo", f"The crowd goes, and maxmemory is raised to {ENOUGH}, which is more than advised.")

    @property
    def crowd(self) -> Child | None:
        """The drive-by visitors, who leave before the demo ends."""
        return self._crowd

    @property
    def fired(self) -> list[Any]:
        """The alerts about evicted and lost sessions that have fired."""
        return [alert for alert in self._alerts() if alert.fired_at is not None]

    @property
    def resolved(self) -> list[Any]:
        """Those of them that are over."""
        return [alert for alert in self.fired if alert.resolved_at is not None]

    def _alerts(self) -> list[Any]:
        from djust.models import Alert  # noqa: PLC0415 - needs the settings

        return list(Alert.objects.filter(rule__in=RULES))

    def _say_alerts(self) -> None:
        for alert in self.fired:
            state = "is over" if alert.resolved_at else "fires"
            if (alert.pk, state) in self._said:
                continue
            self._said.add((alert.pk, state))
            say("demo", f"Alert {alert.rule} {state} ({alert.severity}): {alert.summary}")
            if state == "fires":
                say("demo", f"  Advice: {alert.advice}")
