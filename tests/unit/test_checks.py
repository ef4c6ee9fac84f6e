"""What ``manage.py check`` says of the settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import Error, run_checks
from django.test import override_settings

from djust.checks import check_config

CANARY = "canary-pa55word"


def test_it_is_registered_and_finds_nothing_wrong() -> None:
    assert run_checks(tags=["djust"]) == []


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({"STATE_BACKEND": "rediss"}, "Did you mean 'redis'?"),
        ({"SESSION_TLL": 3}, "Did you mean 'SESSION_TTL'?"),
        ({"STATE_BACKEND": "redis", "REDIS_URL": f"nonsense://:{CANARY}@host"}, "REDIS_URL"),
        ({"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:{CANARY}@host:port/0"}, "REDIS_URL"),
        ({"STATE_BACKEND": "redis", "KEY_PREFIX": "{djust}"}, "KEY_PREFIX"),
        ({"SESSION_TTL": 1e300}, "at most a century"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it_and_no_password(config: dict[str, Any], hint: str) -> None:
    with override_settings(DJUST_CONFIG=config):
        [error] = check_config()
    assert isinstance(error, Error)
    assert error.id == "djust.E001"
    assert hint in error.msg
    assert CANARY not in error.msg
