"""What an auction tells whom: a bidder of their own bid, everybody of the price, at most so often, and no secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import conversations
from gateway.rounds import tell_prompt, tell_round
from protocol.commands import Attach
from protocol.events import (
    Admitted,
    Answered,
    Attached,
    Completed,
    Configured,
    Expired,
    Holding,
    Left,
    Refused,
    ReleaseRateChanged,
    StockChanged,
    TicketRefused,
    WaitingLost,
)
from protocol.kind_events import (
    Allotted,
    AuctionEnded,
    BidPlaced,
    Claimed,
    EndMoved,
    Offered,
    OfferExpired,
    PriceChanged,
    PriceDropped,
    TicketsLost,
    UnitTaken,
)
from protocol.passes import PassClaims
from protocol.states import TicketState
from tests.support.log import START_MS, joined
from tests.support.passes import claims_in
from tests.support.rooms import KID, Stage, line
from tests.support.samples import consumer, document, raw_auction, raw_document, raw_path, raw_product, raw_variant

ENDS_AT = START_MS + 60_000
ADMISSION = bytes(range(16))
RESERVE = 77_777
HIDDEN = ("reserve_price", "777.77", "77777")


def stage(**terms: Any) -> Stage:
    """An auction that is open, and a socket of nobody in particular."""
    made = Stage(paths=[raw_auction(ends_at=ENDS_AT, start_price="10.00", reserve_price="777.77", **terms)])
    made.read(made.log.append(EndMoved("auction", ENDS_AT, None)))
    return made


def dutch(**terms: Any) -> Stage:
    settings: dict[str, Any] = {
        "start_price": "30.00",
        "floor_price": "10.00",
        "drop_amount": "5.00",
        "drop_interval_seconds": 10,
    }
    return Stage(
        paths=[raw_auction(style="dutch", quantity=3, **settings, **terms)],
        products=[raw_product(raw_variant(stock=2))],
    )


def bid(
    ticket: int, maximum: int, price: int, count: int, leading: list[int], outbid: list[int], name: str = ""
) -> BidPlaced:
    """An accepted bid of ``ticket``, and what stands then."""
    met, ends_at = price >= RESERVE, ENDS_AT + count
    return BidPlaced(
        "auction", START_MS, price, count, price + 100, met, ends_at, 0, leading, outbid, ticket, maximum, name
    )


def ask(room: Stage, socket: Any, **frame: Any) -> None:
    conversations.receive(room.room, socket, json.dumps(frame), 20)


def of_type(frames: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [frame for frame in frames if frame["type"] == kind]


@pytest.mark.parametrize("kept", [False, True])
def test_a_bid_that_is_lost_with_its_log_is_told_to_be_undone(kept: bool) -> None:
    room = stage()
    socket = room.enter(1)
    room.read(room.log.append(joined(0, 1, path="auction")))
    first = bid(0, 5_000, 1_000, 1, [0], [], "a")
    before = list(room.log.entries)
    room.read(room.log.append(first))
    room.read(room.log.append())
    line(socket).take()
    room.log.entries[:], room.log.chain = before, before[-1][2]
    if kept:
        room.log.append(first)
    room.room.reset()
    room.catch_up()
    told = [frame for frame in line(socket).take() if frame["type"] in ("ticket", "joined", "bid_status")]
    back = [("ticket", "waiting", "failover")] * (not kept)
    assert [(one["type"], one.get("state"), one.get("reason")) for one in told] == [
        *back,
        ("joined", "waiting", None),
        *[("bid_status", None, None)] * kept,
    ]


def test_a_bid_is_answered_with_how_it_does_and_who_is_outbid_hears_it() -> None:
    room = stage()
    first, second, watcher = room.enter(1), room.enter(2), room.enter(3)
    ask(room, first, type="bid", path="auction", max="50.00", id="a", ref="mine")
    room.answer(joined(0, 1, path="auction"), bid(0, 5_000, 1_000, 1, [0], [], "a"))
    told = of_type(line(first).take(), "bid_status")
    mine = {"type": "bid_status", "path": "auction", "status": "leading", "max": "50.00", "price": "10.00"}
    assert told == [mine | {"ref": "mine"}]
    ask(room, second, type="bid", path="auction", max="60.00", id="b", ref=2)
    room.answer(joined(1, 2, path="auction"), bid(1, 6_000, 5_100, 2, [1], [0], "b"))
    assert of_type(line(first).take(), "bid_status") == [mine | {"status": "outbid", "price": "51.00"}]
    (told_second,) = of_type(line(second).take(), "bid_status")
    assert (told_second["status"], told_second["max"], told_second["ref"]) == ("leading", "60.00", 2)
    assert not of_type(line(watcher).take(), "bid_status")


def test_each_of_several_bids_gets_its_own_answer() -> None:
    room = stage()
    socket, other = room.enter(1), room.enter(1)
    sender = room.room.outgoing.sender
    ask(room, socket, type="bid", path="auction", max="5.00", id="low", ref="low")
    ask(room, other, type="bid", path="auction", max="40.00", id="other", ref="other")
    ask(room, socket, type="bid", path="auction", max="30.00", id="first", ref="first")
    ask(room, socket, type="bid", path="auction", max="50.00", id="more", ref="more")
    line(socket).take()
    line(other).take()
    room.answer(
        joined(0, 1, path="auction"),
        Refused(sender, 1, 0, "too_low", {"path": "auction", "min_next": "10.00"}),
        bid(0, 4_000, 1_000, 1, [0], [], "other"),
        Refused(sender, 1, 2, "too_low", {"path": "auction", "min_next": "40.01"}),
        bid(0, 5_000, 1_000, 2, [], [], "more"),
    )
    frames = line(socket).take()
    refused = {frame["ref"]: frame["min_next"] for frame in of_type(frames, "error")}
    assert refused == {"low": "10.00", "first": "40.01"}
    assert [(frame["max"], frame.get("ref")) for frame in of_type(frames, "bid_status")] == [
        ("40.00", None),
        ("50.00", "more"),
    ]
    assert [frame.get("ref") for frame in of_type(line(other).take(), "bid_status")] == ["other", None]


def test_a_bid_that_comes_again_is_answered_as_it_stands() -> None:
    room = stage()
    socket = room.enter(1)
    room.read(room.log.join(0, 1, 2, path="auction"))
    room.read(room.log.append(bid(0, 5_000, 1_000, 1, [0], [], "a"), bid(1, 6_000, 5_100, 2, [1], [0])))
    ask(room, socket, type="bid", path="auction", max="50.00", id="a", ref="again")
    line(socket).take()
    room.answer(Answered(room.room.outgoing.sender, 1, 0, {"path": "auction", "status": "outbid", "max": "50.00"}))
    (again,) = line(socket).take()
    assert again == {
        "type": "bid_status",
        "path": "auction",
        "status": "outbid",
        "max": "50.00",
        "price": "51.00",
        "ref": "again",
    }


def test_other_terms_that_change_who_leads_are_told() -> None:
    room = stage(quantity=2)
    room.read(room.log.join(0, 1, 2, path="auction"))
    sockets = [room.enter(number, Attach(consumer(number))) for number in (1, 2)]
    held = [Attached(consumer(one), [Holding("auction", one - 1, 1, TicketState.WAITING)]) for one in (1, 2)]
    room.answer(*held)
    room.read(room.log.append(bid(0, 5_000, 1_000, 1, [0], []), bid(1, 6_000, 1_000, 2, [1], [])))
    for socket in sockets:
        line(socket).take()
    room.read(
        room.log.append(PriceChanged("auction", START_MS, 1_000, 2, 1_100, False, ENDS_AT, 0, [], [0])),
    )
    told = [[frame["status"] for frame in of_type(line(socket).take(), "bid_status")] for socket in sockets]
    assert told == [["outbid"], []]


def test_the_hammer_tells_each_bidder_and_the_pass_has_the_price() -> None:
    room = stage()
    winner, loser = room.enter(1), room.enter(2)
    room.read(room.log.join(0, 1, 2, path="auction"))
    room.read(room.log.append(bid(0, 90_000, 1_000, 1, [0], []), bid(1, 80_000, 80_100, 2, [], [])))
    for socket in (winner, loser):
        line(socket).take()
    room.read(
        room.log.append(
            AuctionEnded("auction", ENDS_AT, 80_100, [0]),
            Allotted("auction", [0], [""], [80_100]),
            Admitted("auction", ENDS_AT, ENDS_AT + 600_000, KID, [0], ADMISSION, False),
        )
    )
    won, admitted = line(winner).take()
    assert (won["status"], won["max"], won["price"]) == ("won", "900.00", "801.00")
    assert (admitted["type"], admitted["price"]) == ("admitted", "801.00")
    claims = claims_in(admitted["pass"])
    assert (claims["price"], "variant" in claims, set(claims)) == ("801.00", False, _claims("price"))
    (lost,) = line(loser).take()
    assert (lost["type"], lost["status"], lost["price"]) == ("bid_status", "lost", "801.00")


def _claims(*settled: str) -> set[str]:
    return {name for name in PassClaims.__struct_fields__ if name not in {"price", "variant"}} | set(settled)


def test_whoever_comes_back_is_told_how_their_bid_does() -> None:
    room = stage()
    room.read(room.log.join(0, 1, 2, path="auction"))
    room.read(room.log.append(bid(0, 5_000, 1_000, 1, [0], [])))
    for number, expected in ((1, ["joined", "bid_status", "phase", "high_bid"]), (2, ["joined", "phase", "high_bid"])):
        socket = room.enter(number, Attach(consumer(number)))
        line(socket).take()
        room.answer(Attached(consumer(number), [Holding("auction", number - 1, 1, TicketState.WAITING)]))
        assert line(socket).kinds() == expected


def high_bids(*sockets: Any) -> list[list[dict[str, Any]]]:
    return [of_type(line(socket).take(), "high_bid") for socket in sockets]


async def test_everybody_is_told_the_newest_price_by_its_own_round_alone() -> None:
    room = stage()
    watcher = room.enter(9)
    (first,) = high_bids(watcher)[0]
    assert (first["amount"], first["bids"], first["min_next"]) == (None, 0, "10.00")
    assert (first["reserve_met"], first["closes_at"], first["extensions"]) == (False, ENDS_AT, 0)
    room.read(room.log.join(0, 1, 2, path="auction"))
    room.read(room.log.append(bid(0, 5_000, 1_000, 1, [0], [])))
    room.read(room.log.append(bid(1, 6_000, 5_100, 2, [1], [0])))
    assert room.sockets.prompted.is_set() and room.room.board.is_prompted
    await tell_round(room.room)
    assert [frame["type"] for frame in line(watcher).take()] == ["phase"], "the end has moved"
    await tell_prompt(room.room)
    ((told,),) = high_bids(watcher)
    assert (told["amount"], told["bids"], told["min_next"], told["closes_at"]) == ("51.00", 2, "52.00", ENDS_AT + 2)
    assert not room.room.board.is_prompted
    await tell_prompt(room.room)
    assert high_bids(watcher) == [[]]


async def test_an_end_that_moves_and_new_terms_are_told() -> None:
    room = stage()
    watcher = room.enter(9)
    high_bids(watcher)
    room.read(room.log.append(EndMoved("auction", ENDS_AT + 5_000, None)))
    await tell_prompt(room.room)
    assert [frame["closes_at"] for frame in high_bids(watcher)[0]] == [ENDS_AT + 5_000]
    changed = document(paths=[raw_auction(ends_at=ENDS_AT, start_price="20.00")])
    room.read(room.log.append(Configured(2, changed, KID, "test")))
    await tell_prompt(room.room)
    assert [(one["min_next"], "reserve_met" in one) for one in high_bids(watcher)[0]] == [("20.00", False)]


async def test_who_joins_a_queue_prompts_nothing() -> None:
    room = Stage()
    room.read(room.log.join(0, 1))
    await tell_prompt(room.room)
    room.sockets.prompted.clear()
    room.read(room.log.join(1, 2))
    assert not room.sockets.prompted.is_set()


async def test_a_dutch_claim_is_answered_and_the_price_falls_for_all() -> None:
    room = dutch()
    room.read(room.log.append(StockChanged("42", 2, 0, 0)))
    taker, watcher = room.enter(1), room.enter(2)
    ((before,), _) = high_bids(watcher, taker)
    assert ("price" in before, before["left"], "amount" in before) == (False, 2, False)
    room.read(room.log.append(PriceDropped("auction", START_MS, 3_000, START_MS + 10_000)))
    await tell_prompt(room.room)
    ((told,), _) = high_bids(watcher, taker)
    assert (told["price"], told["next_drop_at"], told["left"], told["closes_at"]) == (
        "30.00",
        START_MS + 10_000,
        2,
        None,
    )
    ask(room, taker, type="claim", path="auction", price="30.00", ref=1)
    room.answer(
        joined(0, 1, path="auction"),
        UnitTaken("auction", START_MS, 0, 3_000),
        PriceDropped("auction", START_MS, 1_000, None),
    )
    (won,) = of_type(line(taker).take(), "bid_status")
    assert won == {"type": "bid_status", "path": "auction", "status": "won", "price": "30.00", "ref": 1}
    await tell_prompt(room.room)
    ((told,),) = high_bids(watcher)
    assert (told["price"], told["left"], "next_drop_at" in told) == ("10.00", 1, False)


async def test_what_is_not_counted_does_not_limit_what_is_left() -> None:
    room = Stage(
        paths=[
            raw_auction(
                style="dutch",
                start_price="9.00",
                floor_price="1.00",
                drop_amount="1.00",
                drop_interval_seconds=1,
                quantity=3,
            )
        ],
        products=[raw_product(raw_variant())],
    )
    ((told,),) = high_bids(room.enter(1))
    assert told["left"] == 3


def _offered(*, is_kept: bool) -> Offered:
    """Two on the waitlist are offered what there is: one each is kept, or whoever claims first gets it."""
    return Offered("list", START_MS, START_MS + 9, [0, 1], bytes(32), "expired", is_kept, ["", ""], [None, None])


TAKEN = (UnitTaken("auction", START_MS, 1, 900), 1)
LISTED = Admitted("list", START_MS, START_MS + 600, KID, [0], bytes(range(16)), False)
LEFT: list[list[tuple[Any, int | None]]] = [
    [(Expired("auction", START_MS, [0]), 3)],
    [(Left("auction", START_MS, 0, "declined"), 3)],
    [(Completed("auction", START_MS, 0, "", "shop"), None)],
    [TAKEN, (TicketRefused("auction", START_MS, 1, "", ""), 2)],
    [TAKEN, (WaitingLost("auction", START_MS, "ended"), 2)],
    [TAKEN, (TicketsLost("auction", START_MS, [1], "ended"), 2)],
    [(ReleaseRateChanged("auction", 60, None, 2, 2, "ops"), 1)],
    [(_offered(is_kept=True), 0), (OfferExpired("list", START_MS, [1]), 1), (LISTED, None)],
    [(_offered(is_kept=True), 0), (TicketsLost("list", START_MS, [0, 1], "ended"), 2)],
    [(_offered(is_kept=False), None), (Claimed("list", START_MS, 1), 1), (Left("list", START_MS, 1, "declined"), 2)],
]


@pytest.mark.parametrize("told", LEFT)
async def test_how_many_are_left_is_told_whenever_it_is_another(told: list[tuple[Any, int | None]]) -> None:
    terms: dict[str, Any] = {"start_price": "9.00", "floor_price": "9.00", "drop_amount": "1.00"}
    auction = raw_auction(style="dutch", quantity=3, drop_interval_seconds=1, **terms)
    waitlist = {"id": "list", "attached_to": "auction", "distribution": {"kind": "waitlist"}}
    room = Stage(paths=[auction, waitlist], products=[raw_product(raw_variant())])
    room.read(room.log.append(joined(0, 1, 2, path="auction"), joined(0, 3, 4, path="list")))
    taken = Admitted("auction", START_MS, START_MS + 600, KID, [0], ADMISSION, False)
    room.read(room.log.append(UnitTaken("auction", START_MS, 0, 900), taken))
    watcher = room.enter(9)
    assert [one["left"] for one in high_bids(watcher)[0]] == [2]
    await tell_prompt(room.room)
    for event, left in told:
        room.read(room.log.append(event))
        if room.room.board.is_prompted:
            await tell_prompt(room.room)
        assert [one["left"] for one in high_bids(watcher)[0]] == ([] if left is None else [left])


def everything_told(room: Stage, *sockets: Any) -> str:
    public = room.room.board.experience(0, START_MS, outage=False)
    return json.dumps([line(socket).take() for socket in sockets]) + bytes(public).decode()


@pytest.mark.parametrize("style", ["waiting", "hammered"])
async def test_no_maximum_of_another_and_no_reserve_price_leaves_the_server(style: str) -> None:
    room = stage()
    leader, loser, watcher = room.enter(1), room.enter(2), room.enter(3)
    room.read(room.log.join(0, 1, 2, path="auction"))
    room.read(room.log.append(bid(0, 54_321, 1_000, 1, [0], []), bid(1, 43_210, 43_310, 2, [], [])))
    if style == "hammered":
        room.read(room.log.append(AuctionEnded("auction", ENDS_AT, 43_310, [])))
    await tell_prompt(room.room)
    await tell_round(room.room)
    for socket, secrets in ((leader, ("432.10",)), (loser, ("543.21",)), (watcher, ("432.10", "543.21"))):
        said = everything_told(room, socket)
        assert "433.10" in said, "the price is for everybody"
        assert not [secret for secret in (*secrets, *HIDDEN) if secret in said]


def test_notices_of_prompt_states_stay_hidden_with_their_path() -> None:
    raw = raw_auction(ends_at=ENDS_AT) | {"min_level": "registered", "hidden": True}
    room = Stage(**raw_document(paths=[raw_path(), raw]))
    found = room.room.board.of_path("auction", START_MS, outage=False)
    assert {notice.level for notice in found} == {1}
