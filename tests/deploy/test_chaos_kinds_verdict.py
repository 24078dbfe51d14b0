"""The verdict on what a chaos run shows of the kinds beside the queue: whatever must not be, planted in a sound record,
is seen by the very check that is for it.

What is planted in the log breaks a promise too, so there the auditor sees it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.events import Admitted, AnyEvent
from protocol.kind_events import OFFER_BYTES, AuctionEnded, Booked, Drawn, Offered, SlotHeld
from tests.deploy.test_chaos_verdict import CHECKS, DIGESTS, GATEWAYS, LOG, SOUND, written
from tests.support.chaos import Checks, Planted, judged
from tests.support.chaos_kinds import (
    ENDS,
    ENTRANTS,
    FAIR,
    GIVEN,
    GUESTS,
    HALF_PAST,
    KINDS,
    KINDS_CHECKS,
    LOSER,
    NINE,
    NOTHING_GOOD,
    SECOND,
    SOUND_KINDS,
    TOLD,
    WINNER,
    Fair,
    admission,
)
from tests.support.log import START_MS
from tests.support.samples import consumer

DRAW_TOLD, AUCTION_TOLD, SLOTS_TOLD, RELEASE_TOLD, WAITLIST_TOLD = TOLD
DRAW_GIVEN, AUCTION_GIVEN, SLOTS_GIVEN, RELEASE_GIVEN, WAITLIST_GIVEN = GIVEN
DRAW_ENDS, AUCTION_ENDS, SLOTS_ENDS, RELEASE_ENDS, WAITLIST_ENDS = ENDS
IN_LOG = (LOG, *GIVEN)
OPEN = Fair(ended=False)
"""Nobody has ended the appointment: two still hold a slot."""


def kinds(**fields: Any) -> Planted:
    return {"kinds": SOUND_KINDS | fields}


def told(path: str, ticket: int | None, **fields: Any) -> Planted:
    """One guest was told something else."""
    found = [one for one in GUESTS if (one["path"], one.get("ticket")) == (path, ticket)]
    assert len(found) == 1, "there is one such guest"
    return kinds(guests=[one | fields if one is found[0] else one for one in GUESTS])


def also(path: str, **fields: Any) -> Planted:
    """There was one more guest."""
    return kinds(guests=[*GUESTS, {"path": path, "consumer": consumer(999).hex(), **fields}])


def log_with(*events: AnyEvent) -> Planted:
    return kinds(log=FAIR.with_events(*events))


def admitted(path: str, ticket: int) -> Admitted:
    return Admitted(path, START_MS, START_MS + 15_000, "k1", [ticket], consumer(7_000 + ticket), by_hand=False)


def booked(ticket: int, slot: str, instead_of: str = "") -> Booked:
    return Booked("fitting", START_MS, ticket, slot, f"K{ticket}", instead_of)


def drawn(*winners: int) -> Drawn:
    return Drawn("raffle", START_MS, bytes(32), bytes(32), bytes(32), list(winners))


def held(*tickets: int) -> list[AnyEvent]:
    return [SlotHeld("fitting", START_MS, ticket, NINE, START_MS + 6_000) for ticket in tickets]


def flipped() -> Planted:
    *before, (entry_id, payload, chain) = SOUND_KINDS["log"]
    return kinds(log=[*before, (entry_id, payload[:-1] + bytes([payload[-1] ^ 1]), chain)])


def miscounted(path: str) -> Planted:
    sound, counted = SOUND_KINDS["stats"]
    paths = [one | {"completed": one["completed"] + (one["id"] == path)} for one in counted["paths"]]
    return kinds(stats=[sound, counted | {"paths": paths}])


OFFERED_AGAIN = Offered("spare", START_MS, START_MS + 8_000, [0], bytes(OFFER_BYTES), "declined", True, [""], [None])
SAID = SOUND["logs"]
PLANTED: dict[str, tuple[str, Planted]] = {
    "a bit of the log is flipped": (LOG, flipped()),
    "an entry of the log is gone": (LOG, kinds(log=[*SOUND_KINDS["log"][:5], *SOUND_KINDS["log"][6:]])),
    "a gateway has counted a payment too many": (GATEWAYS, miscounted("raffle")),
    "a gateway stands at another entry": (GATEWAYS, kinds(stats=[SOUND_KINDS["stats"][0] | {"entry": "1-3"}])),
    "a replay reaches another digest": (DIGESTS, kinds(replayed={FAIR.log.last_id: "cd" * 32})),
    "nobody wrote a digest down": (DIGESTS, {"logs": {"engine 0": written("ab" * 32)}}),
    # Tickets, in whichever kind
    "an entrant has another's ticket": (DRAW_TOLD, told("raffle", LOSER, consumer=consumer(ENTRANTS[WINNER]).hex())),
    "a bidder's ticket is not in the log": (AUCTION_TOLD, also("bidding", ticket=9, over=True)),
    "two visitors have one ticket": (SLOTS_TOLD, kinds(guests=[*GUESTS, GUESTS[9]])),
    "a claimer was told another ticket on coming back": (RELEASE_TOLD, told("drop", 1, strayed=1)),
    "a hopeful one was refused and has a ticket": (WAITLIST_TOLD, told("spare", 1, refused="closed")),
    "a claimer got no ticket, and nobody said why": (RELEASE_ENDS, also("drop")),
    "an entrant got no ticket, and nobody said why": (DRAW_ENDS, told("raffle", None, refused="")),
    # Admissions and payments
    "an entrant was told another's admission": (DRAW_TOLD, told("raffle", SECOND, admission=admission("spare", 0))),
    "a bidder was admitted, and the log does not know": (AUCTION_TOLD, told("bidding", 0, admission="ab" * 16)),
    "a claimer has paid, and the log does not know": (RELEASE_TOLD, told("drop", 0, completed=True)),
    "a second redeem was taken for the first": (WAITLIST_TOLD, told("spare", 0, denied=1)),
    # What came of it
    "a winner was told another place": (DRAW_TOLD, told("raffle", WINNER, place=2)),
    "a winner was told to have lost": (DRAW_TOLD, told("raffle", WINNER, result="lost", place=0)),
    "a loser was told to have won": (DRAW_TOLD, told("raffle", LOSER, result="won")),
    "a loser was told a winner's place": (DRAW_TOLD, told("raffle", LOSER, result="won", place=1)),
    "who moved up was told to have lost": (DRAW_TOLD, told("raffle", SECOND, result="lost")),
    "an entrant was told another end": (DRAW_TOLD, told("raffle", LOSER, end="expired")),
    "an entrant was not told the end": (DRAW_ENDS, told("raffle", LOSER, end="")),
    "an entrant was not told the result": (DRAW_ENDS, told("raffle", LOSER, result="")),
    "an accepted bid is gone": (AUCTION_TOLD, told("bidding", 0, bids={"bid-1": "5.00", "bid-3": "7.00"})),
    "an accepted bid is another": (AUCTION_TOLD, told("bidding", 0, bids={"bid-1": "5.01"})),
    "a bid that was refused is in the log": (AUCTION_TOLD, told("bidding", 0, low=["bid-1"])),
    "a bidder who lost was told to have won": (AUCTION_TOLD, told("bidding", 0, result="won")),
    "a bidder who won was told to have lost": (AUCTION_TOLD, told("bidding", 1, result="lost")),
    "a bidder was told another price": (AUCTION_TOLD, told("bidding", 1, price="6.01")),
    "a bidder was not told the result": (AUCTION_ENDS, told("bidding", 0, result="")),
    "a bidder was not told the end": (AUCTION_ENDS, told("bidding", 0, end="")),
    "a hold is gone": (SLOTS_TOLD, told("fitting", 2, holds=[NINE, HALF_PAST])),
    "a booking that was told is gone": (SLOTS_TOLD, told("fitting", 1, bookings=[(HALF_PAST, "K1")])),
    "a booking was told with another code": (SLOTS_TOLD, told("fitting", 0, bookings=[(NINE, "K0")])),
    "a visitor has booked what was given up": (SLOTS_TOLD, told("fitting", 0, booked=NINE)),
    "a visitor has a booking that was cancelled": (SLOTS_TOLD, told("fitting", 1, booked=NINE)),
    "a visitor was not told of the booking": (SLOTS_ENDS, told("fitting", 0, booked="")),
    "visitors still hold a slot when all is over": (
        SLOTS_ENDS,
        kinds(
            log=OPEN.log.entries,
            stats=[OPEN.stats()],
            guests=[one | {"end": ""} if one["path"] == "fitting" and one["ticket"] > 1 else one for one in GUESTS],
        ),
    ),
    "a claimer was told another end": (RELEASE_TOLD, told("drop", 1, end="left")),
    "a claimer was not told that all is gone": (RELEASE_ENDS, told("drop", 1, end="")),
    "an offer that was told is gone": (WAITLIST_TOLD, told("spare", 1, offers=[FAIR.offer])),
    "a hopeful one was told another end": (WAITLIST_TOLD, told("spare", 1, end="completed")),
    "a hopeful one was not told the end": (WAITLIST_ENDS, told("spare", 1, end="")),
    "nobody was told of an offer": (NOTHING_GOOD, kinds(guests=[one for one in GUESTS if one["path"] != "spare"])),
    "nobody was told of a bid": (NOTHING_GOOD, kinds(guests=[one for one in GUESTS if one["path"] != "bidding"])),
    # Twice, or more than there is
    "a winner is admitted twice": (DRAW_GIVEN, log_with(admitted("raffle", SECOND))),
    "more are admitted than have won": (DRAW_GIVEN, log_with(admitted("raffle", LOSER))),
    "a draw is drawn again": (DRAW_GIVEN, log_with(drawn(LOSER))),
    "more have won than can": (DRAW_GIVEN, log_with(drawn(0, 1))),
    "more are admitted than were sold": (AUCTION_GIVEN, log_with(admitted("bidding", 0))),
    "the hammer falls twice": (AUCTION_GIVEN, log_with(AuctionEnded("bidding", START_MS, 600, [0]))),
    "one wins two units": (AUCTION_GIVEN, log_with(AuctionEnded("bidding", START_MS, 600, [1, 1]))),
    "a slot has three in two places": (SLOTS_GIVEN, log_with(*held(1, 2, 3))),
    "somebody is moved from a slot without it": (SLOTS_GIVEN, log_with(booked(0, NINE, NINE))),
    "somebody books twice": (SLOTS_GIVEN, log_with(booked(0, NINE))),
    "more than the limit are let in": (RELEASE_GIVEN, log_with(admitted("drop", 1))),
    "one unit is given there and in the waitlist": (WAITLIST_GIVEN, log_with(admitted("spare", 1))),
    "one is offered a unit twice": (WAITLIST_GIVEN, log_with(OFFERED_AGAIN)),
}
"""What is wrong: the check that must see it, and the record's fields with it."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Checks]:
    """The checks of a record, by name, each with its detail."""
    records = {name: SOUND | fields for name, (_, fields) in PLANTED.items()}
    count = len(CHECKS) + len(KINDS_CHECKS)
    return judged(tmp_path_factory.mktemp("records"), records, count).__getitem__


@pytest.mark.parametrize("wrong", PLANTED)
def test_what_is_wrong_is_seen(wrong: str, judge: Callable[[str], Checks]) -> None:
    checks, (seeing, _) = judge(wrong), PLANTED[wrong]
    failed = {name for name, detail in checks.items() if not detail["holds"]}
    assert seeing in failed
    assert LOG in failed if seeing in IN_LOG else failed == {seeing}


def test_every_check_of_a_kind_has_something_planted() -> None:
    assert {seeing for seeing, _ in PLANTED.values()} >= set(KINDS_CHECKS)
    assert len(KINDS_CHECKS) == 3 * len(KINDS) + 1
