"""System checks: what can be said of the settings without asking anything over the network.

Those about production run with ``manage.py check --deploy``. What has to be asked is asked by ``djust.doctor``.
docs/checklist.md lists them all.
"""

from djust.checks.config import check_alert_rules, check_config
from djust.checks.live_views import check_live_views
from djust.checks.schedule import check_beat_app, check_beat_schedule, check_beat_scheduler, check_broker, check_queue
from djust.checks.store import check_backend, check_lifetime, check_redis_url
from djust.checks.watching import check_alerts, check_apprise, check_logging, check_metrics, check_urls

__all__ = [
    "check_alert_rules",
    "check_alerts",
    "check_apprise",
    "check_backend",
    "check_beat_app",
    "check_beat_schedule",
    "check_beat_scheduler",
    "check_broker",
    "check_config",
    "check_lifetime",
    "check_live_views",
    "check_logging",
    "check_metrics",
    "check_queue",
    "check_redis_url",
    "check_urls",
]
