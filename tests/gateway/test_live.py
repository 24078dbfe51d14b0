"""The handshake as the parked edge drives it: in one go, without a task, and never waiting for nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.edge.outbox import Outbox
from gateway.edge.parked.asgi import EXTENSIONS
from gateway.hub import Hub
from gateway.live import Live
from gateway.pass_keys import PassKeys
from gateway.settings import GatewaySettings
from protocol.sessions import new_session, sign_session
from tests.support.log import Log
from tests.support.samples import EXPERIENCE, consumer

Message = dict[str, Any]
KEY = "00" * 32
FAR = 2_000_000_000


class Door:
    """Drives one handshake by hand; ``sent`` is what the app said."""

    def __init__(self, *, sockets_max: int = 100) -> None:
        settings = GatewaySettings(session_key=KEY, control_key="c" * 16, checkout_key="k" * 16)
        self.hub = Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), sockets_max)
        self.room = self.hub._found(EXPERIENCE)
        log = Log()
        log.configure()
        for entry in log.entries:
            self.room.receive(*entry)
        self.room.caught_up()
        self.sent: list[Message] = []

    async def _receive(self) -> Message:
        return {"type": "websocket.connect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def handshake(self, experience: str = EXPERIENCE, *headers: tuple[bytes, bytes], query: bytes = b"") -> Coroutine:
        scope = {
            "type": "websocket",
            "path": f"/v1/experiences/{experience}/live",
            "query_string": query,
            "headers": [(b"host", b"room.example"), *headers],
            "subprotocols": ["stanchion.v1"],
            "extensions": {name: {} for name in EXTENSIONS},
        }
        return Live(self.hub)(scope, self._receive, self._send)

    def kinds(self) -> list[str]:
        """What was said: types of messages, and of frames."""
        return [json.loads(one["text"])["type"] if "text" in one else one["type"] for one in self.sent]


def drive(handshake: Coroutine) -> None:
    """Run it to its end; fails if it waits for anything, or asks for its task."""
    with pytest.raises(StopIteration):
        handshake.send(None)


def bearer(number: int) -> tuple[bytes, bytes]:
    token = sign_session(new_session(consumer(number), 0, FAR), bytes.fromhex(KEY))
    return b"authorization", f"Bearer {token}".encode()


def test_who_brings_nothing_is_told_all_in_one_go() -> None:
    door = Door()
    drive(door.handshake())
    assert door.kinds() == ["websocket.accept", "welcome", "phase", "websocket.park"]
    assert (door.sent[0]["subprotocol"], door.room.sockets) == ("stanchion.v1", 0)
    box = Outbox()
    door.sent[-1]["parked"](door.hub.lot.add_line(box))
    assert (door.room.sockets, box.take_all(), door.room.outgoing.backlog) == (1, [], 0)


def test_states_that_changed_before_it_was_parked_are_told_again() -> None:
    door = Door()
    drive(door.handshake())
    door.room.away = True
    box = Outbox()
    door.sent[-1]["parked"](door.hub.lot.add_line(box))
    (phase,) = [json.loads(frame) for frame in box.take_all()]
    assert phase["paused"] == "outage"


def test_who_brings_a_session_joins_once_parked() -> None:
    door = Door()
    drive(door.handshake(EXPERIENCE, bearer(1), query=b"join=general"))
    assert door.kinds() == ["websocket.accept", "welcome", "websocket.park"]
    door.sent[-1]["parked"](door.hub.lot.add_line(Outbox()))
    assert door.room.outgoing.backlog == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (((b"origin", b"https://evil.example"),), 403),
        (((b"authorization", b"Bearer x"),), 401),
        (((b"cookie", b"stanchion_session=\xff"),), 401),
    ],
)
def test_who_is_refused_hears_it_before_the_upgrade(headers: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    door = Door()
    drive(door.handshake(EXPERIENCE, *headers))
    assert door.kinds() == ["websocket.http.response.start", "websocket.http.response.body"]
    assert door.sent[0]["status"] == status


def test_nobody_is_let_in_while_leaving() -> None:
    door = Door()
    door.hub.draining = True
    drive(door.handshake())
    assert door.sent[0]["status"] == 503


def test_a_log_that_went_away_meanwhile_sends_them_back() -> None:
    door = Door()
    drive(door.handshake())
    door.room.reset()
    box = Outbox()
    door.sent[-1]["parked"](door.hub.lot.add_line(box))
    assert (box.closing, door.room.sockets) == (4503, 0)


async def test_what_must_be_looked_up_waits_first() -> None:
    door = Door()
    handshake = door.handshake("Not-An-Id")
    assert handshake.send(None) is None
    with pytest.raises(StopIteration):
        handshake.send(None)
    assert door.sent[0]["status"] == 503
    assert asyncio.current_task() is not None
