"""LiveViews: pages whose state lives on the server."""

from djust.live_view.broadcast import abroadcast, broadcast
from djust.live_view.upkeep import cleanup_expired_sessions, get_session_stats
from djust.live_view.view import LiveView

__all__ = ["LiveView", "abroadcast", "broadcast", "cleanup_expired_sessions", "get_session_stats"]
