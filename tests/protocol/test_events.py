"""Events: each of them comes back from the log as it went in, and equal entries are equal bytes."""

from __future__ import annotations

from typing import get_args

import pytest

from protocol import codec, events
from protocol import kind_events as k
from protocol.events import AnyEvent, Entry, Holding
from protocol.states import TicketState
from tests.support.samples import consumer, document

SENDER = bytes(8)
HOLDING = Holding("general", 7, 1, TicketState.ADMITTED, admission=bytes(16), kid="k1", admitted_at=5, expires_at=9)

EVERY: list[AnyEvent] = [
    events.WriterChanged(2, bytes(16), "1-41", bytes(32)),
    events.Configured(1, document(), "k1", "control"),
    events.ReleaseRateChanged("", None, 5, None, 2, "control"),
    events.PhaseChanged("general", "open", 5, None, 9, ""),
    events.PauseChanged("general", True, 5, "control"),
    events.Joined("general", 3, consumer(1) + consumer(2), b"\x01\x02"),
    events.Attached(consumer(1), [HOLDING, Holding("vip", 0, 1, TicketState.EXPIRED, "", True)]),
    events.Admitted("general", 5, 9, "k1", [3, 4], bytes(32), False),
    events.Redeemed("general", 5, 3, "checkout"),
    events.WindowMoved("general", 3, 12),
    events.Completed("general", 5, 3, "order-7", "checkout"),
    events.Expired("general", 9, [3, 4]),
    events.Left("general", 5, 3, "declined"),
    events.Returned("general", 3),
    events.TicketRefused("general", 5, 3, "a bot", "control"),
    events.WaitingLost("general", 5, "ended"),
    events.SoldOutChanged("general", True, False),
    events.StockChanged("42", 10, 1, 2),
    events.NoticePosted("Hello", "info", None, 5, "control"),
    events.Skipped("5-0", bytes(32), SENDER, 3),
    events.Refused(SENDER, 3, 0, "not_open", {"opens_at": 9}),
    events.Answered(SENDER, 3, 1, {"admitted": 2}),
    k.Chosen("general", 3, "42"),
    k.Allotted("general", [3, 4], ["42", ""], [None, 12_900]),
    k.TicketsLost("waitlist", 5, [3], "ended"),
    k.HoldingDetails(consumer(1), "fitting", 3, {"slot": "s1"}),
    k.Claimed("drop", 5, 3),
    k.Offered("waitlist", 5, 9, [3], bytes(16), "expired", True, ["42"], [None]),
    k.OfferMoved("waitlist", 3, 12),
    k.OfferExpired("waitlist", 12, [3]),
    k.OfferSkipped("waitlist", 5, 3, "variant_not_free"),
    k.UnitsFreed("waitlist", 5, "general", "expired", 2),
    k.UnitsGone("waitlist", 5, True),
    k.Announced("waitlist", 5, "general"),
    k.DrawCommitted("vip", bytes(32)),
    k.EntriesClosed("vip", 5, 7, bytes(32)),
    k.BeaconGiven("vip", 5, bytes(32), bytes(48), "control"),
    k.PlacesGiven("vip", 0, bytes(8)),
    k.Drawn("vip", 5, bytes(32), bytes(32), bytes(32), [3, 1]),
    k.NotDrawn("vip", 5, [3]),
    k.PriceChanged("auction", 5, 10_000, 2, 10_500, True, 60, 1, [], [4]),
    k.BidPlaced("auction", 5, 10_000, 3, 10_500, True, 60, 1, [3], [2], 3, 12_900, "bid-1"),
    k.PriceDropped("clock", 5, 9_000, 15),
    k.AuctionEnded("auction", 60, 10_000, [3]),
    k.UnitTaken("clock", 5, 3, 9_000),
    k.EndMoved("clock", None, 15),
    k.SlotHeld("fitting", 5, 3, "s1", 605),
    k.HoldMoved("fitting", 3, 9),
    k.HoldEnded("fitting", 605, [3]),
    k.Booked("fitting", 5, 3, "s2", "ABCD", "s1"),
    k.CheckoutAsked("fitting", 5, 3, "s"),
    k.CheckoutDropped("fitting", 5, 3, "s"),
    k.SlotKept("fitting", 5, "s"),
    k.SlotReleased("fitting", 5, "s"),
    k.BookingCancelled("fitting", 5, 3, "s2", ""),
    k.CheckedIn("fitting", 5, 3, "control"),
    k.NotShown("fitting", 5, 3, "control"),
]


def _entry(*carried: AnyEvent) -> Entry:
    return Entry(1, 1_000, "5-0", {SENDER: 3}, "", list(carried))


def test_the_list_above_has_every_event() -> None:
    assert {type(event) for event in EVERY} == set(get_args(AnyEvent))


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: AnyEvent) -> None:
    entry = _entry(event)
    assert codec.decode_entry(codec.encode_entry(entry)) == entry


def test_equal_entries_are_equal_bytes() -> None:
    entry = _entry(*EVERY)
    assert codec.encode_entry(codec.decode_entry(codec.encode_entry(entry))) == codec.encode_entry(_entry(*EVERY))


def test_ids_have_the_sizes_that_are_named() -> None:
    assert (events.CONSUMER_BYTES, events.ADMISSION_BYTES) == (len(consumer(1)), 16)
    assert (events.SENDER_BYTES, events.WRITER_BYTES) == (len(SENDER), 16)
