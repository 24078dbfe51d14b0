"""A merchant and people at a running waiting room: what live tests of the kinds begin with."""

from __future__ import annotations

from typing import Any

import redis

from tests.support.live import Frame, guest
from tests.support.samples import raw_document, raw_product, raw_variant
from tests.support.stream import Follower
from tests.support.waiting_room import WaitingRoom


class Merchant:
    """Makes one experience of ``room`` and runs it by hand."""

    def __init__(self, room: WaitingRoom, name: str) -> None:
        self.room = room
        self.name = name

    async def make(self, *paths: dict[str, Any], stock: int | None = 1, **fields: Any) -> None:
        """An experience with these paths, which sell one variant of ``stock``, unless ``fields`` has products."""
        products = [raw_product(raw_variant(stock=stock))]
        document = raw_document(**{"id": self.name, "products": products, "paths": list(paths)} | fields)
        async with self.room.control() as control:
            answer = await control.put(f"/v1/control/experiences/{self.name}", json=document)
        assert answer.status_code == 201, answer.text

    async def does(self, action: str, *, method: str = "POST", **content: Any) -> dict[str, Any]:
        """The answer to ``paths/drop/open`` and the like."""
        address = f"/v1/control/experiences/{self.name}/{action}"
        async with self.room.control() as control:
            answer = await control.request(method, address, json=content or None)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def adds_stock(self, count: int) -> None:
        await self.does("products/runner/variants/42", method="PATCH", add=count)

    async def people(self, count: int) -> list[str]:
        """The tokens of so many sessions."""
        async with self.room.client() as client:
            return [await guest(client) for _ in range(count)]

    async def asks(self, token: str, **frame: Any) -> Frame:
        """The frame that answers ``frame`` over HTTP; of a refusal the problem document."""
        async with self.room.client() as client:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.post(f"/v1/experiences/{self.name}/commands", json=frame, headers=headers)
        return dict(answer.json())

    def log(self) -> Follower:
        """The whole log, read by the auditor, who raises Broken where a promise is."""
        with redis.Redis.from_url(self.room.redis_url) as client:
            follower = Follower(client, self.name)
            follower.read()
        return follower
