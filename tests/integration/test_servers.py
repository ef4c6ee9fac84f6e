"""Every server launcher starts what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from tests.servers import binaries
from tests.servers.celery_processes import CeleryBeat, CeleryWorker
from tests.servers.reaper import get_reaper
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("fixture", "version"), [("redis7", "7.0."), ("redis6", "6.0."), ("valkey", "7.2.")])
def test_a_standalone_server_has_the_version_it_is_named_after(request, fixture, version):
    with request.getfixturevalue(fixture).client(decode_responses=True) as client:
        assert client.info("server")["redis_version"].startswith(version)


def test_a_cluster_has_three_primaries_that_serve_every_slot(redis_cluster):
    with redis_cluster.client() as client:
        for number in range(50):
            client.set(f"smoke:{number}", "x")
    counts = []
    for node in redis_cluster.nodes:
        with node.client() as client:
            counts.append(client.dbsize())
    assert len(counts) == 3
    assert all(counts)
    redis_cluster.flush()


@pytest.mark.parametrize("binary", [binaries.redis7, binaries.redis6])
def test_a_server_takes_its_options(redis_server, binary):
    server = redis_server(
        binary(),
        password="p@ss/word",
        users=["app on >secret ~app:* +@all"],
        maxmemory="20mb",
        policy="volatile-ttl",
        unix_socket=True,
        tls=True,
        renamed={"FLUSHALL": ""},
    )
    for url in (server.url, server.tls_url, server.unix_url):
        with redis.Redis.from_url(url) as client:
            assert client.ping()
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-ttl"}
            with pytest.raises(redis.ResponseError, match="unknown command"):
                client.flushall()
    with (
        redis.Redis(port=server.port, username="app", password="secret") as client,
        pytest.raises(redis.ResponseError),
    ):
        client.get("other")


def test_a_server_keeps_its_port_and_its_data_over_a_restart(redis_server):
    server = redis_server(persist=True)
    port = server.port
    with server.client() as client:
        client.set("a", 1)
    server.restart()
    with server.client() as client:
        assert (server.port, client.get("a")) == (port, b"1")


def test_a_replica_refuses_writes_until_it_is_promoted(redis_server):
    primary = redis_server()
    replica = redis_server(replica_of=primary)
    with replica.client(decode_responses=True) as client:
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        with pytest.raises(redis.exceptions.ReadOnlyError):
            client.set("a", 1)
        client.replicaof("NO", "ONE")
        assert client.set("a", 1)


def test_the_proxy_cuts_swallows_and_recovers(redis7, tcp_proxy):
    proxy = tcp_proxy(redis7)
    with redis.Redis(port=proxy.port, socket_timeout=0.3, retry=None) as client:
        assert client.ping()
        proxy.blackhole()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        proxy.restore()
        proxy.refuse()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        proxy.restore()
        assert client.ping()
        proxy.lose_replies()
        with pytest.raises(redis.ConnectionError):
            client.incr("proxy:lost")
        assert client.getdel("proxy:lost") == b"1"


def test_postgresql_answers(postgres):
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_servers_end_with_the_process_that_started_them():
    """The child is killed, so that it cannot clean up after itself."""
    program = (
        "import sys, time\n"
        "from tests.servers import binaries\n"
        "from tests.servers.redis_server import RedisServer\n"
        "server = RedisServer(binaries.valkey()).__enter__()\n"
        "print(server.port, server.directory, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        port, directory = child.stdout.readline().split()
        with redis.Redis(port=int(port)) as client:
            assert client.ping()
        child.kill()
    wait_until(lambda: not Path(directory).exists(), what="the directory to be removed")
    with redis.Redis(port=int(port), retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_new_directories_stand_below_one_root():
    assert get_reaper().new_directory("a").parent == get_reaper().root


def test_a_worker_and_a_beat_work_together(redis_server, tmp_path):
    """The program has no Django in it: the launchers do not need any."""
    broker = redis_server(binaries.valkey())
    (tmp_path / "smoke.py").write_text(
        "from celery import Celery\n"
        f"app = Celery('smoke', broker={broker.url!r})\n"
        "app.conf.beat_schedule = {'hello': {'task': 'smoke.hello', 'schedule': 0.2}}\n"
        "@app.task(name='smoke.hello')\n"
        "def hello():\n"
        "    print('hello from the task')\n"
    )
    with CeleryWorker("smoke", name="smoke", cwd=tmp_path) as worker:
        with CeleryBeat("smoke", cwd=tmp_path, arguments=["--scheduler", "celery.beat:PersistentScheduler"]):
            worker.process.wait_for_output("hello from the task", count=2)
        worker.kill()
        assert not worker.process.running
        worker.start()


def test_uvicorn_serves(tmp_path):
    (tmp_path / "hello.py").write_text(
        "async def application(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n"
        "        await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "        await send({'type': 'http.response.body', 'body': b''})\n"
    )
    with UvicornServer("hello:application", cwd=tmp_path) as server:
        assert httpx.get(server.url).status_code == 204
