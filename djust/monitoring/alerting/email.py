"""Alerts as mails to Django's ``ADMINS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.utils import DNS_NAME

from djust.log import hashed
from djust.models import AlertMessage


def send(message: AlertMessage, timeout_seconds: float) -> None:
    """Mail a message to the ``ADMINS`` in one mail.

    Sent again it has the same Message-ID, by which mail programs know that it is the same.

    Args:
        message: A row of the outbox.
        timeout_seconds: For each answer of the mail server, unless ``EMAIL_TIMEOUT`` is set.

    Raises:
        Exception: Whatever the mail backend raises.
    """
    options: dict[str, Any] = {} if settings.EMAIL_TIMEOUT is not None else {"timeout": timeout_seconds}
    EmailMessage(
        subject=f"{settings.EMAIL_SUBJECT_PREFIX}{' '.join(message.subject.split())}",
        body=message.body,
        from_email=settings.SERVER_EMAIL,
        to=addresses(settings.ADMINS),
        headers={"Message-ID": f"<djust-{hashed(f'alert message {message.pk} {message.created_at}')}@{DNS_NAME}>"},
        connection=get_connection(**options),
    ).send()


def addresses(admins: Sequence[Any]) -> list[str]:
    """Return the addresses of ``ADMINS``, each of which is a string or a pair of name and address."""
    return [admin if isinstance(admin, str) else str(admin[1]) for admin in admins]
