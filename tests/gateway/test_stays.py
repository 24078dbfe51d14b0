"""Stays without a socket, at a room whose log is written by hand."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.arrivals import Arrival
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.pass_keys import PassKeys
from gateway.settings import GatewaySettings
from gateway.stays import act
from protocol.frames import ClientFrame, JoinFrame
from protocol.kind_frames import BidFrame, ClaimFrame
from protocol.refusals import Reason, Refusal
from protocol.sessions import Session
from tests.support.log import joined
from tests.support.rooms import NEVER, Stage
from tests.support.samples import consumer, raw_auction


def arrived(stage: Stage) -> tuple[Hub, Arrival]:
    """Consumer 1 at the room of ``stage``."""
    settings = GatewaySettings(session_key="00" * 32, control_key="control-key-01234", checkout_key="checkout-key-0123")
    hub = Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100)
    hub.lot = stage.lot
    return hub, Arrival(stage.room, Identity(Session(consumer(1), 0, 0, NEVER), "", True), [], None)


async def test_what_is_done_while_the_log_is_read_anew_is_engine_away() -> None:
    stage = Stage()
    hub, arrival = arrived(stage)
    acting = asyncio.create_task(act(hub, arrival, JoinFrame(path="general")))
    await asyncio.sleep(0)
    assert stage.room.outgoing.backlog == 2
    stage.room.reset()
    for entry in stage.log.entries:
        stage.read(entry)
    stage.answer(joined(0, 1))
    refusal = await acting
    assert isinstance(refusal, Refusal)
    assert refusal.reason == Reason.ENGINE_AWAY


@pytest.mark.parametrize(
    "frame",
    [
        BidFrame(path="auction", max="10.005", id="b0", ref="r"),
        ClaimFrame(path="auction", price="10.005", ref="r"),
    ],
)
async def test_money_that_the_currency_does_not_have_is_refused_like_all_else(frame: ClientFrame) -> None:
    stage = Stage(paths=[raw_auction(ends_at=NEVER)])
    refusal = await act(*arrived(stage), frame)
    detail = "10.005 has more decimals than EUR, which has 2"
    assert refusal == Refusal(Reason.INVALID, {"detail": detail, "path": "auction", "ref": "r"})
    assert stage.metrics.refusals.labels("invalid")._value.get() == 1
