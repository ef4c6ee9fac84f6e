"""The LiveView site, as a server that a balancer asks."""

from tests.live_site.settings import *  # noqa: F403 - settings are modules
from tests.live_site.settings import DJUST_CONFIG

DJUST_CONFIG = {**DJUST_CONFIG, "DRAIN_SECONDS": 3}
