"""A real browser: Debian's Chromium without a window."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

#: How long anything on a page is waited for, in milliseconds: a busy machine takes its time.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

#: CSS pixels of a laptop and of a small phone.
LAPTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 740}


class Chromium:
    """One browser. Each page has cookies of its own unless told to share a login. Leaving the context ends it.

    Playwright's synchronous interface holds an event loop in this thread, so nothing asynchronous can run in it until
    the browser has ended.
    """

    def __enter__(self) -> Self:
        program = shutil.which("chromium")
        assert program, "There is no chromium: run scripts/install_servers.sh."
        self._playwright = sync_playwright().start()
        self._browser: Browser = self._playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    def page(self, url: str, *, login: Any = None, **options: Any) -> Page:
        """Open an empty page of a site, with the options of a browser context; of a laptop unless told otherwise.

        Args:
            url: The site.
            login: What ``sign_in`` returned.
            options: See Playwright's ``new_context``.
        """
        context = self._browser.new_context(base_url=url, storage_state=login, **{"viewport": LAPTOP, **options})
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    def sign_in(self, url: str, username: str, password: str) -> Any:
        """Log in to Django admin and return the login for further pages."""
        page = self.page(url)
        page.goto("/admin/login/")
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Log out").wait_for()
        login = page.context.storage_state()
        page.context.close()
        return login


def complaints(page: Page) -> list[str]:
    """Return a list that fills with what goes wrong on a page: errors of its scripts, and what it cannot load."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", lambda request: found.append(f"{request.url}: {request.failure}"))
    return found
