"""Every line of the deployment checklist leads to something that exists, and nothing that exists is left out."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from django.core.checks.security import base, csrf, sessions

from djust import exceptions
from djust.doctor.findings import Item

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/checklist.md").read_text()
CODE = "".join(path.read_text() for path in (ROOT / "djust").rglob("*.py"))
ROWS = dict(re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE))

#: The guide that users have read: its three checklists, and its troubleshooting.
GUIDE = {
    "Infrastructure": [
        "Redis 6.0+ installed with password protection",
        "Redis bound to private network only",
        "`STATE_BACKEND='redis'` in production settings",
        "Sensitive config in environment variables",
        "ASGI server (uvicorn) with multiple workers",
        "Nginx with WebSocket proxy and sticky sessions",
        "HTTPS enabled for all connections",
        "`proxy_read_timeout 86400` set for WebSocket routes",
    ],
    "Application": [
        "Session cleanup configured (cron or Celery)",
        "Health check endpoint added",
        "Logging configured for `djust.state_backend`",
        "CSRF protection enabled",
        "`SESSION_TTL` tuned for your use case",
    ],
    "Verification": [
        "Load test with concurrent WebSocket connections",
        "Verify state sharing across multiple servers",
        "Test reconnection after server restart",
        "Monitor Redis memory under load",
        "Confirm browser back/forward works after navigation",
    ],
    "Troubleshooting": [
        "Redis connection errors",
        "Session not found after restart",
        "Memory issues",
        "Serialization errors",
    ],
}


@pytest.mark.parametrize("section", GUIDE)
def test_every_line_of_the_guide_is_there(section: str) -> None:
    part = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.+?) \| .+ \|$", part, re.MULTILINE)
    assert [line for line in lines if line not in ("line of the guide", "---")] == GUIDE[section]


@pytest.mark.parametrize("line", [line for lines in GUIDE.values() for line in lines])
def test_a_line_leads_somewhere_or_says_that_it_does_not(line: str) -> None:
    words = ROWS[line]
    assert re.search(r"`[a-z]+\.\w+`|`tests/", words) or words.startswith("Not ")


def test_the_checks_are_those_that_exist() -> None:
    assert set(re.findall(r"djust\.[EWI]\d{3}", PAGE)) == set(re.findall(r'id="(djust\.[EWI]\d{3})"', CODE))


def test_the_items_of_the_doctor_are_those_that_exist() -> None:
    groups = "|".join({item.group for item in Item})
    assert set(re.findall(rf"`((?:{groups})\.[a-z]+)`", PAGE)) == {item.value for item in Item}


def test_the_checks_of_django_exist() -> None:
    known = "".join(map(inspect.getsource, (base, csrf, sessions)))
    named = set(re.findall(r"security\.W\d{3}", PAGE))
    assert named
    assert {name for name in named if f'"{name}"' not in known} == set()


def test_the_tests_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert named
    for path, function in named:
        assert f"def {function}(" in (ROOT / path).read_text(), f"{path}::{function}"


def test_the_errors_and_events_exist() -> None:
    for name in re.findall(r"`(Backend\w+|Payload\w+)`", PAGE):
        # What is said to a user is the docstring, and says what to do.
        assert len(getattr(exceptions, name).__doc__.split()) > 5
    for event in ("sessions_lost", "session_undecodable"):
        assert f"`{event}`" in PAGE
        assert f'"{event}"' in CODE
