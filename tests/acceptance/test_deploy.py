"""The deployment as the compose file describes it: nginx, three web servers, worker, beat, and two Redis."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from djust.state_backend import RedisStateBackend
from tests.acceptance.deployment import SECRETS, WEB, Deployment
from tests.servers.ports import HOST
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """Everything runs."""
    with Deployment() as started:
        yield started


def test_the_site_answers_over_https_and_plain_requests_are_led_there(deployment):
    with deployment.client() as visitor:
        assert visitor.get("/").status_code == 200
        assert visitor.get("/djust/health/ready/").json()["status"] == "ready"
    redirect = httpx.get(f"{deployment.nginx.redirect_url}/admin/?next=/")
    assert redirect.status_code == 301
    assert redirect.headers["location"] == f"https://{HOST}/admin/?next=/"


def test_a_websocket_reaches_the_application(deployment):
    url = f"{deployment.nginx.url.replace('https', 'wss', 1)}/ws/live/"
    with connect(url, ssl=deployment.tls(), origin=deployment.nginx.url) as opened:
        opened.send("not a frame")
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 4400


def test_every_service_is_healthy_by_its_own_check(deployment):
    for service, definition in deployment.compose.services.items():
        if service != "nginx" and "healthcheck" in definition:
            deployment.wait_until_healthy(service)


def test_static_files_come_from_nginx_alone(deployment):
    path = "/static/admin/css/base.css"
    with deployment.client() as visitor:
        styles = visitor.get(path)
        assert styles.status_code == 200
        assert styles.headers["content-encoding"] == "gzip"
        assert styles.headers["cache-control"] == "no-cache"
        unchanged = visitor.get(path, headers={"If-None-Match": styles.headers["etag"]})
        assert unchanged.status_code == 304
    port = deployment.compose.ports["web1"]
    assert httpx.get(f"http://{HOST}:{port}{path}", headers={"X-Forwarded-Proto": "https"}).status_code == 404


def test_health_and_metrics_are_for_those_inside(deployment):
    outside = httpx.HTTPTransport(local_address="127.0.0.2", verify=deployment.tls())
    with httpx.Client(base_url=deployment.nginx.url, transport=outside) as visitor:
        assert visitor.get("/").status_code == 200
        for path in ("health/", "health/ready/", "metrics/"):
            assert visitor.get(f"/djust/{path}").status_code == 403


def test_a_form_is_accepted_on_a_port_of_its_own_and_cookies_are_secure(deployment):
    """Django compares the Origin with the Host, port and all."""
    with deployment.client() as visitor:
        page = visitor.get("/admin/login/")
        assert all("Secure" in cookie for cookie in page.headers.get_list("set-cookie"))
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text).group(1)
        answer = visitor.post(
            "/admin/login/",
            data={"username": "nobody", "password": "x", "csrfmiddlewaretoken": token},
            headers={"Origin": deployment.nginx.url, "Referer": f"{deployment.nginx.url}/admin/login/"},
        )
    assert answer.status_code == 200
    assert "Please enter the correct username and password" in answer.text


def test_the_log_says_who_the_visitor_is_whatever_the_visitor_says(deployment):
    outside = httpx.HTTPTransport(local_address="127.0.0.3", verify=deployment.tls())
    with httpx.Client(base_url=deployment.nginx.url, transport=outside) as visitor:
        visitor.get("/?who", headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"})
    lines = wait_until(
        lambda: [
            line
            for name in WEB
            for line in deployment.processes[name].output().splitlines()
            if "GET /?who" in line and line.endswith("}")
        ]
    )
    assert "127.0.0.3:" in lines[0]
    assert "192.0.2.7" not in "".join(lines)


def test_clean_ups_are_asked_for_by_beat_and_done_by_the_worker(deployment):
    beat, worker = deployment.processes["beat"], deployment.processes["worker"]
    beat.wait_for_output(r"Sending due task djust: \w+")
    worker.wait_for_output(r"Task djust\S+ succeeded in")


def test_sessions_outlive_a_crash_of_their_server(deployment):
    assert dict(deployment.redis("state").config_get("maxmemory*"))["maxmemory-policy"] == "volatile-ttl"
    assert dict(deployment.redis("broker").config_get("maxmemory*"))["maxmemory-policy"] == "noeviction"
    url = deployment.compose.environment("web1")["REDIS_URL"]
    with closing(RedisStateBackend(url)) as backend:
        backend.set("kept", {"count": 3})
        deployment.processes["redis-state"].kill()
        deployment.start("redis-state")
        deployment.wait_until_healthy("redis-state")
        session = wait_until(lambda: backend.get("kept"), what="the session")
        assert session.state == {"count": 3}
    deployment.wait_until_healthy("web1")


def test_no_request_fails_while_one_server_after_the_other_is_replaced(deployment):
    stop = threading.Event()
    answers: list[int] = []

    def visit() -> None:
        with deployment.client() as visitor:
            while not stop.is_set():
                answers.append(visitor.get("/").status_code)

    visitors = [threading.Thread(target=visit) for _ in range(2)]
    for thread in visitors:
        thread.start()
    try:
        for name in WEB:
            before = len(answers)
            old = deployment.processes[name]
            old.send(signal.SIGTERM)
            assert wait_until(lambda process=old: not process.running, timeout=30)
            assert old.returncode == 0
            deployment.start(name)
            deployment.wait_until_healthy(name)
            wait_until(lambda count=before: len(answers) > count + 10, what="more answers")
    finally:
        stop.set()
        for thread in visitors:
            thread.join()
    assert set(answers) == {200}


def test_no_secret_is_in_a_log(deployment):
    logs = "".join(process.output() for process in deployment.processes.values())
    for name in SECRETS:
        assert deployment.compose.variables[name] not in logs
