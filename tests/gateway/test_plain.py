"""The words of the page without JavaScript, from what a poll tells."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.app import Gateway
from gateway.hub import Hub
from gateway.pass_keys import PassKeys
from gateway.plain import view_of
from gateway.settings import GatewaySettings
from protocol.frames import AdmittedFrame, PhaseFrame, PositionFrame, ServerFrame, TicketFrame

NOW = 1_800_000_000_000
OPEN = PhaseFrame("general", "open", None, NOW)


def position(eta: tuple[int, int] | None) -> PositionFrame:
    return PositionFrame(path="general", ahead=7, of=20, eta=eta, rate=60, now=NOW)


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([OPEN], "Welcome", 'value="join"'),
        ([PositionFrame(path="general", of=20, now=NOW)], "You are in the lobby", "people are here"),
        ([PhaseFrame("general", "scheduled", NOW, NOW)], "Not open yet", "15 January 2027, 08:00 UTC"),
        ([PhaseFrame("general", "ended", None, NOW)], "Closed", ""),
        ([position((60, 125)), OPEN], "You are in line", "1–3 min"),
        ([position((61, 120)), OPEN], "You are in line", "1–2 min"),
        ([position(None), PhaseFrame("general", "open", None, NOW, "merchant")], "You are in line", "place is safe"),
        (
            [AdmittedFrame("general", "aa", NOW + 61_000, "https://s.example/?a=1&b", NOW, "p")],
            "It is your turn",
            "1:01",
        ),
        ([TicketFrame("general", "expired", 0, may_rejoin=True)], "Your turn has passed", 'value="rejoin"'),
        ([TicketFrame("general", "left", 0)], "You have left the line", 'value="join"'),
        ([TicketFrame("general", "completed", 0)], "Thank you", ""),
    ],
)
def test_every_state_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    view = view_of(frames)
    assert view.headline == headline
    assert part in " ".join(view)


def test_markup_in_an_address_stays_text() -> None:
    view = view_of([AdmittedFrame("general", "aa", NOW, 'https://s.example/?"><b>', NOW, "p")])
    assert "<b>" not in view.action


async def test_nobody_is_at_the_door_before_their_form_is_read() -> None:
    settings = GatewaySettings(session_key="00" * 32, control_key="control-key-01234", checkout_key="checkout-key-0123")
    hub = Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100)
    at_the_door: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        at_the_door.append(hub.bouncer.handshakes)
        return {"type": "http.disconnect"}

    async def send(_message: MutableMapping[str, Any]) -> None:
        pass

    head = {"type": "http", "method": "POST", "path": "/r/drop/plain", "query_string": b"", "headers": []}
    await Gateway(hub, settings)(head, receive, send)
    assert at_the_door == [0]
