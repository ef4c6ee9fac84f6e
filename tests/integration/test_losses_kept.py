"""What was lost is written down and judged, whatever happens to the check or the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from redis import Redis

from djust.models import Alert, SessionLoss
from djust.monitoring.alerting import alerts
from djust.monitoring.check import check_evictions
from djust.signals import session_evicted
from djust.state_backend import RedisStateBackend
from tests.integration.losses_support import fill, told
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_check_that_is_killed_takes_one_batch_with_it(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:200])
    heard = 0

    class Killed(BaseException):
        """What no handler of the check stops."""

    def die(**_: Any) -> None:
        nonlocal heard
        heard += 1
        if heard == 100:
            raise Killed

    session_evicted.connect(die)
    try:
        with pytest.raises(Killed):
            check_evictions(backend)
    finally:
        session_evicted.disconnect(die)
    kept = sum(SessionLoss.objects.values_list("sessions", flat=True))
    assert 75 <= kept <= 100
    rest = check_evictions(backend)["lost"]
    assert kept + rest + 25 >= 200
    backend.close()


def test_losses_are_judged_once_whoever_found_them(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    for _ in range(3):
        client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])
        check_evictions(backend)
        assert Alert.objects.get(rule="sessions_lost").value == 10
    check_evictions(backend)
    assert Alert.objects.get(rule="sessions_lost").peak == 10
    assert all(row.judged_sessions == row.sessions for row in SessionLoss.objects.all())
    backend.close()


def test_a_database_that_writes_no_row_silences_no_alert(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 100)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])

    def locked(self: SessionLoss, **_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away:
        away.setattr(SessionLoss, "save", locked)
        told_first = check_evictions(backend)["lost"]
    alert = Alert.objects.get(rule="sessions_lost")
    assert (alert.state, alert.value) == ("firing", told_first)
    # The rest waits until it can be written down.
    assert check_evictions(backend)["lost"] == 10 - told_first
    backend.close()


def test_what_the_alerts_could_not_take_in_is_judged_by_the_next_check(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 100)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])

    def locked(action: Callable[[], None]) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away:
        away.setattr(alerts, "_on_a_good_connection", locked)
        assert check_evictions(backend)["lost"] == 10
    assert SessionLoss.objects.get().judged_sessions == 0
    check_evictions(backend)
    assert Alert.objects.get(rule="sessions_lost").value == 10
    assert SessionLoss.objects.get().judged_sessions == 10
    backend.close()


def test_what_nobody_can_write_down_waits_in_the_store(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:200])

    def locked(self: SessionLoss, **_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away, told() as heard:
        away.setattr(SessionLoss, "save", locked)
        check_evictions(backend)
    told_before = len(heard)
    assert told_before <= 25
    assert check_evictions(backend)["lost"] == 200 - told_before
    backend.close()
