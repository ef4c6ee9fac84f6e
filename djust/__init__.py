"""djust keeps the server-side state of Django LiveViews and looks after it in production."""

__version__ = "0.1.0"
