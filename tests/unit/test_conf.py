"""The settings are checked when they are read, and a mistake is named together with what was probably meant."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from djust.conf import MAX_SECONDS, Config, get_config
from djust.state_backend import InMemoryStateBackend, RedisStateBackend, get_backend, set_backend


@pytest.fixture(autouse=True)
def fresh_backend() -> Any:
    """Begin and end with the configured backend."""
    set_backend(None)
    yield
    set_backend(None)


def refusal(**values: Any) -> str:
    """Return the message of the error that these settings lead to."""
    with override_settings(DJUST_CONFIG=values), pytest.raises(ImproperlyConfigured) as caught:
        get_config()
    return str(caught.value)


class TestValues:
    def test_without_any_settings_there_are_defaults(self) -> None:
        with override_settings():
            del settings.DJUST_CONFIG
            assert get_config() == Config()

    def test_the_defaults_of_the_contract(self) -> None:
        config = Config()
        assert (config.state_backend, config.key_prefix) == ("memory", "djust:")
        assert (config.session_ttl, config.session_max_age) == (3600, None)

    def test_values_are_taken_and_the_rest_keeps_its_default(self) -> None:
        with override_settings(DJUST_CONFIG={"SESSION_TTL": 7200, "KEY_PREFIX": "site:"}):
            config = get_config()
        assert (config.session_ttl, config.key_prefix) == (7200, "site:")
        assert config.memory_max_sessions == Config().memory_max_sessions

    def test_every_default_is_a_value_that_can_be_set(self) -> None:
        values = {field.name.upper(): getattr(Config(), field.name) for field in fields(Config)}
        with override_settings(DJUST_CONFIG=values):
            assert get_config() == Config()

    def test_settings_are_read_when_they_are_used(self) -> None:
        before = get_config().session_ttl
        with override_settings(DJUST_CONFIG={"SESSION_TTL": 11}):
            assert get_config().session_ttl == 11
            with override_settings(DJUST_CONFIG={"SESSION_TTL": 12}):
                assert get_config().session_ttl == 12
            assert get_config().session_ttl == 11
        assert get_config().session_ttl == before

    def test_a_dict_that_is_changed_in_place_is_read_again(self) -> None:
        values = {"SESSION_TTL": 11}
        with override_settings(DJUST_CONFIG=values):
            assert get_config().session_ttl == 11
            values["SESSION_TTL"] = 12
            assert get_config().session_ttl == 12

    def test_a_value_of_another_type_that_compares_equal_is_still_refused(self) -> None:
        with override_settings(DJUST_CONFIG={"SESSION_TTL": 1}):
            get_config()
        assert "SESSION_TTL" in refusal(SESSION_TTL=True)

    @pytest.mark.parametrize("ttl", [0, -1, 0.5])
    def test_a_ttl_may_be_any_number(self, ttl: float) -> None:
        with override_settings(DJUST_CONFIG={"SESSION_TTL": ttl}):
            assert get_config().session_ttl == ttl


class TestRefusals:
    @pytest.mark.parametrize("value", [None, [], "redis", 1])
    def test_the_setting_is_a_dict(self, value: Any) -> None:
        with override_settings(DJUST_CONFIG=value), pytest.raises(ImproperlyConfigured, match="must be a dict"):
            get_config()

    @pytest.mark.parametrize(
        ("key", "meant"),
        [
            ("SESION_TTL", "SESSION_TTL"),
            ("session_ttl", "SESSION_TTL"),
            ("REDIS_URI", "REDIS_URL"),
            ("BACKEND", "STATE_BACKEND"),
            ("MAX_AGE", "SESSION_MAX_AGE"),
            ("MEMORY_MAX_SESSION", "MEMORY_MAX_SESSIONS"),
        ],
    )
    def test_an_unknown_key_is_named_with_its_near_miss(self, key: str, meant: str) -> None:
        message = refusal(**{key: 1})
        assert repr(key) in message
        assert repr(meant) in message

    def test_an_unknown_key_like_no_other_is_named_with_those_there_are(self) -> None:
        message = refusal(XYZZY=1)
        assert "'XYZZY'" in message
        assert "SESSION_TTL" in message

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("STATE_BACKEND", None),
            ("STATE_BACKEND", InMemoryStateBackend),
            ("REDIS_URL", 6379),
            ("SESSION_TTL", "3600"),
            ("SESSION_TTL", None),
            ("SESSION_TTL", True),
            ("SESSION_MAX_AGE", "never"),
            ("KEY_PREFIX", b"djust:"),
            ("MEMORY_MAX_SESSIONS", 1.5),
            ("STATE_MAX_BYTES", "1MB"),
        ],
    )
    def test_a_wrong_type_is_named_with_its_key(self, key: str, value: Any) -> None:
        message = refusal(**{key: value})
        assert repr(key) in message
        assert type(value).__name__ in message

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_seconds_are_finite(self, value: float) -> None:
        assert "'SESSION_TTL'" in refusal(SESSION_TTL=value)

    @pytest.mark.parametrize("key", ["SESSION_MAX_AGE", "MEMORY_MAX_SESSIONS", "STATE_MAX_BYTES", "REDIS_TIMEOUT"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_what_has_to_be_positive_is(self, key: str, value: int) -> None:
        message = refusal(**{key: value})
        assert repr(key) in message
        assert "greater than zero" in message

    @pytest.mark.parametrize("key", ["SESSION_TTL", "SESSION_MAX_AGE"])
    def test_a_lifetime_is_a_century_at_most(self, key: str) -> None:
        with override_settings(DJUST_CONFIG={key: MAX_SECONDS}):
            assert get_backend().health_check()["status"] == "healthy"
        message = refusal(**{key: MAX_SECONDS + 1})
        assert repr(key) in message
        assert "at most a century" in message

    @pytest.mark.parametrize("prefix", ["{djust}:", "djust{", "}"])
    def test_a_prefix_has_no_braces(self, prefix: str) -> None:
        message = refusal(KEY_PREFIX=prefix)
        assert "'KEY_PREFIX'" in message
        assert "braces" in message

    def test_a_prefix_is_not_empty(self) -> None:
        assert "'KEY_PREFIX'" in refusal(KEY_PREFIX="")

    def test_no_message_shows_a_password(self) -> None:
        url = "redis://:canary-password@localhost/0"
        assert "canary" not in refusal(REDIS_URL=url, SESSION_TTL="x")
        assert "canary" not in refusal(REDIS_URL=[url])
        assert "canary" not in refusal(REDIS_URL=url, REDIS_URI=url)


class TestBackend:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("memory", InMemoryStateBackend),
            ("redis", RedisStateBackend),
            ("djust.state_backend.InMemoryStateBackend", InMemoryStateBackend),
        ],
    )
    def test_the_name_chooses_the_backend(self, name: str, kind: type) -> None:
        with override_settings(DJUST_CONFIG={"STATE_BACKEND": name}):
            assert type(get_backend()) is kind

    def test_it_is_built_once_and_again_when_the_settings_change(self) -> None:
        first = get_backend()
        assert get_backend() is first
        with override_settings(DJUST_CONFIG={"SESSION_TTL": 11, "SESSION_MAX_AGE": 22}):
            second = get_backend()
            assert second is not first
            assert get_backend() is second
            assert (second.default_ttl, second.max_age) == (11, 22)
        assert get_backend() is not second

    def test_a_test_can_set_its_own(self) -> None:
        mine = InMemoryStateBackend()
        set_backend(mine)
        assert get_backend() is mine
        set_backend(None)
        assert get_backend() is not mine

    @pytest.mark.parametrize(
        ("name", "meant"), [("rediss", "redis"), ("Redis", "redis"), ("memori", "memory"), ("in_memory", "memory")]
    )
    def test_an_unknown_name_is_named_with_its_near_miss(self, name: str, meant: str) -> None:
        with override_settings(DJUST_CONFIG={"STATE_BACKEND": name}):
            with pytest.raises(ImproperlyConfigured) as caught:
                get_backend()
            assert repr(name) in str(caught.value)
            assert repr(meant) in str(caught.value)

    def test_an_unknown_name_like_no_other_is_named_with_those_there_are(self) -> None:
        with (
            override_settings(DJUST_CONFIG={"STATE_BACKEND": "xyzzy"}),
            pytest.raises(ImproperlyConfigured, match=r"'xyzzy'.*'memory'.*'redis'"),
        ):
            get_backend()

    @pytest.mark.parametrize("name", ["djust.no_such_module.Backend", "djust.state_backend.NoSuchBackend"])
    def test_a_path_that_leads_nowhere_is_named(self, name: str) -> None:
        with (
            override_settings(DJUST_CONFIG={"STATE_BACKEND": name}),
            pytest.raises(ImproperlyConfigured, match="cannot be imported"),
        ):
            get_backend()

    @pytest.mark.parametrize("name", ["djust.conf.Config", "djust.conf.get_config"])
    def test_a_path_to_something_else_is_named(self, name: str) -> None:
        with (
            override_settings(DJUST_CONFIG={"STATE_BACKEND": name}),
            pytest.raises(ImproperlyConfigured, match="no subclass of StateBackend"),
        ):
            get_backend()
