"""Takes the pictures of the documentation: real servers, the example site, a real browser.

Usage: ``python -m scripts.screenshots``. Writes into ``docs/images/``.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from scripts.small_png import reduce_colours
from tests.acceptance.chromium import PHONE, Chromium
from tests.acceptance.conftest import make_site
from tests.servers import binaries
from tests.servers.redis_server import RedisServer

IMAGES = Path(__file__).resolve().parents[1] / "docs/images"
OVERVIEW = "/admin/djust/overview/"
LAPTOP = {"width": 1180, "height": 900}
#: The admin's list of models folded away, so that the page itself is large enough to read.
FOLDED = "localStorage.setItem('django.admin.navSidebarIsOpen', 'false')"


def main() -> int:
    """Take all pictures."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        state = stack.enter_context(RedisServer(binaries.redis7(), maxmemory="64mb", policy="volatile-ttl"))
        broker = stack.enter_context(RedisServer(binaries.redis7()))
        site = make_site(stack, directory, state=state, broker=broker)
        site.manage("shell", "-c", "from scripts.screenshot_data import fill; fill()")
        url = site.web().url
        chromium = stack.enter_context(Chromium())
        login = chromium.sign_in(url, "ada", "pw")

        def take(
            name: str, link: str = "", *, first: str = "body", last: str = "body", below: int = 16, **options: Any
        ) -> None:
            page = chromium.page(url, login=login, **{"viewport": LAPTOP, **options})
            page.add_init_script(FOLDED)
            page.goto(OVERVIEW)
            page.locator("html[data-djust-drawn]").wait_for(state="attached")
            if link:
                page.get_by_role("link", name=link, exact=True).last.click()
                page.wait_for_url(lambda address: not address.endswith(OVERVIEW))
            picture(page, name, page.locator(first), page.locator(last), below)
            page.context.close()

        take("overview", last=".djust-charts")
        take("overview-dark", last=".djust-charts", color_scheme="dark")
        take("overview-maintenance", first="section:has(.djust-schedules)", last=".djust-halves")
        take("overview-phone", last=".djust-chart >> nth=1", viewport=PHONE)
        take("alert", "Sessions lost", last="#content-main")
        take_site(chromium, url)
        take("live-sessions", "Live sessions", last="#content-main tbody tr >> nth=11", below=0)
    return 0


def take_site(chromium: Chromium, url: str) -> None:
    """Take the pictures of the example itself, where two pack for one trip."""
    ada = chromium.page(url, viewport={"width": 1000, "height": 800})
    ada.goto("/plan/?destination=Lisbon")
    for step in (2, 3):
        ada.get_by_role("button", name="Go on").click()
        ada.get_by_text(f"Step {step} of 4").wait_for()
    ada.get_by_text("Swimming").click()
    picture(ada, "example-plan", ada.locator("body"), ada.locator("main"), 16)
    ada.get_by_role("button", name="Go on").click()
    ada.get_by_role("button", name="Make a list").click()
    ada.wait_for_url("**/trips/**")
    ben = chromium.page(url, viewport=PHONE, color_scheme="dark")
    ben.goto(ada.url)
    for name in ("Underwear", "Socks", "Passport", "Goggles"):
        ben.get_by_role("button", name=name).first.click()
    ada.get_by_text("Somebody packed Goggles.").wait_for()
    ben.get_by_role("button", name="Take Museum card off the list").click()
    ada.get_by_text("took Museum card").wait_for()
    ada.get_by_label("What to add").fill("Earplugs for the")
    picture(ada, "example-trip", ada.locator("body"), ada.locator("main"), 16)
    ben.get_by_role("button", name="Undo").wait_for()
    picture(ben, "example-trip-phone", ben.locator("body"), ben.locator(".group >> nth=1"), 16)
    for page in (ada, ben):
        page.context.close()


def picture(page: Page, name: str, first: Locator, last: Locator, below: int) -> None:
    """Write a picture of a page from the top of one element to the bottom of another, and say how large it is."""
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    top, bottom = first.bounding_box(), last.bounding_box()
    assert top
    assert bottom
    margin = 16 if top["y"] else 0
    y, end = top["y"] - margin, bottom["y"] + bottom["height"] + below
    page_width = page.evaluate("document.documentElement.clientWidth")
    target = IMAGES / f"{name}.png"
    clip = {"x": 0, "y": y, "width": page_width, "height": end - y}
    taken = page.screenshot(full_page=True, clip=clip, animations="disabled")
    target.write_bytes(reduce_colours(page.context.new_page(), taken))
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
