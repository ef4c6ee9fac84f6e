"""Messages on their way to a real mail server and a real web server, in good times and bad."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from djust.models import Alert, AlertMessage
from djust.monitoring.alerting import apprise_urls, messages, notify
from djust.monitoring.alerting.notify import DeliveryReport, deliver
from tests.servers.http_receiver import HttpReceiver
from tests.servers.ports import HOST, free_port
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.django_db
SECRET = "sesame-3"


class Mailbox:
    """What the mail server took, or what it answers instead."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuse = ""
        self.held: threading.Event | None = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        while self.held is not None and not self.held.is_set():
            await asyncio.sleep(0.01)
        if self.refuse:
            return self.refuse
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture(scope="module")
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname=HOST, port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def mailbox(mail_server: tuple[Mailbox, int], settings: Any) -> Mailbox:
    """A mail server that the settings name, and what comes to the ADMINS."""
    box, port = mail_server
    box.clear()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, port
    settings.SERVER_EMAIL = "djust@example.org"
    settings.ADMINS = [("Ann", "ann@example.org"), "bob@example.org"]
    return box


@pytest.fixture
def receiver(settings: Any) -> Iterator[HttpReceiver]:
    """A service behind an Apprise URL with a password in it."""
    with HttpReceiver() as server:
        use(settings, server.port)
        yield server


def use(settings: Any, *ports: int) -> None:
    settings.DJUST_CONFIG = {"ALERT_URLS": [f"json://user:{SECRET}@{HOST}:{port}/{SECRET}" for port in ports]}


def alert(**changes: Any) -> Alert:
    now = timezone.now()
    values = {
        "rule": "sessions_lost",
        "node": "10.0.0.5:6379",
        "state": "firing",
        "severity": "critical",
        "summary": "10.0.0.5:6379 lost 12 live sessions.",
        "advice": "Raise maxmemory.",
        "value": 12.0,
        "threshold": 1.0,
        "peak": 12.0,
        "pending_since": now,
        "fired_at": now,
    }
    return Alert.objects.create(**values | changes)


def tell(kind: str = "fired", about: Alert | None = None) -> None:
    messages.queue(about or alert(), kind, timezone.now())


def make_due() -> None:
    """Let the pauses be over."""
    AlertMessage.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())


def test_a_message_reaches_the_admins_and_the_service(mailbox: Mailbox, receiver: HttpReceiver) -> None:
    tell()
    assert deliver() == DeliveryReport(sent=2)
    assert deliver() == DeliveryReport()
    (mail,), (posted,) = mailbox.mails, receiver.received
    assert mailbox.recipients == [["ann@example.org", "bob@example.org"]]
    assert mail["Subject"] == "[Django] critical: sessions_lost on 10.0.0.5:6379"
    assert mail["From"] == "djust@example.org"
    body = mail.get_content()
    assert "10.0.0.5:6379 lost 12 live sessions." in body
    assert "What to do:\nRaise maxmemory." in body.replace("\r", "")
    assert (posted["title"], posted["type"]) == ("critical: sessions_lost on 10.0.0.5:6379", "failure")
    assert "lost 12 live sessions" in posted["message"]
    assert all(row.sent_at and row.next_attempt_at is None for row in AlertMessage.objects.all())


def test_what_is_over_is_shown_as_good_news(receiver: HttpReceiver) -> None:
    tell("resolved", alert(state="resolved", resolved_at=timezone.now()))
    deliver()
    assert receiver.received[0]["type"] == "success"


@pytest.mark.parametrize("trouble", ["refuses", "is away"])
def test_a_mail_server_in_trouble_is_tried_again(
    trouble: str, mailbox: Mailbox, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port = settings.EMAIL_PORT
    if trouble == "refuses":
        mailbox.refuse = f"451 Try {SECRET} later"
    else:
        settings.EMAIL_PORT = free_port()
    tell()
    assert deliver() == DeliveryReport(failed=1)
    row = AlertMessage.objects.get()
    assert row.error in ("SMTPDataError", "ConnectionRefusedError")
    assert row.next_attempt_at is not None
    assert deliver() == DeliveryReport()
    mailbox.refuse, settings.EMAIL_PORT = "", port
    make_due()
    assert deliver() == DeliveryReport(sent=1)
    assert deliver() == DeliveryReport()
    assert len(mailbox.mails) == 1
    assert "alert_delivery_failed" in caplog.text
    assert SECRET not in caplog.text


def test_the_same_mail_sent_again_can_be_recognised(mailbox: Mailbox) -> None:
    tell()
    row = AlertMessage.objects.get()
    deliver()
    row.save()  # As if the worker had been killed before it could note that it was sent.
    deliver()
    assert len(mailbox.mails) == 2
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


@pytest.mark.parametrize("trouble", ["answers 500", "is away", "is silent"])
def test_a_service_in_trouble_costs_the_others_nothing(
    trouble: str, mailbox: Mailbox, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with HttpReceiver() as good, HttpReceiver() as bad:
        away = free_port()
        use(settings, away if trouble == "is away" else bad.port, good.port)
        bad.status = {"answers 500": 500, "is away": 200, "is silent": None}[trouble]
        tell()
        # The silent one takes all of it, and the others must have time enough on a busy machine.
        assert deliver(budget_seconds=4).failed == 1
        make_due()
        assert deliver(budget_seconds=4).failed == 1
        assert (len(mailbox.mails), len(good.received), len(bad.received)) == (1, 1, 0)
        failed = AlertMessage.objects.get(sent_at=None)
        assert "did not take the message" in failed.error
        # And back again.
        if trouble == "is away":
            with HttpReceiver(away) as back:
                make_due()
                assert deliver() == DeliveryReport(sent=1)
                assert len(back.received) == 1
        else:
            bad.status = 200
            make_due()
            assert deliver() == DeliveryReport(sent=1)
            assert len(bad.received) == 1
        assert deliver() == DeliveryReport()
        assert len(good.received) == 1
    assert SECRET not in caplog.text
    assert SECRET not in "".join(AlertMessage.objects.values_list("error", flat=True))


def test_a_mail_server_that_keeps_silent_is_not_waited_for(settings: Any) -> None:
    with socket.create_server((HOST, 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        settings.ADMINS = ["ann@example.org"]
        tell()
        assert deliver(budget_seconds=0.5) == DeliveryReport(failed=1)
        assert AlertMessage.objects.get().error == "SMTPServerDisconnected"


@pytest.mark.django_db(transaction=True)
def test_a_slow_mail_server_costs_no_more_than_the_time_there_is(
    mailbox: Mailbox, receiver: HttpReceiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The project lets its mail server take longer than a check may.
    settings.EMAIL_TIMEOUT = 300
    monkeypatch.setattr(notify, "_LEAST_TIMEOUT_SECONDS", 0.1)
    mailbox.held = threading.Event()
    tell()
    assert deliver(budget_seconds=0.1) == DeliveryReport(failed=1)
    slow = AlertMessage.objects.get(channel="email")
    assert slow.error == "It takes longer than 0 s."
    assert deliver() == DeliveryReport(sent=1)
    tell("resolved", slow.alert)
    make_due()
    # It is still on its way to the mail server, so neither it nor anything else is sent there.
    assert deliver() == DeliveryReport(sent=1)
    assert (len(receiver.received), mailbox.mails) == (2, [])
    mailbox.held.set()
    wait_until(lambda: AlertMessage.objects.get(pk=slow.pk).sent_at is not None)
    wait_until(lambda: not notify._COURIER.busy())
    assert deliver() == DeliveryReport(sent=1)
    assert deliver() == DeliveryReport()
    assert [mail["Subject"].split(":")[0] for mail in mailbox.mails] == ["[Django] critical", "[Django] resolved"]


def test_without_time_nothing_is_begun(mailbox: Mailbox) -> None:
    tell()
    assert deliver(budget_seconds=0) == DeliveryReport()
    assert deliver() == DeliveryReport(sent=1)


class Moody(BaseEmailBackend):
    """A mail backend with errors of its own."""

    class Mood(Exception):
        pass

    def send_messages(self, _messages: Any) -> int:
        raise self.Mood(SECRET)


def test_a_mail_backend_may_raise_anything(settings: Any, receiver: HttpReceiver) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Moody"
    settings.ADMINS = ["ann@example.org"]
    tell()
    assert deliver() == DeliveryReport(sent=1, failed=1)
    assert AlertMessage.objects.get(sent_at=None).error == "Mood"
    assert len(receiver.received) == 1


# The order, and who sends


def test_the_end_is_not_told_before_the_beginning(receiver: HttpReceiver) -> None:
    about = alert()
    receiver.status = 500
    tell("fired", about)
    deliver()
    tell("resolved", about)
    tell("fired", alert(node="another"))
    receiver.status = 200
    assert deliver() == DeliveryReport(sent=1)
    make_due()
    assert deliver() == DeliveryReport(sent=2)
    assert [posted["title"] for posted in receiver.received] == [
        "critical: sessions_lost on another",
        "critical: sessions_lost on 10.0.0.5:6379",
        "resolved: sessions_lost on 10.0.0.5:6379",
    ]


def test_a_message_that_a_worker_claimed_is_nobody_else_s_until_that_is_surely_dead(mailbox: Mailbox) -> None:
    tell()
    claimed = notify._claim(Q(pk=None))
    assert claimed is not None
    assert deliver() == DeliveryReport()
    assert claimed.next_attempt_at is not None
    row = AlertMessage.objects.get()
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - timezone.now() > timedelta(seconds=60)
    make_due()
    assert deliver() == DeliveryReport(sent=1)
    # What the slow one notes late changes nothing.
    notify._note_failure(claimed, OSError(), DeliveryReport())
    assert AlertMessage.objects.get().sent_at is not None
    assert deliver() == DeliveryReport()


# When to stop


def test_the_pauses_grow_to_half_an_hour() -> None:
    pauses = [notify.pause_after(attempts).total_seconds() for attempts in range(1, 10)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert notify.pause_after(10_000).total_seconds() == 1800


def test_after_a_day_it_is_given_up(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    use(settings, free_port())
    tell()
    AlertMessage.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59, seconds=40))
    assert deliver() == DeliveryReport(given_up=1)
    row = AlertMessage.objects.get()
    assert (row.sent_at, row.next_attempt_at) == (None, None)
    assert "given_up=True" in caplog.text


def test_what_no_attempt_brought_to_an_end_is_given_up_after_a_day(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    tell()
    # As if each worker that claimed it had run into its time limit.
    assert notify._claim(Q(pk=None)) is not None
    AlertMessage.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert deliver() == DeliveryReport()
    make_due()
    assert deliver() == DeliveryReport(given_up=1)
    row = AlertMessage.objects.get()
    assert (row.next_attempt_at, row.sent_at, row.error) == (None, None, "It was not delivered within a day.")
    assert "given_up=True" in caplog.text
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        ([f"nosuchservice://{SECRET}@host/"], "Apprise does not understand URL number 1 of ALERT_URLS."),
        ([f"tgram://{SECRET}/x"], "Apprise does not understand URL number 1 of ALERT_URLS."),
        ([], "ALERT_URLS of this worker does not name the service that this message is for."),
    ],
)
def test_what_the_settings_of_one_worker_make_impossible_is_left_to_others(
    urls: list[str], words: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DJUST_CONFIG = {"ALERT_URLS": urls or ["json://host/"]}
    tell()
    settings.DJUST_CONFIG = {"ALERT_URLS": urls}
    assert deliver() == DeliveryReport(failed=1)
    assert AlertMessage.objects.get().error == words
    assert words in caplog.text
    assert SECRET not in caplog.text
    AlertMessage.objects.update(created_at=timezone.now() - timedelta(days=1))
    make_due()
    assert deliver() == DeliveryReport(given_up=1)


def test_a_worker_with_the_right_settings_delivers_what_another_could_not(
    receiver: HttpReceiver, settings: Any
) -> None:
    tell()
    right = settings.DJUST_CONFIG
    settings.DJUST_CONFIG = {}
    assert deliver() == DeliveryReport(failed=1)
    settings.DJUST_CONFIG = right
    make_due()
    assert deliver() == DeliveryReport(sent=1)
    assert len(receiver.received) == 1


def test_without_apprise_it_is_said_how_to_get_it(
    receiver: HttpReceiver, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apprise_urls, "apprise", None)
    tell()
    assert deliver() == DeliveryReport(sent=1, failed=1)
    assert "pip install 'djust[alerts]'" in caplog.text
    assert (len(mailbox.mails), receiver.requests) == (1, 0)


@pytest.mark.parametrize("quiet", [{"ALERT_EMAIL": False}, {}], ids=["turned off", "no admins"])
def test_without_receivers_there_are_no_messages(quiet: dict[str, Any], settings: Any) -> None:
    settings.DJUST_CONFIG = quiet
    settings.ADMINS = ["ann@example.org"] if quiet else []
    tell()
    assert not AlertMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_without_the_table_nothing_is_sent_and_nothing_raised(caplog: pytest.LogCaptureFixture) -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(AlertMessage, "djust_alertmessage", "elsewhere")
    try:
        assert deliver() == DeliveryReport()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(AlertMessage, "elsewhere", "djust_alertmessage")
    assert "history_unavailable" in caplog.text
