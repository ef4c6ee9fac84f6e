"""The project behind a real uvicorn, and pages of it in a real browser."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from playwright.sync_api import Page, expect

from tests.acceptance.chromium import Chromium
from tests.servers.process import child_environment
from tests.servers.reaper import get_reaper
from tests.servers.uvicorn_server import UvicornServer

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.live_site.settings"}
#: Makes the users that the tests log in as.
USERS = """
from django.contrib.auth.models import User
for name in ("ada", "bob"):
    User.objects.create_user(name, password="pw")
"""


def prepared_database() -> dict[str, str]:
    """Return the variables of a migrated database with two users, ``ada`` and ``bob``, whose password is ``pw``."""
    variables = {"DATABASE": str(get_reaper().new_directory("live-site") / "db.sqlite3")}
    for arguments in (["migrate", "--verbosity", "0"], ["shell", "--verbosity", "0", "-c", USERS]):
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=child_environment({**SETTINGS, **variables}),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return variables


def serve(**env: str) -> UvicornServer:
    """Return a web server of the project, to be entered."""
    return UvicornServer("tests.live_site.asgi:application", env={**SETTINGS, **env})


def open_live(chromium: Chromium, url: str, path: str, **options: Any) -> Page:
    """Open a page in a browser of its own, and wait until it is connected."""
    page = chromium.page(url, **options)
    page.goto(path)
    connected(page)
    return page


def connected(page: Page) -> None:
    """Wait until a page is connected."""
    expect(page.locator("body.dj-connected")).to_be_attached()
