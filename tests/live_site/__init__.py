"""A project of plain LiveViews, as a user of djust would write it: every directive stands in one of its templates.

Settings: ``tests.live_site.settings``; application: ``tests.live_site.asgi:application``. The environment says where
it keeps things: ``REDIS_URL`` with ``KEY_PREFIX`` (memory without it) and ``DATABASE`` (a file of SQLite), besides
``SESSION_TTL``, ``HEARTBEAT``, ``FRAME_RATE``, ``FRAME_BURST``, ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
"""
