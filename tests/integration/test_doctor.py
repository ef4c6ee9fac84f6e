"""``djust_doctor`` inside this process: what it finds on real servers, and how it says so."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from djust.doctor import schedule, servers, workers
from djust.doctor.broker import connected
from djust.doctor.findings import Finding, Item, Status
from djust.doctor.probe import Probe, open_probes
from djust.doctor.workers import Answers
from djust.exceptions import BackendDenied, BackendUnavailable
from djust.models import MaintenanceRun
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.address import parse_address
from tests.servers.celery_processes import CeleryWorker
from tests.servers.ports import free_port
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.django_db
StartServer = Callable[..., RedisServer]
CANARY = "canary-pa55word"
#: What docs/redis.md tells people to give.
_PAGE = (Path(__file__).resolve().parents[2] / "docs/redis.md").read_text()
RIGHTS = " ".join(re.search(r"-@all ([^`]+)```", _PAGE).group(1).split())


@pytest.fixture
def broker() -> Iterator[Celery]:
    """Celery's current app, whose broker nobody listens at until a test says otherwise."""
    app = Celery("shop", broker=f"redis://:{CANARY}@127.0.0.1:{free_port()}/0", set_as_current=False)
    before = current_app._get_current_object()
    app.set_current()
    yield app
    before.set_current()


@pytest.fixture(autouse=True)
def project(broker: Celery, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project under development, whose workers answer at once or not at all."""
    settings.DEBUG = True
    monkeypatch.setattr(workers, "PING_SECONDS", 0.1)


Diagnose = Callable[..., dict[Item, Finding]]


@pytest.fixture
def diagnose(settings: Any, key_prefix: str) -> Diagnose:
    """Run the command on a store, and return the last finding of each item."""

    def run(url: str, *arguments: str, status: int = 1, **config: Any) -> dict[Item, Finding]:
        settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": url, "KEY_PREFIX": key_prefix, **config}
        return findings(*arguments, status=status)

    return run


def output(*arguments: str, status: int) -> str:
    """Run the command and return what it printed, which is never a password."""
    stdout = StringIO()
    with pytest.raises(SystemExit) if status else nullcontext() as ended:
        call_command("djust_doctor", *arguments, stdout=stdout)
    assert ended is None or ended.value.code == status
    assert CANARY not in stdout.getvalue()
    return stdout.getvalue()


def findings(*arguments: str, status: int) -> dict[Item, Finding]:
    """Return what the command found."""
    [line] = output("--json", *arguments, status=status).splitlines()
    report = json.loads(line)
    listed = [Finding(Item(found.pop("item")), Status(found.pop("status")), **found) for found in report["findings"]]
    assert sum(report["counts"].values()) == len(listed)
    assert report["outcome"] == ("problems" if report["counts"]["problem"] else "done")
    assert {finding.item for finding in listed} == set(Item)
    assert all(finding.advice for finding in listed if finding.status in (Status.WARNING, Status.PROBLEM))
    return {finding.item: finding for finding in listed}


def statuses(found: Mapping[Item, Finding], *items: Item) -> list[str]:
    """Return how these items stand."""
    return [found[item].status.value for item in items]


# Redis


def test_a_server_that_is_well(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server(password=CANARY, maxmemory="64mb", policy="volatile-lru", persist=True)
    found = diagnose(server.url)
    assert {item: found[item].status for item in servers.ITEMS} == dict.fromkeys(servers.ITEMS, Status.OK)
    assert statuses(found, Item.BACKEND, Item.REACHABLE, Item.RIGHTS) == ["ok", "ok", "ok"]
    assert found[Item.VERSION].text.startswith("Redis 7.0.")
    assert "64" in found[Item.MEMORY].text
    with server.client() as client:
        assert client.keys("*doctor*") == []
    assert RedisStateBackend(server.url).get_stats()["total_sessions"] == 0


def test_a_server_as_it_comes_out_of_the_box(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server()
    found = diagnose(server.url)
    assert statuses(found, Item.PASSWORD, Item.MEMORY, Item.PERSISTENCE) == ["warning"] * 3
    assert "login on this machine" in found[Item.PASSWORD].text
    assert statuses(found, Item.POLICY, Item.NETWORK, Item.RIGHTS) == ["ok"] * 3
    assert "MEMORY_LIMIT_BYTES says 50 MB" in diagnose(server.url, MEMORY_LIMIT_BYTES=50 * 1024**2)[Item.MEMORY].text


@pytest.mark.parametrize(("fixture", "name"), [("redis6", "Redis 6.0"), ("valkey", "Valkey ")])
def test_relatives(fixture: str, name: str, request: pytest.FixtureRequest, diagnose: Diagnose) -> None:
    found = diagnose(request.getfixturevalue(fixture).url)
    assert statuses(found, Item.VERSION, Item.RIGHTS, Item.CLOCK) == ["ok"] * 3
    assert found[Item.VERSION].text.startswith(name)


def test_every_primary_of_a_cluster_is_asked(redis_cluster: RedisCluster, diagnose: Diagnose, settings: Any) -> None:
    found = diagnose(redis_cluster.url)
    assert statuses(found, Item.VERSION, Item.RIGHTS, Item.PASSWORD) == ["ok", "ok", "warning"]
    report = json.loads(output("--json", status=1))
    versions = [entry["text"] for entry in report["findings"] if entry["item"] == Item.VERSION]
    assert len({text.rpartition(": ")[0] for text in versions}) == 3


def test_a_socket_is_as_safe_as_its_file(redis_server: StartServer, diagnose: Diagnose) -> None:
    found = diagnose(redis_server(unix_socket=True).unix_url)
    assert statuses(found, Item.RIGHTS, Item.PASSWORD) == ["ok", "warning"]


@pytest.mark.parametrize(
    ("policy", "status", "word"),
    [
        ("noeviction", "ok", "refused"),
        ("volatile-ttl", "ok", "named"),
        ("volatile-random", "warning", "random"),
        ("allkeys-lru", "warning", "index"),
        ("allkeys-random", "warning", "index"),
    ],
)
def test_policies(policy: str, status: str, word: str, redis7: RedisServer) -> None:
    with redis7.client() as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        client.config_set("maxmemory-policy", policy)
        found = servers.policy(Probe(client, "here"))
        client.config_set("maxmemory-policy", before)
    assert (found.status, word in found.text) == (status, True)


def test_snapshots_and_their_failure(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server(config="save 3600 1\nstop-writes-on-bgsave-error no")
    found = diagnose(server.url)
    assert "save 3600 1" in found[Item.PERSISTENCE].text
    with server.client() as client:
        (server.directory / "dump.rdb").mkdir()
        client.bgsave()
        wait_until(lambda: client.info()["rdb_last_bgsave_status"] == "err", what="the snapshot to fail")
    assert statuses(diagnose(server.url), Item.PERSISTENCE) == ["problem"]


def test_a_server_open_to_the_world(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server(password=CANARY, config="bind * -::*")
    found = diagnose(server.url)
    assert statuses(found, Item.PASSWORD, Item.NETWORK) == ["ok", "warning"]
    assert "firewall" in found[Item.NETWORK].text
    # Without a password and in protected mode it lets in nobody from elsewhere.
    found = diagnose(redis_server(config="bind *").url)
    assert statuses(found, Item.PASSWORD, Item.NETWORK) == ["warning", "ok"]


def test_rights_that_are_not_all_there(redis_server: StartServer, diagnose: Diagnose, key_prefix: str) -> None:
    keys = f"~{key_prefix}*"
    server = redis_server(
        users=[
            "default off",
            f"listed on >{CANARY} {keys} -@all {RIGHTS}",
            f"safe on >{CANARY} {keys} +@all -@dangerous",
            f"poor on >{CANARY} {keys} -@all {RIGHTS.replace('+memory|usage', '')}",
            f"scriptless on >{CANARY} {keys} +@all -@scripting",
        ]
    )

    def as_user(name: str) -> dict[Item, Finding]:
        return diagnose(server.url.replace("//", f"//{name}:{CANARY}@"))

    found = as_user("listed")
    assert statuses(found, Item.RIGHTS, Item.PASSWORD, Item.MEMORY) == ["ok", "ok", "warning"]
    assert statuses(found, Item.NETWORK, Item.PERSISTENCE) == ["unavailable"] * 2
    assert "refuses CONFIG" in found[Item.NETWORK].text

    found = as_user("safe")
    assert statuses(found, Item.RIGHTS) == ["warning"]
    asking = (Item.VERSION, Item.NETWORK, Item.MEMORY, Item.POLICY, Item.PERSISTENCE, Item.FRAGMENTATION)
    assert statuses(found, *asking) == ["unavailable"] * 6
    assert "refuses INFO" in found[Item.VERSION].text

    found = as_user("poor")
    assert "may not measure sessions" in found[Item.RIGHTS].text
    found = as_user("scriptless")
    assert "may not keep sessions, count sessions" in found[Item.RIGHTS].text
    found = diagnose(server.url.replace("//", "//listed:wrong@"))
    assert statuses(found, Item.REACHABLE, Item.RIGHTS, Item.VERSION) == ["problem", "skipped", "skipped"]
    assert "refused the user or the password" in found[Item.REACHABLE].text


def test_renamed_commands(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server(renamed={"CONFIG": "", "INFO": ""})
    found = diagnose(server.url)
    assert statuses(found, Item.VERSION, Item.NETWORK, Item.POLICY) == ["unavailable"] * 3
    assert statuses(found, Item.RIGHTS, Item.PASSWORD, Item.CLOCK) == ["warning", "warning", "ok"]


def test_a_replica_is_no_place_for_sessions(redis_server: StartServer, diagnose: Diagnose) -> None:
    replica = redis_server(replica_of=redis_server())
    found = diagnose(replica.url)
    assert statuses(found, Item.RIGHTS) == ["problem"]
    assert "read-only replica" in found[Item.RIGHTS].text


def test_a_full_server_refuses_the_trial(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server(maxmemory="1", policy="noeviction")
    found = diagnose(server.url)
    assert statuses(found, Item.RIGHTS) == ["problem"]
    assert "is full" in found[Item.RIGHTS].text


class Scripted(Probe):
    """A server that says what the test wants, where a real one cannot be brought to it."""

    def __init__(self, info: Mapping[str, Any], *, time_is: float = 0.0) -> None:
        self.endpoint = "10.0.0.5:6379"
        self._fields = info
        self._time = time_is

    def info(self) -> Mapping[str, Any]:
        """Return the fields given."""
        return self._fields

    def ask(self, *command: str) -> Any:
        """Answer TIME and nothing else."""
        if command != ("TIME",):
            raise BackendDenied
        return int(self._time), 0

    def lets_anybody_read(self, key: str) -> bool:
        """Let them."""
        return True


def test_what_a_real_server_here_cannot_show() -> None:
    old = servers.version(Scripted({"redis_version": "5.0.14"}))
    assert (old.status, old.text) == ("problem", "Redis 5.0.14 is too old.")
    assert servers.version(Scripted({})).status == "unavailable"
    assert servers.password(Scripted({}), key="k").status == "problem"
    ahead = servers.clock(Scripted({}, time_is=time.time() + 90))
    assert (ahead.status, "1 min 30 s ahead of" in ahead.text or "1 min 29 s ahead of" in ahead.text) == (
        "warning",
        True,
    )
    assert "behind" in servers.clock(Scripted({}, time_is=time.time() - 90)).text
    torn = {"used_memory": 50 * 1024**2, "mem_fragmentation_ratio": 1.8, "mem_fragmentation_bytes": 40 * 1024**2}
    assert servers.fragmentation(Scripted(torn)).status == "warning"
    assert servers.fragmentation(Scripted({**torn, "used_memory": 4 * 1024**2})).status == "ok"
    assert servers.fragmentation(Scripted({**torn, "mem_fragmentation_ratio": 1.3})).status == "ok"
    assert servers.fragmentation(Scripted({})).status == "unavailable"
    assert servers.memory(Scripted({}), known_limit=None).status == "unavailable"
    assert servers.policy(Scripted({})).status == "unavailable"
    assert servers.persistence(Scripted({})).status == "unavailable"
    saved = {"aof_enabled": 0, "rdb_last_save_time": time.time(), "uptime_in_seconds": 86_400}
    assert servers.persistence(Scripted(saved)).status == "ok"


# What is away


def test_nothing_answers(redis_server: StartServer, diagnose: Diagnose, broker: Celery, settings: Any) -> None:
    found = diagnose(f"redis://:{CANARY}@127.0.0.1:{free_port()}/0")
    assert statuses(found, Item.REACHABLE, Item.BROKER) == ["problem"] * 2
    assert statuses(found, Item.RIGHTS, Item.MEMORY, Item.BROKER_POLICY, Item.WORKER) == ["skipped"] * 4
    assert statuses(found, Item.MIGRATIONS) == ["ok"]
    frozen = redis_server()
    frozen.pause()
    broker.conf.broker_url = frozen.url
    found = diagnose(frozen.url, REDIS_TIMEOUT=0.3)
    frozen.resume()
    assert statuses(found, Item.REACHABLE, Item.BROKER) == ["problem"] * 2
    assert "did not answer in time" in found[Item.REACHABLE].text
    assert "did not answer in time" in found[Item.BROKER].text


def test_a_server_that_falls_silent_costs_its_patience_once(redis_server: StartServer) -> None:
    server = redis_server()
    [probe] = open_probes(parse_address(server.url), timeout=0.3)
    server.pause()
    with pytest.raises(BackendUnavailable, match="in time"):
        probe.ask("TIME")
    server.resume()
    # It would answer now, but nobody asks it again.
    with pytest.raises(BackendUnavailable, match="in time"):
        probe.ask("TIME")
    probe.close()


def test_settings_that_name_no_store(settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "rediss"}
    found = findings(status=1)
    assert statuses(found, Item.CHECKS, Item.BACKEND, Item.REACHABLE) == ["problem", "skipped", "skipped"]
    assert "Did you mean 'redis'?" in found[Item.CHECKS].text


def test_the_memory_backend(settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory"}
    found = findings(status=0)
    assert statuses(found, Item.BACKEND, Item.REACHABLE, Item.WORKER, Item.BEAT) == ["ok"] + ["skipped"] * 3
    assert statuses(findings("--deploy", status=1), Item.BACKEND, Item.CHECKS) == ["problem", "warning"]
    settings.DEBUG = False
    assert statuses(findings(status=1), Item.BACKEND) == ["problem"]


def test_tables_that_are_missing(diagnose: Diagnose, redis7: RedisServer) -> None:
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'djust' AND name LIKE '0002%'")
    found = diagnose(redis7.url)
    assert statuses(found, Item.MIGRATIONS, Item.SCHEDULE, Item.BEAT) == ["problem", "skipped", "skipped"]
    assert "djust 0002_monitoring" in found[Item.MIGRATIONS].text


# The broker


def test_brokers(redis_server: StartServer, redis7: RedisServer, diagnose: Diagnose, broker: Celery) -> None:
    broker.conf.broker_url = redis7.url
    found = diagnose(redis_server().url)
    assert statuses(found, Item.BROKER, Item.BROKER_SERVER, Item.BROKER_POLICY) == ["ok"] * 3
    assert statuses(found, Item.WORKER, Item.TASKS, Item.QUEUES) == ["problem", "skipped", "skipped"]
    # Another database, another spelling of the host: the same server.
    shared = redis_server(maxmemory="64mb", policy="allkeys-lru")
    broker.conf.broker_url = f"redis://localhost:{shared.port}/7"
    found = diagnose(shared.url)
    assert statuses(found, Item.BROKER_SERVER, Item.BROKER_POLICY) == ["warning", "problem"]
    shared.client().config_set("maxmemory", 0)
    assert statuses(diagnose(shared.url), Item.BROKER_POLICY) == ["warning"]


def test_a_broker_that_refuses(redis_server: StartServer, redis7: RedisServer, diagnose: Diagnose, broker: Celery):
    server = redis_server(password="another")
    broker.conf.broker_url = f"redis://:{CANARY}@127.0.0.1:{server.port}/0"
    found = diagnose(redis7.url)
    assert "refused the user or the password" in found[Item.BROKER].text
    broker.conf.broker_url = "nonsense://host"
    assert "not installed" in diagnose(redis7.url)[Item.BROKER].text


def test_a_broker_that_is_no_redis(redis7: RedisServer, diagnose: Diagnose, broker: Celery) -> None:
    broker.conf.broker_url = "memory://"
    found = diagnose(redis7.url)
    assert statuses(found, Item.BROKER, Item.BROKER_SERVER, Item.BROKER_POLICY) == ["ok", "skipped", "skipped"]


# The workers


def test_a_worker_that_knows_no_task(
    redis_server: StartServer,
    redis7: RedisServer,
    diagnose: Diagnose,
    broker: Celery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "PING_SECONDS", 1.5)
    broker.conf.broker_url = redis_server().url
    # A Celery app without autodiscover_tasks().
    bare = f"from celery import Celery\napp = Celery('bare', broker={broker.conf.broker_url!r})\n"
    (tmp_path / "bare.py").write_text(bare)
    with CeleryWorker("bare", cwd=tmp_path, pool="solo"):
        found = diagnose(redis7.url)
    assert statuses(found, Item.WORKER, Item.TASKS, Item.QUEUES) == ["ok", "problem", "ok"]
    assert "djust.tasks.cleanup_expired_sessions" in found[Item.TASKS].text


def test_workers_that_say_nothing(redis7: RedisServer, broker: Celery, key_prefix: str) -> None:
    broker.conf.broker_url = redis7.url

    def judged(
        answers: Answers, last_run: str | None = None, *, late: bool = False, queue: str = "q"
    ) -> list[Finding]:
        with connected() as connection:
            found = workers.examine(
                connection, answers, tasks=["t"], queues={queue: ["t"]}, last_run=last_run, late=late
            )
            return list(found)

    assert [finding.status for finding in judged(Answers())] == ["problem", "skipped", "skipped"]
    silent = judged(Answers(), last_run="40 s")
    assert [finding.status for finding in silent] == ["warning", "skipped", "skipped"]
    assert "one ran a task 40 s ago" in silent[0].text
    redis7.client().lpush(key_prefix, "1", "2")
    [dead, *_] = judged(Answers(), last_run="3 min 49 s", late=True, queue=key_prefix)
    assert dead.status == "problem"
    assert "One ran a task 3 min 49 s ago, and since then what was due has not run." in dead.text
    assert dead.text.endswith(f" 2 messages wait in the queue {key_prefix}.")
    redis7.client().delete(key_prefix)
    mute = Answers(workers=("celery@here",))
    assert [finding.status for finding in judged(mute)] == ["ok", "unavailable", "unavailable"]
    lonely = Answers(("celery@here",), (), {"celery@here": frozenset("t")}, {"celery@here": frozenset({"other"})})
    [_, known, consumed] = judged(lonely)
    assert (known.status, consumed.status) == ("ok", "problem")
    assert "the queue q, which gets t; it does not exist yet" in consumed.text


def test_a_dead_worker_is_a_problem_as_soon_as_something_is_late(
    redis7: RedisServer, broker: Celery, diagnose: Diagnose
) -> None:
    broker.conf.broker_url = redis7.url
    made(3600)
    for task in ("cleanup", "sample_memory", "check_evictions"):
        ran(150, task=task)
    assert statuses(diagnose(redis7.url, status=0), Item.WORKER) == ["warning"]
    MaintenanceRun.objects.update(started_at=timezone.now() - timedelta(seconds=229))
    found = diagnose(redis7.url)
    assert statuses(found, Item.WORKER) == ["problem"]
    assert "One ran a task 3 min 49 s ago" in found[Item.WORKER].text


# The schedule


def looked_at(*, beats: Sequence[str] = ()) -> dict[Item, Finding]:
    """Look at the schedule."""
    return {finding.item: finding for finding in schedule.examine(schedule.enabled_rows(), beats=beats)}


def ran(seconds_ago: float, trigger: str = "beat", task: str = "cleanup", by: str = "") -> None:
    """Write a run into the history."""
    MaintenanceRun.objects.create(
        task=task,
        trigger=trigger,
        triggered_by=by,
        outcome="done",
        started_at=timezone.now() - timedelta(seconds=seconds_ago),
    )


def made(seconds_ago: float) -> None:
    """Let the rows be that old."""
    PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(seconds=seconds_ago))


def test_beat_is_known_by_its_traces() -> None:
    found = looked_at()
    assert statuses(found, Item.SCHEDULE, Item.BEAT) == ["ok", "warning"]
    assert "every 1 min" in found[Item.SCHEDULE].text
    made(3600)
    assert statuses(looked_at(), Item.BEAT) == ["problem"]
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(seconds=200))
    assert "Last seen 3 min 20 s ago" in looked_at()[Item.BEAT].text
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(seconds=3000))
    found = looked_at()
    assert statuses(found, Item.BEAT) == ["problem"]
    assert "overdue" in found[Item.BEAT].text
    assert statuses(looked_at(beats=["celerybeat@here"]), Item.BEAT) == ["ok"]
    assert schedule.last_run_ago() is None
    for task in ("cleanup", "sample_memory", "check_evictions"):
        ran(40, task=task)
    assert statuses(looked_at(), Item.BEAT, Item.BEATS) == ["ok", "ok"]
    assert schedule.last_run_ago() == "40 s"


def test_a_row_whose_runs_leave_no_trace_is_not_overdue_while_beat_asks_for_others() -> None:
    made(3600)
    ran(40)
    assert statuses(looked_at(), Item.BEAT) == ["ok"]


def test_a_rare_schedule_is_not_overdue() -> None:
    day = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.update(interval=day, last_run_at=timezone.now() - timedelta(hours=20))
    made(90_000)
    assert statuses(looked_at(), Item.BEAT) == ["ok"]


def test_two_beats_leave_twice_the_traces() -> None:
    for number in range(20):
        ran(number * 30, by="djust: clean up expired sessions")
    found = looked_at()
    assert statuses(found, Item.BEATS) == ["warning"]
    assert "20 times" in found[Item.BEATS].text
    found = looked_at(beats=["celerybeat@here", "celerybeat@there"])
    assert "2 beats answer" in found[Item.BEATS].text


def test_schedules_that_are_off() -> None:
    PeriodicTask.objects.filter(task="djust.tasks.sample_redis_memory").update(enabled=False)
    found = looked_at()
    assert statuses(found, Item.SCHEDULE) == ["warning"]
    assert "djust.tasks.sample_redis_memory" in found[Item.SCHEDULE].text
    PeriodicTask.objects.update(enabled=False)
    assert statuses(looked_at(), Item.SCHEDULE, Item.BEAT) == ["problem", "skipped"]
    ran(3600, trigger="command")
    found = looked_at()
    assert statuses(found, Item.SCHEDULE) == ["warning"]
    assert "cleanup_sessions" in found[Item.SCHEDULE].text


def test_without_beat_there_is_nothing_to_ask(redis7: RedisServer, diagnose: Diagnose, settings: Any) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_celery_beat"]
    found = diagnose(redis7.url)
    assert statuses(found, Item.MIGRATIONS, Item.SCHEDULE, Item.BEAT) == ["ok", "skipped", "skipped"]


# How it is said


def test_the_text_says_what_to_do_beneath_what_it_saw(redis_server: StartServer, diagnose: Diagnose) -> None:
    server = redis_server()
    diagnose(server.url)
    lines = output(status=1).splitlines()
    assert lines[0] == "Settings"
    [number] = [number for number, line in enumerate(lines) if line.startswith("  warning     persistence")]
    assert lines[number + 1].strip().startswith("session.") or "->" in lines[number + 1] + lines[number + 2]
    assert lines[-1].startswith("1 problem, ")
    text = " ".join(" ".join(lines).split())
    assert "skipped server The broker does not answer. The same holds for policy." in text
    assert max(map(len, lines)) <= 100


def test_bad_arguments() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        output("--wrong", status=2)
