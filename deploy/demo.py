"""The demo experience: put there once through the control interface, as any merchant would, and then left alone.

A restart finds it in the log and changes nothing, so the tickets of a demo survive one. What has its time has it soon
after the first start; the instants that stand in ``demo.json`` itself are far away.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import json
import time
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import httpx

EXPERIENCE = "demo"
DRAW_CLOSES_AFTER_MS = 10 * 60_000
AUCTION_ENDS_AFTER_MS = 15 * 60_000
APPOINTMENT_DAYS = 14
OPENS, CLOSES = "10:00", "19:00"
DROP_OPENS_AFTER_MS = 3 * 60_000
POLL_INTERVAL_MS = 100
REQUEST_TIMEOUT_MS = 10_000


class DemoError(Exception):
    """The waiting room did not get ready, or refused the demo experience; the text says why."""


def document(checkout_url: str, now_ms: int) -> dict[str, Any]:
    """The demo experience with its checkout at `checkout_url`, as it begins at `now_ms` (epoch)."""
    raw: dict[str, Any] = json.loads((importlib.resources.files("deploy") / "demo.json").read_text())
    for path in raw["paths"]:
        match path["distribution"]["kind"]:
            case "draw":
                path["distribution"]["closes_at"] = now_ms + DRAW_CLOSES_AFTER_MS
            case "auction":
                path["distribution"]["ends_at"] = now_ms + AUCTION_ENDS_AFTER_MS
            case "appointment":
                path["distribution"]["windows"] = _opening(now_ms, ZoneInfo(raw["time_zone"]))
            case "timed_release":
                path["opens_at"] = now_ms + DROP_OPENS_AFTER_MS
    return raw | {"checkout_url": checkout_url}


def _opening(now_ms: int, zone: ZoneInfo) -> list[dict[str, str]]:
    """Windows of the day that it is and of the days behind it, as clocks in ``zone`` show them."""
    today = datetime.fromtimestamp(now_ms / 1_000, zone).date()
    days = (today + timedelta(days=ahead) for ahead in range(APPOINTMENT_DAYS))
    return [{"date": day.isoformat(), "from": OPENS, "to": CLOSES} for day in days]


async def wait_until_ready(room: str, timeout_s: float) -> None:
    """Return once `/readyz` answers 200. Raises `DemoError` after `timeout_s`."""
    async with httpx.AsyncClient(base_url=room, trust_env=False) as client:
        last = "no answer"
        try:
            async with asyncio.timeout(timeout_s):
                while last != "ready":
                    last = await _readiness(client)
                    await asyncio.sleep(POLL_INTERVAL_MS / 1000)
        except TimeoutError as error:
            raise DemoError(f"the waiting room at {room} was not ready within {timeout_s:g} s: {last}") from error


async def _readiness(client: httpx.AsyncClient) -> str:
    try:
        answer = await client.get("/readyz")
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return "ready" if answer.status_code == HTTPStatus.OK else answer.text


async def ensure(room: str, control_key: str, checkout_url: str) -> bool:
    """Put the demo experience there unless it exists; true if it was made now. Raises `DemoError`.

    One that is there keeps all that was changed about it, but for `checkout_url`: the shop may be elsewhere today.
    """
    address = f"/v1/control/experiences/{EXPERIENCE}"
    async with httpx.AsyncClient(
        base_url=room,
        headers={"Authorization": f"Bearer {control_key}"},
        timeout=REQUEST_TIMEOUT_MS / 1000,
        trust_env=False,
    ) as client:
        try:
            there = await client.get(address)
            made = there.status_code != HTTPStatus.OK
            begun = document(checkout_url, time.time_ns() // 1_000_000)
            wanted = begun if made else there.json() | {"checkout_url": checkout_url}
            if not made and wanted == there.json():
                return False
            answer = await client.put(address, json=wanted)
        except httpx.TransportError as error:
            raise DemoError(f"the waiting room at {room} did not take the demo experience: {error}") from error
    if answer.status_code not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise DemoError(f"the demo experience was refused: {answer.status_code} {answer.text}")
    return made
