"""A simulated visitor."""

from __future__ import annotations

import asyncio
import random

from simulation.page import Page
from simulation.tally import Tally

DESTINATIONS = ("Lisbon", "Kyoto", "Tromsø", "Naples", "Galway", "Vilnius", "Oaxaca", "Hobart", "Bergen", "Aveiro")
THINGS = ("Earplugs", "Postcards", "Chess set", "Tea", "Sketchbook", "Snacks for the train", "Harmonica", "Ear muffs")
#: Half-typed names of things.
NOTES = ("Is the cat sitter", "Ask Mum about the", "Two of those nice")


class Visitor:
    """One person with a browser, and sometimes a friend."""

    def __init__(self, url: str, tally: Tally, ttl: float) -> None:
        self._url = url
        self._tally = tally
        self._ttl = ttl
        self._cookies: dict[str, str] = {}

    async def visit(self) -> None:
        """Plan a trip, pack, and go, with whatever may come between."""
        self._tally.visitors += 1
        path = await self._plan()
        page = await self._open(path)
        await page.do("look")
        if random.random() < 0.4:
            await self._pack_together(page, path)
        else:
            await self._pack(page)
        if random.random() < 0.1:
            # Longer than anybody waits.
            left = page.sight
            await page.lose_connection()
            await asyncio.sleep(self._ttl * 1.3)
            await page.come_back(left)
        await page.leave()

    async def _plan(self) -> str:
        """Answer the questions, and return where the trip is."""
        page = await self._open("/plan/")
        where = {"destination": random.choice(DESTINATIONS), "kind": random.choice(("city", "beach", "hike", "work"))}
        when = {"nights": str(random.randint(1, 9)), "leaving": "2031-05-04", "washes": "on"}
        what = {"weather": random.choice(("mild", "hot", "cold", "wet")), "extras": ["swim", "camera"]}
        for step, answers in (("where", where), ("when", when), ("what", what)):
            await self._pause()
            await page.do("check", step=step, **answers, _target=next(iter(answers)))
            await self._maybe_leave_and_come_back(page)
            await page.do("next_step", step=step, **answers)
        await page.do("choose", name="Toothbrush", wanted=False)
        await self._maybe_leave_and_come_back(page)
        await page.do("finish")
        path = page.leads_to
        self._tally.trips += 1
        await page.leave()
        return path

    async def _pack(self, page: Page) -> None:
        await page.type("draft", random.choice(NOTES))
        for _ in range(random.randint(2, 4)):
            await self._pause()
            item, (_, packed) = random.choice(list(page.sight.items.items()))
            await page.do("tick", item_id=int(item), packed=not packed)
        await self._maybe_leave_and_come_back(page)

    async def _pack_together(self, page: Page, path: str) -> None:
        """Let a friend open the link. One sees what the other does, and finds it on coming back."""
        friend = await Page.open(self._url, path, {}, self._tally, self._ttl)
        await friend.do("look")
        await page.see(lambda sight: sight.has_company)
        await page.type("draft", random.choice(NOTES))
        item = next(iter(page.sight.items))
        await page.do("tick", item_id=int(item), packed=True)
        await friend.see(lambda sight: sight.items[item][1])
        await self._pause()
        draft = page.sight.draft
        await page.lose_connection()
        await friend.do("add", name=random.choice(THINGS), group="Other")
        await asyncio.sleep(random.uniform(0.1, 0.6) * self._ttl)
        await page.come_back(friend.sight._replace(draft=draft))
        await friend.leave()

    async def _maybe_leave_and_come_back(self, page: Page) -> None:
        if random.random() < 0.25:
            left = page.sight
            await page.lose_connection()
            await asyncio.sleep(random.uniform(0.1, 0.7) * self._ttl)
            await page.come_back(left)

    async def _open(self, path: str) -> Page:
        return await Page.open(self._url, path, self._cookies, self._tally, self._ttl)

    async def _pause(self) -> None:
        await asyncio.sleep(random.uniform(0.02, 0.08) * self._ttl)
