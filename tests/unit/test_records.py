"""What the records of sessions show of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from djust.log import hashed
from djust.state_backend.records import Finding, GoneSession, Session, SessionInfo

KEY, OWNER, STATE = "canary-key", "canary-owner", "canary-state"
MOMENT = datetime(2026, 3, 1, 2, tzinfo=UTC)
KNOWN: dict[str, Any] = {"key": KEY, "owner": OWNER, "label": "a.View", "created_at": MOMENT, "last_active_at": MOMENT}


@pytest.mark.parametrize(
    "record",
    [
        SessionInfo(**KNOWN, expires_at=None),
        Session(**KNOWN, expires_at=None, state={STATE: STATE}, version=5, ttl=timedelta(seconds=60)),
        GoneSession(**KNOWN, cause="idle"),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_session_is_shown_by_its_hashes_and_without_its_state(record: Any) -> None:
    shown = f"{record!r} {record} {[record]}"
    assert "canary" not in shown
    assert shown.count(f"session={hashed(KEY)}, owner={hashed(OWNER)}, label='a.View'") == 3
    assert repr(record).startswith(f"{type(record).__name__}(session=")
    assert "2026-03-01 02:00:00" in shown


def test_a_finding_is_shown_by_the_hash_of_its_session() -> None:
    shown = repr(Finding(kind="no_ttl", key=KEY, detail="It never ends."))
    assert shown == f"Finding(kind='no_ttl', session={hashed(KEY)}, detail='It never ends.', repaired=False)"


def test_nobody_s_session_says_so() -> None:
    assert "owner=None" in repr(SessionInfo(**{**KNOWN, "owner": None}, expires_at=None))
