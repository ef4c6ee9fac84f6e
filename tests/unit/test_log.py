"""What the package logs is right in any project: with structlog set up, set up oddly, or never heard of."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path
from typing import Any

import pytest
import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from django.test import override_settings

from djust import celery_logging
from djust.log import MASK, NAME, build_formatter, hashed, logger, logging_config, redact

ROOT = Path(__file__).resolve().parents[2]


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, where Django's settings hold a SECRET_KEY and nothing else."""
    preamble = "from django.conf import settings\nsettings.configure(SECRET_KEY='test', DEBUG=False)\n"
    result = subprocess.run(
        [sys.executable, "-c", preamble + textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result


def json_lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


# In a process where nobody, or somebody else, set up logging


def test_nothing_set_up_prints_warnings_as_text_to_standard_error() -> None:
    result = run("""
        from djust.log import logger
        logger.info("cleanup_started", backend="redis")
        logger.warning("session_large", bytes=150_000, limit=100_000, reason='a "quoted"\\nline')
    """)
    assert result.stderr == 'session_large bytes=150000 limit=100000 reason="a \\"quoted\\"\\nline"\n'
    assert result.stdout == ""


def test_importing_the_package_leaves_structlog_and_logging_alone() -> None:
    run("""
        import logging, structlog
        before = list(logging.getLogger().handlers)
        import djust.codec, djust.log
        assert not structlog.is_configured()
        assert logging.getLogger().handlers == before
        assert not logging.getLogger("djust.state_backend").handlers
        assert logging.getLogger("djust.state_backend").level == logging.NOTSET
        import sys
        assert "celery" not in sys.modules
    """)


def test_basic_config_formats_and_filters_the_events() -> None:
    result = run("""
        import logging
        from djust.log import logger
        logging.basicConfig(format="%(levelname)s %(name)s %(filename)s %(message)s", level="INFO")
        logger.debug("hidden")
        logger.info("cleanup_started", backend="redis")
        logging.getLogger("djust").setLevel("ERROR")
        logger.warning("hidden")
    """)
    assert result.stderr == "INFO djust.state_backend <string> cleanup_started backend=redis\n"


def test_a_structlog_that_is_set_up_oddly_does_not_reach_us() -> None:
    result = run("""
        import collections, structlog
        def refuse(*_): raise RuntimeError
        class Strange(collections.UserDict): pass
        structlog.configure(
            processors=[refuse], context_class=Strange, logger_factory=structlog.PrintLoggerFactory(),
            wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=True,
        )
        from djust.log import logger
        logger.warning("backend_unavailable", backend="redis")
    """)
    assert result.stderr == "backend_unavailable backend=redis\n"
    assert result.stdout == ""


def test_a_project_with_structlogs_own_formatter_gets_the_fields() -> None:
    result = run("""
        import logging, structlog
        from djust.log import logger
        handler = logging.StreamHandler()
        handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
        logging.getLogger().addHandler(handler)
        plain = logging.StreamHandler()
        logging.getLogger().addHandler(plain)
        structlog.contextvars.bind_contextvars(request_id="r-1")
        logger.error("backend_unavailable", backend="redis", count=3)
    """)
    first, second = result.stderr.splitlines()
    event = json.loads(first)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "backend_unavailable",
        "backend": "redis",
        "count": 3,
        "level": "error",
        "logger": NAME,
        "request_id": "r-1",
    }
    assert second == "backend_unavailable backend=redis count=3 request_id=r-1"


# With the set-up that djust offers


def test_json_has_every_record_of_every_logger_once_and_no_secrets() -> None:
    result = run("""
        import logging, django, structlog
        from djust.log import logger, logging_config
        settings.LOGGING = logging_config(json=True)
        for name in ("uvicorn", "uvicorn.access"):
            logging.getLogger(name).addHandler(logging.StreamHandler())
            logging.getLogger(name).propagate = False
        django.setup()
        structlog.contextvars.bind_contextvars(request_id="r-1")
        logger.info("cleanup_finished", removed=3, backend="redis")
        logging.getLogger("django.request").error("Broken: %s", "/x", extra={"request": object(), "status_code": 500})
        logging.getLogger("django.server").warning("served")
        logging.getLogger("uvicorn").warning("up", extra={"color_message": "\x1b[36mup\x1b[0m"})
        logging.getLogger("uvicorn.access").warning("hit")
        logging.getLogger("celery.app.trace").info(
            "done", extra={"data": {"id": "t-1", "name": "task", "args": "('canary',)", "return_value": "canary"}}
        )
        logging.getLogger("other").debug("hidden")
    """)
    lines = json_lines(result.stderr)
    assert [line["event"] for line in lines] == ["cleanup_finished", "Broken: /x", "served", "up", "hit", "done"]
    for line in lines:
        assert {"timestamp", "level", "logger", "request_id"} <= set(line)
    assert lines[0]["removed"] == 3
    assert lines[1]["status_code"] == 500
    assert "request" not in lines[1]
    assert "color_message" not in lines[3]
    assert lines[5]["data"] == {"id": "t-1", "name": "task"}
    assert "canary" not in result.stderr


FAILING = """
    import logging
    from djust.log import configure_logging, logger
    configure_logging(json={json})
    def fail(password):
        local = password
        raise ValueError("broken")
    try:
        fail("canary")
    except ValueError:
        logging.getLogger("host").exception("failed")
        logger.error("failed", exc_info=True)
"""


def test_an_exception_in_json_has_frames_and_no_variables() -> None:
    result = run(FAILING.format(json=True))
    for line in json_lines(result.stderr):
        (exception,) = line["exception"]
        assert exception["exc_type"] == "ValueError"
        assert exception["frames"][-1]["name"] == "fail"
    assert "canary" not in result.stderr.replace('fail(\\"canary\\")', "")


def test_the_console_prints_colour_and_no_variables() -> None:
    result = run(FAILING.format(json=False))
    assert "\x1b[" in result.stderr
    assert result.stderr.count("ValueError: broken") == 2
    assert "local = 'canary'" not in result.stderr


def test_where_there_is_no_terminal_the_default_is_json() -> None:
    result = run("""
        from djust.log import configure_logging, logger
        configure_logging(level="WARNING")
        logger.info("hidden")
        logger.warning("session_large", bytes=1)
    """)
    assert [line["event"] for line in json_lines(result.stderr)] == ["session_large"]


def test_a_terminal_gets_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO"})
    assert not build_formatter().format(record).startswith("{")
    assert build_formatter(json=True).format(record).startswith("{")


def test_the_configuration_can_be_extended_like_any_other() -> None:
    config = logging_config(json=True, level="WARNING")
    config["loggers"][NAME] = {"level": "DEBUG"}
    assert config["root"]["level"] == "WARNING"
    assert logging_config()["loggers"].get(NAME) is None


# The logger


def test_fields_may_have_the_names_that_a_record_uses(caplog: pytest.LogCaptureFixture) -> None:
    names = ["name", "msg", "args", "message", "module", "filename", "levelname", "exc_text", "process", "asctime"]
    logger.warning("odd", **dict.fromkeys(names, "x"))
    assert caplog.messages == ["odd " + " ".join(f"{name}=x" for name in names)]
    assert caplog.records[0].name == NAME


def test_the_record_says_who_called(caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("here")
    assert caplog.records[0].funcName == "test_the_record_says_who_called"


class AssertLogs(unittest.TestCase):
    def test_works(self) -> None:
        with self.assertLogs(NAME, "DEBUG") as logs:
            logger.debug("session_created", label="shop.Cart")
        assert logs.output == [f"DEBUG:{NAME}:session_created label=shop.Cart"]


def test_levels_are_those_of_the_standard_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=NAME):
        assert not logger.isEnabledFor("debug")
        assert logger.isEnabledFor("info")
        for method in (logger.debug, logger.info, logger.warning, logger.error):
            method("event")
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "ERROR"]


def test_an_exception_reaches_a_plain_handler(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logger.error("failed", exc_info=True)
    assert caplog.records[0].exc_info is not None
    assert caplog.messages == ["failed"]


# Secrets


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "redis_password",
        "PASSWORD",
        "state",
        "new_state",
        "key",
        "session_key",
        "url",
        "redis_url",
        "token",
        "secret",
        "cookie",
        "payload",
        "body",
        "keys",
        "urls",
        "Authorization",
        "sessionid",
    ],
)
def test_a_field_named_like_a_secret_is_masked(name: str) -> None:
    assert redact(None, "info", {"event": "e", name: "canary"}) == {"event": "e", name: MASK}
    assert redact(None, "info", {name: {"inner": "canary"}}) == {name: MASK}


@pytest.mark.parametrize("name", ["removed", "backend", "trigger", "monkey", "stateful", "label", "keyword", "bytes"])
def test_any_other_field_is_left_alone(name: str) -> None:
    assert redact(None, "info", {name: "value"}) == {name: "value"}


def test_counts_are_not_secret() -> None:
    assert redact(None, "info", {"keys": 3, "state": None}) == {"keys": 3, "state": None}


def test_a_session_or_owner_is_logged_as_a_hash_whatever_the_caller_does() -> None:
    event = redact(None, "info", {"session": "abc-key", "owner": 42, "other": 42})
    assert event == {"session": hashed("abc-key"), "owner": hashed("42"), "other": 42}
    assert redact(None, "info", dict(event)) == event
    assert redact(None, "info", {"owner": None}) == {"owner": None}


def test_a_url_in_a_text_loses_its_user_and_password() -> None:
    reason = "cannot reach rediss://user:p%40ss@host:6379/0 or redis://:canary@b"
    assert redact(None, "info", {"reason": reason}) == {
        "reason": f"cannot reach rediss://{MASK}@host:6379/0 or redis://{MASK}@b"
    }


def test_a_hash_is_keyed_with_the_secret_key() -> None:
    with override_settings(SECRET_KEY="one"):
        first = hashed("session")
        assert hashed("session") == first
        assert hashed("other") != first
        assert hashed("\ud800") != first
        assert len(first) == 16
        assert set(first) <= set("0123456789abcdef")
    with override_settings(SECRET_KEY="two"):
        assert hashed("session") != first
    with override_settings(SECRET_KEY="one"):
        assert hashed("session") == first


# Celery


@pytest.fixture
def celery_logging_connected() -> Any:
    signals = (setup_logging, task_prerun, task_postrun)
    before = [list(signal.receivers or []) for signal in signals]
    celery_logging.configure_celery_logging()
    celery_logging.configure_celery_logging()
    yield
    for signal, receivers in zip(signals, before, strict=True):
        signal.receivers = receivers


@pytest.mark.usefixtures("celery_logging_connected")
def test_a_task_is_bound_while_it_runs_and_an_inner_one_while_that_runs(caplog: pytest.LogCaptureFixture) -> None:
    app = Celery("test", set_as_current=False)

    @app.task(name="inner")
    def inner() -> None:
        logger.warning("inside")

    @app.task(name="outer")
    def outer() -> None:
        logger.warning("before")
        inner.apply(task_id="t-2")
        logger.warning("after")
        raise ValueError

    outer.apply(task_id="t-1")
    logger.warning("outside")
    events = [record.msg for record in caplog.records if record.name == NAME]
    assert [(event["event"], event.get("task_id"), event.get("task")) for event in events] == [
        ("before", "t-1", "outer"),
        ("inside", "t-2", "inner"),
        ("after", "t-1", "outer"),
        ("outside", None, None),
    ]
    assert structlog.contextvars.get_contextvars() == {}


def test_celery_logs_as_the_settings_say() -> None:
    result = run("""
        import logging, django
        from celery import Celery
        from djust.celery_logging import configure_celery_logging
        from djust.log import logger, logging_config
        settings.LOGGING = logging_config(json=True)
        app = Celery("test")
        configure_celery_logging()
        app.log.setup(loglevel="WARNING")
        logger.info("cleanup_started", backend="redis")
        logging.getLogger("celery.worker").info("ready")
        print("still standard output")
    """)
    assert [line["event"] for line in json_lines(result.stderr)] == ["cleanup_started", "ready"]
    assert result.stdout == "still standard output\n"
