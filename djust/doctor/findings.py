"""What the doctor finds: one item each, how it stands, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How an item stands, the worst last but for what nobody could tell."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    #: It could not be told, for the reason that the text gives.
    UNAVAILABLE = "unavailable"
    #: There was no point in asking.
    SKIPPED = "skipped"


class Item(StrEnum):
    """What is looked at: the group, a dot, the name. docs/checklist.md lists them all."""

    CHECKS = "settings.checks"
    BACKEND = "store.backend"
    REACHABLE = "redis.reachable"
    VERSION = "redis.version"
    PASSWORD = "redis.password"  # noqa: S105 - the name of an item
    NETWORK = "redis.network"
    MEMORY = "redis.memory"
    POLICY = "redis.policy"
    PERSISTENCE = "redis.persistence"
    RIGHTS = "redis.rights"
    CLOCK = "redis.clock"
    FRAGMENTATION = "redis.fragmentation"
    BROKER = "broker.reachable"
    BROKER_SERVER = "broker.server"
    BROKER_POLICY = "broker.policy"
    WORKER = "worker.answers"
    TASKS = "worker.tasks"
    QUEUES = "worker.queues"
    MIGRATIONS = "database.migrations"
    SCHEDULE = "schedule.enabled"
    BEAT = "schedule.beat"
    BEATS = "schedule.beats"

    @property
    def group(self) -> str:
        """What it belongs to."""
        return self.value.partition(".")[0]

    @property
    def label(self) -> str:
        """Its name within the group."""
        return self.value.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one item stands."""

    item: Item
    status: Status
    #: What was seen: one sentence or two, without secrets.
    text: str
    #: What to do; empty where nothing is to be done.
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {"item": self.item.value, "status": self.status.value, "text": self.text, "advice": self.advice}


def ok(item: Item, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(item, Status.OK, text)


def warning(item: Item, text: str, advice: str) -> Finding:
    """It works, and will hurt some day."""
    return Finding(item, Status.WARNING, text, advice)


def problem(item: Item, text: str, advice: str) -> Finding:
    """It does not work, or loses sessions or messages."""
    return Finding(item, Status.PROBLEM, text, advice)


def unavailable(item: Item, reason: str, advice: str = "") -> Finding:
    """Nobody can tell, for this reason."""
    return Finding(item, Status.UNAVAILABLE, reason, advice)


def skipped(items: Iterable[Item], reason: str) -> list[Finding]:
    """There is no point in asking, for this reason."""
    return [Finding(item, Status.SKIPPED, reason) for item in items]
