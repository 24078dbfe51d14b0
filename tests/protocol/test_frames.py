"""Frames: the JSON that clients rely on, spelled out, and every frame there and back."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from protocol import codec, frames, kind_frames
from protocol.frames import ClientFrame, ServerFrame

VIEW = frames.ExperienceView(
    "drop",
    "Sneaker drop",
    "open",
    [{"id": "runner"}],
    "https://shop.example/checkout",
    [frames.PathView("general", "queue", "open", 1, None, "open", waiting=3)],
)

SERVER: list[tuple[ServerFrame, dict[str, Any]]] = [
    (
        frames.Welcome(1, 5, frames.ConsumerView("00", "guest"), VIEW, [frames.TicketView("general", "waiting", 3)]),
        {
            "type": "welcome",
            "v": 1,
            "now": 5,
            "consumer": {"id": "00", "level": "guest"},
            "experience": {
                "id": "drop",
                "name": "Sneaker drop",
                "phase": "open",
                "products": [{"id": "runner"}],
                "checkout_url": "https://shop.example/checkout",
                "paths": [
                    {
                        "id": "general",
                        "kind": "queue",
                        "phase": "open",
                        "opens_at": 1,
                        "closes_at": None,
                        "access": "open",
                        "waiting": 3,
                    }
                ],
                "theme": {},
            },
            "tickets": [{"path": "general", "state": "waiting", "ticket": 3}],
        },
    ),
    (
        frames.PhaseFrame("general", "scheduled", None, 5, "merchant"),
        {"type": "phase", "path": "general", "phase": "scheduled", "at": None, "now": 5, "paused": "merchant"},
    ),
    (
        frames.JoinedFrame("general", "waiting", "r", 3, 9, 7),
        {"type": "joined", "path": "general", "state": "waiting", "receipt": "r", "ticket": 3, "draw_at": 9, "ref": 7},
    ),
    (
        frames.PositionFrame(path="general", ahead=2, of=9, eta=(60, 90), rate=600, now=5),
        {"type": "position", "path": "general", "ahead": 2, "of": 9, "eta": [60, 90], "rate": 600, "now": 5},
    ),
    (
        frames.PositionFrame(path="general", ahead=2, of=9, eta=None, rate=0, now=5, why="paused"),
        {"type": "position", "path": "general", "ahead": 2, "of": 9, "eta": None, "rate": 0, "now": 5, "why": "paused"},
    ),
    (
        frames.PositionFrame(path="general", of=9, now=5),
        {"type": "position", "path": "general", "of": 9, "now": 5},
    ),
    (
        frames.AdmittedFrame("general", "ab", 9, "https://shop.example/checkout", 5, "h.b.s"),
        {
            "type": "admitted",
            "path": "general",
            "admission": "ab",
            "expires_at": 9,
            "checkout_url": "https://shop.example/checkout",
            "now": 5,
            "pass": "h.b.s",
        },
    ),
    (
        frames.TicketFrame("general", "expired", 3, may_rejoin=True),
        {"type": "ticket", "path": "general", "state": "expired", "ticket": 3, "may_rejoin": True},
    ),
    (
        frames.SoldOutFrame("general", True, 5),
        {"type": "sold_out", "path": "general", "may_return": True, "now": 5},
    ),
    (
        frames.SoldOutFrame("general", False, 5, over=True),
        {"type": "sold_out", "path": "general", "may_return": False, "now": 5, "over": True},
    ),
    (
        frames.StockFrame("runner", "42", "few", 3),
        {"type": "stock", "product": "runner", "variant": "42", "band": "few", "left": 3},
    ),
    (frames.NoticeFrame("Hello", "info", 5), {"type": "notice", "text": "Hello", "level": "info", "now": 5}),
    (frames.ReconnectFrame(250), {"type": "reconnect", "after_ms": 250}),
    (frames.OkFrame(5, "a"), {"type": "ok", "now": 5, "ref": "a"}),
    (
        frames.ErrorFrame("not_open", True, "This is not open yet.", 500, opens_at=9),
        {
            "type": "error",
            "reason": "not_open",
            "temporary": True,
            "message": "This is not open yet.",
            "retry_after_ms": 500,
            "opens_at": 9,
        },
    ),
    (
        kind_frames.DrawResultFrame("vip", True, "/proof", place=2, winners=3, entrants=9),
        {"type": "draw_result", "path": "vip", "won": True, "proof": "/proof", "place": 2, "winners": 3, "entrants": 9},
    ),
    (
        kind_frames.HighBidFrame(
            "sale", "EUR", 9, 5, "12.00", bids=2, min_next="13.00", reserve_met=True, extensions=0
        ),
        {
            "type": "high_bid",
            "path": "sale",
            "amount": "12.00",
            "currency": "EUR",
            "closes_at": 9,
            "now": 5,
            "bids": 2,
            "min_next": "13.00",
            "reserve_met": True,
            "extensions": 0,
        },
    ),
    (
        kind_frames.HighBidFrame("clock", "EUR", None, 5, price="30.00", next_drop_at=7, left=2),
        {
            "type": "high_bid",
            "path": "clock",
            "currency": "EUR",
            "closes_at": None,
            "now": 5,
            "price": "30.00",
            "next_drop_at": 7,
            "left": 2,
        },
    ),
    (
        kind_frames.BidStatusFrame("sale", "leading", max="20.00", price="12.00", ref=1),
        {"type": "bid_status", "path": "sale", "status": "leading", "max": "20.00", "price": "12.00", "ref": 1},
    ),
    (
        kind_frames.SlotsFrame("fitting", [kind_frames.SlotView("s", 7, 9, "Berlin", 2)], 5, 0, None),
        {
            "type": "slots",
            "path": "fitting",
            "slots": [{"id": "s", "start": 7, "end": 9, "location": "Berlin", "free": 2}],
            "now": 5,
            "since": 0,
            "until": None,
        },
    ),
    (
        kind_frames.HeldFrame("fitting", "s", 5, 9),
        {"type": "held", "path": "fitting", "slot": "s", "hold_expires_at": 9, "now": 5},
    ),
    (
        kind_frames.BookedFrame("fitting", "s", "ABC"),
        {"type": "booked", "path": "fitting", "slot": "s", "confirmation": "ABC"},
    ),
    (
        kind_frames.CancelledFrame("fitting", "s", "hold_over"),
        {"type": "cancelled", "path": "fitting", "slot": "s", "reason": "hold_over"},
    ),
    (
        kind_frames.AnnouncedFrame("late", "drop", 5),
        {"type": "announced", "path": "late", "source": "drop", "now": 5},
    ),
    (
        kind_frames.OfferFrame("late", "ab", 9, 5, price="12.00", reserved=False),
        {
            "type": "offer",
            "path": "late",
            "offer": "ab",
            "claim_by": 9,
            "now": 5,
            "price": "12.00",
            "reserved": False,
        },
    ),
    (
        kind_frames.CodeResultFrame("gated", "vip", "closed", 4),
        {"type": "code_result", "outcome": "gated", "path": "vip", "reason": "closed", "ref": 4},
    ),
]

CLIENT: list[tuple[dict[str, Any], ClientFrame]] = [
    ({"type": "join"}, frames.JoinFrame()),
    ({"type": "join", "path": "general", "ref": 1}, frames.JoinFrame(path="general", ref=1)),
    ({"type": "leave", "path": "general"}, frames.LeaveFrame(path="general")),
    ({"type": "decline", "path": "general"}, frames.DeclineFrame(path="general")),
    ({"type": "rejoin", "path": "general"}, frames.RejoinFrame(path="general")),
    ({"type": "watch", "path": "general"}, frames.WatchFrame(path="general")),
    ({"type": "unwatch", "path": "general"}, frames.UnwatchFrame(path="general")),
    ({"type": "ping", "ref": "a"}, frames.PingFrame(ref="a")),
    ({"type": "choose", "path": "a", "variant": "42"}, kind_frames.ChooseFrame(path="a", variant="42")),
    ({"type": "bid", "path": "a", "max": "12.50", "id": "b"}, kind_frames.BidFrame(path="a", max="12.50", id="b")),
    ({"type": "hold", "path": "a", "slot": "s"}, kind_frames.HoldFrame(path="a", slot="s")),
    ({"type": "book", "path": "a"}, kind_frames.BookFrame(path="a")),
    ({"type": "reschedule", "path": "a", "slot": "s"}, kind_frames.RescheduleFrame(path="a", slot="s")),
    ({"type": "cancel", "path": "a"}, kind_frames.CancelFrame(path="a")),
    ({"type": "claim", "path": "a", "price": "3.00"}, kind_frames.ClaimFrame(path="a", price="3.00")),
    ({"type": "claim", "path": "a", "variant": "42"}, kind_frames.ClaimFrame(path="a", variant="42")),
    ({"type": "code", "code": "spring"}, kind_frames.CodeFrame(code="spring")),
]


def test_the_lists_above_have_every_frame() -> None:
    assert {type(frame) for frame, _ in SERVER} == set(get_args(ServerFrame))
    assert {type(frame) for _, frame in CLIENT} == set(get_args(ClientFrame))


@pytest.mark.parametrize(("frame", "expected"), SERVER, ids=lambda value: type(value).__name__)
def test_a_server_frame_is_this_json(frame: ServerFrame, expected: dict[str, Any]) -> None:
    text = codec.encode_frame(frame)
    assert json.loads(text) == expected
    assert codec.decode_server_frame(text) == frame


@pytest.mark.parametrize(("raw", "expected"), CLIENT, ids=lambda value: type(value).__name__)
def test_a_client_frame_is_this_json(raw: dict[str, Any], expected: ClientFrame) -> None:
    frame = codec.decode_client_frame(json.dumps(raw))
    assert frame == expected
    assert codec.decode_client_frame(codec.encode_frame(frame)) == frame


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "join", "path": "x" * 65},
        {"type": "join", "path": None},
        {"type": "leave", "path": "x" * 65},
        {"type": "ping", "ref": "x" * 65},
        {"type": "ping", "ref": -1},
        {"type": "ping", "ref": 2**53 + 1},
        {"type": "ping", "ref": True},
        {"type": "ping", "ref": {}},
        {"type": "bid", "path": "a", "max": "-1", "id": "b"},
        {"type": "bid", "path": "a", "max": 12, "id": "b"},
        {"type": "bid", "path": "a", "max": "12\n", "id": "b"},
        {"type": "bid", "path": "a", "max": "٣٠", "id": "b"},
        {"type": "claim", "path": "a", "offer": "ab"},
        {"type": "code", "code": ""},
    ],
)
def test_a_client_frame_out_of_bounds_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(codec.DecodeError):
        codec.decode_client_frame(json.dumps(raw))
