"""The command that a project wrote for itself before djust brought one."""

from django.core.management.base import BaseCommand

from djust.live_view import cleanup_expired_sessions


class Command(BaseCommand):
    """Cleans up with a time to live of its own."""

    help = "Remove LiveView sessions that nobody uses"

    def handle(self, *args, **options):
        """See ``BaseCommand``."""
        count = cleanup_expired_sessions(ttl=3600)
        self.stdout.write(f"Cleaned {count} expired sessions")
