"""The workers: whether one answers, knows the tasks, and consumes the queues that they are sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from celery import current_app

from djust.doctor.broker import Broker
from djust.doctor.findings import Finding, Item, ok, problem, skipped, unavailable, warning
from djust.monitoring.wording import counted
from djust.tasks.queue import BrokerUnavailable

#: Seconds in which workers have to answer.
PING_SECONDS = 1.5
#: How a beat that answers calls itself, see Celery's beat_enable_remote_control.
_BEAT = "celerybeat@"
_ITEMS = (Item.TASKS, Item.QUEUES)


@dataclass(frozen=True, slots=True)
class Answers:
    """What workers and beats said."""

    workers: tuple[str, ...] = ()
    beats: tuple[str, ...] = ()
    #: By worker: the tasks that it knows, and the queues that it consumes.
    tasks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    queues: Mapping[str, frozenset[str]] = field(default_factory=dict)


def ask(broker: Broker) -> Answers:
    """Ask everybody who they are, and those that are workers for more.

    Raises:
        BrokerUnavailable: The broker went away meanwhile, or refuses what Celery's remote control needs.
    """
    answers: Answers | None = None
    with suppress(*broker.errors):
        answers = _ask(broker)
    if answers is None:
        raise BrokerUnavailable
    return answers


def _ask(broker: Broker) -> Answers:
    control = current_app.control
    names = sorted(control.inspect(timeout=PING_SECONDS, connection=broker.connection).ping() or {})
    beats = tuple(name for name in names if name.startswith(_BEAT))
    workers = tuple(name for name in names if name not in beats)
    if not workers:
        return Answers(beats=beats)
    # By name, so that nobody waits longer than until the last of them has answered.
    inspect = control.inspect(workers, timeout=PING_SECONDS, connection=broker.connection)
    return Answers(
        workers,
        beats,
        _by_worker(inspect.registered(), lambda task: str(task).partition(" ")[0]),
        _by_worker(inspect.active_queues(), lambda queue: str(queue["name"])),
    )


def _by_worker(reply: Any, name: Callable[[Any], str]) -> dict[str, frozenset[str]]:
    lists = (reply or {}).items()
    return {worker: frozenset(map(name, entries)) for worker, entries in lists if isinstance(entries, list)}


def examine(
    broker: Broker,
    answers: Answers,
    *,
    tasks: Sequence[str],
    queues: Mapping[str, Sequence[str]],
    last_run: str | None,
    late: bool,
) -> Iterable[Finding]:
    """Judge what the workers said.

    Args:
        broker: Where messages wait.
        answers: What they said.
        tasks: The tasks of djust.
        queues: The tasks that go to each queue.
        last_run: How long ago a worker ran a task, in words, if that was just now.
        late: Whether a task should have run by now and has not.
    """
    if not answers.workers:
        yield _silence(last_run, late=late, waiting=_backlog(broker, queues))
        yield from skipped(_ITEMS, "No worker answered.")
        return
    yield ok(Item.WORKER, f"{counted(len(answers.workers), 'worker')}: {', '.join(answers.workers)}.")
    yield _known(answers, tasks)
    yield _consumed(broker, answers, queues)


def _silence(last_run: str | None, *, late: bool, waiting: str) -> Finding:
    silence = f"No worker answered within {PING_SECONDS:g} s"
    if last_run is not None and late:
        return problem(
            Item.WORKER,
            f"{silence}. One ran a task {last_run} ago, and since then what was due has not run.{waiting}",
            "Look whether it has died, and start one: celery -A PROJECT worker. A solo pool does not answer while it "
            "works; then it has worked for too long.",
        )
    if last_run is not None:
        return warning(
            Item.WORKER,
            f"{silence}, but one ran a task {last_run} ago.{waiting}",
            "A solo pool does not answer while it works, nor does any worker with worker_enable_remote_control off. "
            "Otherwise look whether it has just died.",
        )
    return problem(
        Item.WORKER,
        f"{silence}: nobody cleans up, samples or looks for lost sessions.{waiting}",
        "Start one: celery -A PROJECT worker. If it runs, compare its CELERY_BROKER_URL with this process's.",
    )


def _known(answers: Answers, tasks: Sequence[str]) -> Finding:
    if not answers.tasks:
        return unavailable(Item.TASKS, "The workers do not say which tasks they know.")
    known = frozenset[str]().union(*answers.tasks.values())
    missing = sorted(set(tasks) - known)
    if not missing:
        return ok(Item.TASKS, "The workers know the tasks of djust.")
    return problem(
        Item.TASKS,
        f"No worker knows {', '.join(missing)}: messages for it are discarded.",
        "Call app.autodiscover_tasks() where the Celery app is made, with 'djust' in INSTALLED_APPS, and restart the "
        "workers after an update.",
    )


def _consumed(broker: Broker, answers: Answers, queues: Mapping[str, Sequence[str]]) -> Finding:
    if not answers.queues:
        return unavailable(Item.QUEUES, "The workers do not say which queues they consume.")
    consumed = frozenset[str]().union(*answers.queues.values())
    lonely = {queue: names for queue, names in sorted(queues.items()) if queue not in consumed}
    if not lonely:
        return ok(Item.QUEUES, f"Every queue in use is consumed: {', '.join(sorted(queues))}.")
    texts = [
        f"Nobody consumes the queue {queue}, which gets {', '.join(sorted(names))}; {_waiting(broker, queue)}."
        for queue, names in lonely.items()
    ]
    return problem(
        Item.QUEUES,
        " ".join(texts),
        f"Start a worker with -Q {','.join(lonely)}, or take the queue out of task_routes and of the rows of Periodic "
        "tasks.",
    )


def _waiting(broker: Broker, queue: str) -> str:
    count = _count(broker, queue)
    return "it does not exist yet" if count is None else f"{_messages(count)} in it"


def _backlog(broker: Broker, queues: Iterable[str]) -> str:
    """Return a sentence on the messages that wait in queues; nothing where none does, or nobody can tell."""
    waiting = [
        f"{_messages(count)} in the queue {queue}" for queue in sorted(queues) if (count := _count(broker, queue))
    ]
    return f" {', '.join(waiting)}." if waiting else ""


def _messages(count: int) -> str:
    return f"{counted(count, 'message')} {'waits' if count == 1 else 'wait'}"


def _count(broker: Broker, queue: str) -> int | None:
    """Return how many messages wait in a queue; ``None``: there is no such queue."""
    channel: Any = broker.connection.default_channel
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except broker.errors:
        return None
