"""Settings of the processes that run a command: a store of their own, and the application that overrides ours."""

from __future__ import annotations

import json
import os

from djust.log import logging_config
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

DJUST_CONFIG = json.loads(os.environ["TEST_DJUST_CONFIG"])
INSTALLED_APPS = [*filter(None, [os.environ.get("TEST_FIRST_APP")]), *_APPS]
LOGGING = logging_config(json=True)
