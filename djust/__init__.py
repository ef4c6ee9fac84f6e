"""djust keeps the server-side state of Django LiveViews and looks after it in production."""

from djust.decorators import event_handler
from djust.live_view.view import LiveView

__version__ = "0.1.0"

__all__ = ["LiveView", "event_handler"]
