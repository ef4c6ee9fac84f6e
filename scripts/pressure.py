"""The part of the demo in which memory runs short: a crowd of drive-by visitors, a low limit, and the way out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from scripts.child_processes import Child, say

#: Seconds after which the crowd comes, and for which it stays at least; it leaves when an alert has fired.
QUIET_SECONDS = 12.0
CROWD_SECONDS = 8.0
#: What is left free when the limit is lowered, and what the limit is raised to.
FREE_BYTES = 400 * 1024
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
        self._raised = False
        self._said: set[tuple[int, str]] = set()

    def go_on(self) -> None:
        """Do what is due, and say what the alerts say."""
        elapsed = time.monotonic() - self._began_at
        if self._crowd is None and elapsed >= QUIET_SECONDS:
            limit = int(self._server.info("memory")["used_memory"]) + FREE_BYTES
            self._server.config_set("maxmemory", limit)
            say("demo", f"The state server may use {limit / 2**20:.2f} MB from now on, and a crowd arrives.")
            self._crowd = self._start_crowd()
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
