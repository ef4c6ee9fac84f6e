"""The Celery tasks. Celery finds them here with ``app.autodiscover_tasks()``."""

from djust.tasks.cleanup import cleanup_expired_sessions
from djust.tasks.django_sessions import clear_django_sessions
from djust.tasks.evictions import check_evictions
from djust.tasks.memory import sample_redis_memory
from djust.tasks.reconcile import reconcile

__all__ = [
    "check_evictions",
    "cleanup_expired_sessions",
    "clear_django_sessions",
    "reconcile",
    "sample_redis_memory",
]
