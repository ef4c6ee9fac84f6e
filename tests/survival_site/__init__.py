"""A project that is run on several servers, some of which end: the views of the survival tests.

Settings: ``tests.survival_site.settings``; application: ``tests.survival_site.asgi:application``. The environment says
where it keeps things (``REDIS_URL``, ``DATABASE``), which release it is (``RELEASE``), and more settings of djust, as
JSON (``OPTIONS``).
"""
