"""Signals about sessions and alerts.

``session_expired`` and ``session_evicted`` are sent at most once per session, with ``send_robust``, in the process
that swept. Their keyword arguments are ``key``, ``owner``, ``label``, ``created_at``, ``last_active_at`` (aware
datetimes; ``last_active_at`` is ``None`` where nobody knows it any more) and ``cause``. The sender is the class of
the state backend.
"""

from django.dispatch import Signal

# A clean-up sends thousands with the same sender, so the receivers are looked for once.

#: A session's time ran out. ``cause`` is ``"idle"`` or ``"max_age"``.
session_expired = Signal(use_caching=True)

#: A session was lost before its time. ``cause`` is ``"evicted"``, ``"flushed"``, ``"restart"`` or ``"unknown"``.
session_evicted = Signal(use_caching=True)

# ``alert_fired`` and ``alert_resolved`` are sent with ``alert``, a ``djust.models.Alert``; the sender is its class.

#: An alert began to fire, or got worse.
alert_fired = Signal()

#: An alert that had fired is over.
alert_resolved = Signal()
