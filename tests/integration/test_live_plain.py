"""The page without JavaScript against the real parts: each kind by its forms alone."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import httpx

from tests.support.merchant import Merchant
from tests.support.samples import raw_auction
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000
NAME = "plain-kinds"
FORM = re.compile(r'<form method="post"[^>]*>(.*?)</form>', re.DOTALL)
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
BUTTON = re.compile(r'<button class="[\w-]+" name="action" value="(\w+)">([^<]*)</button>')


class Reader:
    """Somebody with a browser that runs no script: they read, and press what the page has."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._address = f"/r/{NAME}/plain"

    async def reads(self, path: str = "") -> str:
        """The page of a path."""
        answer = await self._client.get(self._address, params={"path": path})
        assert answer.status_code == 200, answer.text
        return html.unescape(answer.text)

    async def presses(self, path: str, label: str, form: str = "", **typed: str) -> str:
        """The page that follows when the button whose label begins so is pressed on the one of ``path``."""
        page = (await self._client.get(self._address, params={"path": path, "form": form})).text
        for inside in FORM.findall(page):
            ((action, words),) = BUTTON.findall(inside)
            if html.unescape(words).startswith(label):
                fields = {name: html.unescape(text) for name, text in FIELD.findall(inside)}
                answer = await self._client.post(self._address, data=fields | typed | {"action": action})
                assert answer.status_code == 303, answer.text
                return html.unescape((await self._client.get(answer.headers["location"])).text)
        raise AssertionError(f"no button {label!r} on {page}")


def paths() -> list[dict[str, Any]]:
    """One of each kind that has forms of its own, open to guests."""
    soon = time.time_ns() // 1_000_000 + HOUR_MS
    windows = [{"date": "2100-01-01", "from": "10:00", "to": "12:00"}]
    fitting = {"kind": "appointment", "location": "Berlin", "windows": windows, "duration_minutes": 60}
    return [
        {"id": "vip", "distribution": {"kind": "draw", "closes_at": soon, "winner_count": 1}},
        raw_auction(ends_at=soon, start_price="50.00", increments=[{"from": "0", "step": "5.00"}]),
        {"id": "fitting", "min_level": "guest", "distribution": fitting},
        {"id": "drop", "distribution": {"kind": "timed_release", "limit": 1}},
        {"id": "waitlist", "attached_to": "drop", "distribution": {"kind": "waitlist"}},
    ]


async def test_every_kind_by_its_forms(waiting_room: WaitingRoom) -> None:
    merchant = Merchant(waiting_room, NAME)
    await merchant.make(*paths(), stock=None)
    async with waiting_room.client(0) as client, waiting_room.client(1) as elsewhere:
        one, two = Reader(client), Reader(elsewhere)
        assert "You are in the draw" in await one.presses("vip", "Enter the draw")
        assert "You are not in the draw any more" in await one.presses("vip", "Withdraw my entry")

        refused = await one.presses("auction", "Bid", form="bid", max="3")
        assert "less than the least that is taken now" in refused and "The auction is running" in refused
        assert "You are leading" in await one.presses("auction", "Bid", form="bid", max="60,00")
        assert "You are leading" in await two.presses("auction", "Bid", form="bid", max="80")
        assert "does not have the form" in await two.presses("auction", "Bid", form="bid", max="lots")

        booked = await one.presses("fitting", "01 January 2100, 10:00 UTC")
        assert "You are booked" in booked and "01 January 2100, 10:00 UTC, Berlin" in booked
        moved = await one.presses("fitting", "01 January 2100, 11:00", form="change")
        assert "You are booked" in moved and "01 January 2100, 11:00 UTC, Berlin" in moved
        assert "Choose a time" in await one.presses("fitting", "Cancel my booking")

        assert "It is your turn" in await one.presses("drop", "Claim yours")
        assert "You are on the waitlist" in await two.presses("waitlist", "Join the waitlist")
        assert "You gave it away" in await one.presses("drop", "Give up my turn")
        assert "It is your turn" in await two.presses("waitlist", "Take it")
        ways = await two.reads()
        assert "Waitlist" in ways and ways.count("<li>") == 5 and "<h1>It is your turn</h1>" in ways
    merchant.log()
