"""The appointment: its table move by move, every "no", and a race for its places against the obvious model."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core import bookings
from engine.core.experience import Experience
from engine.core.limits import SENDER_SILENT_MS_MAX
from protocol import commands as c
from protocol import kind_events as k
from protocol.documents import Experience as Document
from protocol.events import AnyEvent
from protocol.kinds.appointment import AppointmentReplica
from protocol.replica_codec import decode_replica, encode_replica
from protocol.states import TicketState
from tests.engine.stage import ACTOR, SENDER, START_MS, Stage, assert_agree, configure, only
from tests.support.samples import EXPERIENCE, consumer, document

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
TEN, HALF_PAST, ELEVEN = "19700114T100000Z", "19700114T103000Z", "19700114T110000Z"
TEN_MS = 13 * DAY_MS + 10 * HOUR_MS
PATH = "fitting"


def fitting(**terms: Any) -> dict[str, Any]:
    """A path with three slots of half an hour, from ten o'clock on the second day."""
    windows = [{"date": "1970-01-14", "from": "10:00", "to": "11:30"}]
    told = {"kind": "appointment", "windows": windows, "location": "Berlin"} | terms
    return {"id": PATH, "min_level": "guest", "distribution": told}


def appointment(*, fields: dict[str, Any] | None = None, **terms: Any) -> Document:
    return document(paths=[fitting(**terms) | (fields or {})])


class Calendar(Stage):
    """A stage on which days go by: whoever was silent for long is a new sender."""

    def step(self, now_ms: int, *commands: c.Command) -> list[AnyEvent]:
        if commands and now_ms - self.now_ms >= SENDER_SILENT_MS_MAX:
            self.step_batches(now_ms)
        self._number = self.core.senders.last(SENDER)
        return super().step(now_ms, *commands)


def staged(*, fields: dict[str, Any] | None = None, **terms: Any) -> Stage:
    return Calendar(appointment(fields=fields, **terms))


def hold(who: int, slot: str) -> c.Hold:
    return c.Hold(consumer(who), PATH, slot=slot)


def book(who: int, slot: str = "") -> c.Book:
    return c.Book(consumer(who), PATH, slot=slot)


def reschedule(who: int, slot: str) -> c.Reschedule:
    return c.Reschedule(consumer(who), PATH, slot)


def cancel(who: int) -> c.Cancel:
    return c.Cancel(consumer(who), PATH)


def kind_of(stage: Stage) -> AppointmentReplica:
    kind = stage.replica.paths[PATH].kind
    assert isinstance(kind, AppointmentReplica)
    return kind


def free(stage: Stage) -> list[int]:
    """Free places of the three slots, as a replica has them; stored and read again it has the same."""
    assert_agree(stage.core, stage.replica)
    stored = encode_replica(stage.replica)
    stage.replica = decode_replica(stored)
    assert encode_replica(stage.replica) == stored
    stage.core = Experience.restore(EXPERIENCE, stage.core.snapshot())
    return list(kind_of(stage).free().values())


def code_of(stage: Stage, ticket: int) -> str:
    return kind_of(stage).places[ticket].confirmation


def by_code(kind: Any, code: str) -> Any:
    return kind(ACTOR, "", PATH, code)


# The table


def test_a_hold_is_confirmed_and_takes_the_ticket_that_it_needs() -> None:
    stage = staged()
    (held,) = only(stage.later(0, hold(1, TEN)), k.SlotHeld)
    assert (held.ticket, held.slot, held.hold_until) == (0, TEN, START_MS + 600_000)
    assert (stage.states(PATH), free(stage)) == (["held"], [0, 1, 1])
    (booked,) = only(stage.later(1, book(1)), k.Booked)
    assert (booked.ticket, booked.slot, booked.instead_of) == (0, TEN, "")
    assert (stage.states(PATH), free(stage)) == (["booked"], [0, 1, 1])
    assert (len(booked.confirmation), kind_of(stage).find(booked.confirmation)) == (10, 0)
    assert kind_of(stage).find("another") is None


def test_a_hold_ends_on_its_instant_and_its_place_is_free() -> None:
    stage = staged(hold_seconds=5)
    stage.later(0, hold(1, TEN))
    assert stage.core.next_deadline_ms() == START_MS + 5_000
    assert only(stage.later(4_999), k.HoldEnded) == []
    assert stage.later(1) == [k.HoldEnded(PATH, START_MS + 5_000, [0])]
    assert (stage.states(PATH), free(stage)) == (["waiting"], [1, 1, 1])
    assert stage.refusal(book(1)) == ("hold_over", {"path": PATH})
    assert [type(event) for event in stage.later(0, book(1, TEN))] == [k.Booked]


def test_a_hold_ends_when_its_slot_begins_at_the_latest() -> None:
    stage = staged()
    stage.step(TEN_MS - 1_000, hold(1, TEN))
    assert kind_of(stage).places[0].hold_until == TEN_MS


def test_another_hold_takes_the_place_of_the_one_before_and_the_same_again_is_no_longer() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN))
    assert stage.answer(hold(1, TEN)) == {"slot": TEN, "hold_until": START_MS + 600_000}
    stage.later(5_000, hold(1, ELEVEN))
    assert (stage.states(PATH), free(stage)) == (["held"], [1, 1, 0])
    assert only(stage.later(600_000 - 5_000), k.HoldEnded) == []
    assert only(stage.later(5_000), k.HoldEnded) == [k.HoldEnded(PATH, START_MS + 605_000, [0])]


def test_a_booking_of_another_slot_gives_up_the_hold() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN), book(1, ELEVEN))
    assert (stage.states(PATH), free(stage)) == (["booked"], [1, 1, 0])
    assert stage.answer(book(1)) == stage.answer(book(1, ELEVEN)) == {"slot": ELEVEN, "confirmation": code_of(stage, 0)}
    assert stage.refusal(book(1, TEN)) == ("already_done", {"path": PATH, "state": "booked"})
    assert stage.refusal(hold(1, TEN)) == ("already_done", {"path": PATH, "state": "booked"})


def test_rescheduling_keeps_the_code_and_is_one_step() -> None:
    stage = staged()
    stage.later(0, book(1, TEN), book(2, HALF_PAST))
    code = code_of(stage, 0)
    assert stage.refusal(reschedule(1, HALF_PAST)) == ("slot_full", {"path": PATH, "slot": HALF_PAST})
    assert (stage.states(PATH)[0], kind_of(stage).places[0].slot) == ("booked", TEN)
    assert stage.answer(reschedule(1, TEN)) == {"slot": TEN, "confirmation": code}
    assert stage.later(7, reschedule(1, ELEVEN)) == [k.Booked(PATH, START_MS + 7, 0, ELEVEN, code, TEN)]
    assert (stage.states(PATH), free(stage)) == (["booked", "booked"], [1, 0, 0])


def test_what_is_given_back_is_free_and_its_code_names_nothing() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN), book(2, HALF_PAST))
    code = code_of(stage, 1)
    assert stage.later(3, cancel(1), cancel(2)) == [
        k.HoldEnded(PATH, START_MS + 3, [0]),
        k.BookingCancelled(PATH, START_MS + 3, 1, HALF_PAST, ""),
    ]
    assert (stage.states(PATH), free(stage)) == (["waiting", "waiting"], [1, 1, 1])
    assert stage.refusal(cancel(1)) == ("no_ticket", {"path": PATH, "state": "waiting"})
    assert stage.refusal(reschedule(2, TEN)) == ("no_ticket", {"path": PATH, "state": "waiting"})
    assert stage.refusal(by_code(c.CheckIn, code)) == ("not_found", {"path": PATH, "confirmation": code})
    stage.later(0, book(2, HALF_PAST))
    assert code_of(stage, 1) != code


def test_the_merchant_checks_in_cancels_and_tells_who_did_not_come() -> None:
    stage = staged(capacity_per_slot=3)
    stage.later(0, book(1, TEN), book(2, TEN), book(3, TEN))
    codes = [code_of(stage, ticket) for ticket in range(3)]
    assert stage.refusal(by_code(c.NoShow, codes[1])) == ("not_open", {"path": PATH, "opens_at": TEN_MS})
    stage.step(TEN_MS, by_code(c.CheckIn, codes[0]), by_code(c.NoShow, codes[1]), by_code(c.CancelBooking, codes[2]))
    assert (stage.states(PATH), free(stage)) == (["completed", "expired", "waiting"], [1, 3, 3])
    for kind in (c.CheckIn, c.NoShow, c.CancelBooking):
        assert stage.refusal(by_code(kind, codes[0])) == ("already_done", {"path": PATH, "state": "completed"})
    rejoined = stage.later(0, c.Rejoin(consumer(2), PATH))
    assert (stage.states(PATH)[3], len(rejoined)) == ("waiting", 2)


def test_the_last_slot_over_ends_the_path() -> None:
    stage = staged()
    stage.later(0, c.Join(consumer(1), PATH), book(2, ELEVEN))
    over_ms = TEN_MS + 90 * MINUTE_MS
    stage.step(over_ms - 1)
    assert (stage.core.next_deadline_ms(), stage.path(PATH).phase) == (over_ms, "open")
    stage.step(over_ms)
    assert (stage.core.next_deadline_ms(), stage.path(PATH).phase) == (None, "ended")
    assert stage.states(PATH) == ["lost", "booked"]
    code = code_of(stage, 1)
    stage.later(1, by_code(c.CancelBooking, code))
    assert stage.states(PATH) == ["lost", "lost"]


def test_an_end_by_hand_loses_holds_and_keeps_bookings() -> None:
    stage = staged(capacity_per_slot=2)
    stage.later(0, hold(1, TEN), book(2, TEN), book(3, ELEVEN), c.Join(consumer(4), PATH))
    stage.later(0, c.End(ACTOR, "", PATH))
    assert (stage.states(PATH), stage.path(PATH).phase) == (["lost", "booked", "booked", "lost"], "settling")
    assert free(stage) == [1, 2, 1]
    assert stage.refusal(reschedule(2, ELEVEN)) == ("closed", {"path": PATH})
    stage.later(0, cancel(2))
    assert (stage.states(PATH)[1], free(stage)) == ("lost", [2, 2, 1])


def test_a_closed_path_confirms_and_moves_bookings_and_makes_no_new_ones() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN), book(2, HALF_PAST), c.Join(consumer(3), PATH), c.Close(ACTOR, "", PATH))
    assert stage.refusal(book(3, ELEVEN)) == ("closed", {"path": PATH})
    assert stage.refusal(hold(4, ELEVEN)) == ("closed", {"path": PATH})
    stage.later(0, book(1), reschedule(2, ELEVEN))
    assert stage.states(PATH) == ["booked", "booked", "waiting"]


def test_a_pause_takes_nothing_new_and_a_live_hold_can_be_confirmed() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN), book(2, HALF_PAST), c.Join(consumer(3), PATH), c.Pause(ACTOR, "", PATH))
    for command in (hold(3, ELEVEN), book(3, ELEVEN), reschedule(2, ELEVEN)):
        assert stage.refusal(command) == ("paused", {"path": PATH})
    stage.later(0, book(1), cancel(2))
    assert stage.states(PATH) == ["booked", "waiting", "waiting"]


def test_an_outage_moves_holds() -> None:
    stage = staged(hold_seconds=60)
    stage.later(0, hold(1, TEN))
    stage.take_over(START_MS + 2_000)
    stage.step(START_MS + 2_000)
    assert kind_of(stage).places[0].hold_until == START_MS + 60_000
    stage.step(START_MS + 58_000)
    stage.take_over(START_MS + 61_000)
    assert k.HoldMoved(PATH, 0, START_MS + 63_000) in stage.step(START_MS + 61_000)
    assert (free(stage), stage.core.next_deadline_ms()) == ([0, 1, 1], START_MS + 63_000)
    stage.take_over(START_MS + 90_000)
    stage.step(START_MS + 90_000)
    assert (stage.states(PATH), kind_of(stage).places[0].hold_until) == (["held"], START_MS + 92_000)


# When, and how many


def test_notice_and_advance() -> None:
    stage = staged(min_notice_minutes=60, max_advance_days=1)
    stage.step(TEN_MS - DAY_MS - 1, c.Join(consumer(1), PATH))
    assert stage.refusal(hold(1, TEN)) == ("not_open", {"path": PATH, "slot": TEN, "opens_at": TEN_MS - DAY_MS})
    stage.step(TEN_MS - DAY_MS, hold(2, TEN), cancel(2))
    stage.step(TEN_MS - HOUR_MS, hold(2, TEN))
    assert stage.states(PATH) == ["waiting", "held"]
    stage.later(1)
    assert stage.refusal(hold(1, TEN)) == ("cutoff_passed", {"path": PATH, "slot": TEN})
    stage.later(0, book(2))
    assert stage.states(PATH) == ["waiting", "booked"]
    assert stage.refusal(hold(1, "19700114T100001Z")) == ("not_found", {"path": PATH, "slot": "19700114T100001Z"})


def test_a_slot_that_begins_is_no_longer_to_be_had() -> None:
    stage = staged()
    stage.step(TEN_MS)
    assert stage.refusal(book(1, TEN)) == ("cutoff_passed", {"path": PATH, "slot": TEN})
    assert stage.states(PATH) == [], "a refusal takes no ticket"


def test_the_cutoff_holds_for_cancelling_and_rescheduling() -> None:
    stage = staged(cancel_cutoff_minutes=120)
    cutoff_ms = TEN_MS - 2 * HOUR_MS
    stage.step(cutoff_ms, book(1, TEN), book(2, HALF_PAST))
    stage.later(1)
    for command in (cancel(1), reschedule(1, ELEVEN)):
        assert stage.refusal(command) == ("cutoff_passed", {"path": PATH, "slot": TEN, "cutoff_at": cutoff_ms})
    stage.later(0, cancel(2))
    assert stage.states(PATH) == ["booked", "waiting"]


def test_a_hold_names_its_slot() -> None:
    stage = staged()
    assert stage.refusal(hold(1, "")) == ("invalid", {"path": PATH, "field": "slot"})
    assert stage.states(PATH) == []


def test_who_has_nothing_can_give_nothing_up() -> None:
    stage = staged()
    assert stage.refusal(cancel(1)) == ("no_ticket", {"path": PATH})
    assert stage.refusal(reschedule(1, TEN)) == ("no_ticket", {"path": PATH})
    assert stage.refusal(book(1)) == ("hold_over", {"path": PATH})
    assert stage.states(PATH) == []


@pytest.mark.parametrize("has", [hold, book])
def test_whoever_names_a_slot_gives_that_up_and_no_other(has: Any) -> None:
    stage = staged()
    stage.later(0, has(1, TEN))
    state = stage.states(PATH)[0]
    for slot in (ELEVEN, "19990101T000000Z"):
        assert stage.refusal(c.Cancel(consumer(1), PATH, slot)) == ("no_ticket", {"path": PATH, "state": state})
    stage.later(0, c.Cancel(consumer(1), PATH, TEN))
    assert stage.states(PATH) == ["waiting"]


def test_what_is_given_back_goes_to_the_waitlist_where_it_can_be_booked() -> None:
    waitlist = {"id": "waitlist", "attached_to": PATH, "distribution": {"kind": "waitlist"}}
    stage = Calendar(document(paths=[fitting(min_notice_minutes=60, capacity_per_slot=2), waitlist]))
    stage.later(0, *(c.Join(consumer(who), "waitlist") for who in (8, 9)))
    events = stage.later(0, book(1, TEN), hold(2, TEN), book(3, ELEVEN), cancel(2))
    assert only(events, k.UnitsFreed) == [], "a hold that is given up was never had"
    events = stage.later(0, reschedule(1, HALF_PAST), cancel(3))
    assert [(one.source, one.cause, one.count) for one in only(events, k.UnitsFreed)] == [(PATH, "cancelled", 1)] * 2
    assert stage.states("waitlist") == ["offered", "waiting"]
    stage.later(0, book(3, HALF_PAST))
    events = stage.step(TEN_MS - MINUTE_MS, cancel(3))
    assert PATH not in [one.source for one in only(events, k.UnitsFreed)], "it begins too soon to be booked by anybody"


# Changing it live


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        ({"location": "Hamburg"}, ["location"]),
        ({"duration_minutes": 20}, ["duration_minutes", "windows"]),
        ({"buffer_minutes": 5}, ["windows"]),
        ({"windows": [{"date": "1970-01-14", "from": "10:00", "to": "10:30"}]}, ["windows"]),
        ({"time_zone": "Europe/Berlin"}, ["windows"]),
        ({"capacity_per_slot": 1}, ["capacity_per_slot"]),
        ({"capacity_per_slot": 2, "hold_seconds": 1, "cancel_cutoff_minutes": 1}, []),
        ({"windows": [{"date": "1970-01-14", "from": "10:30", "to": "11:00"}], "capacity_per_slot": 2}, []),
    ],
)
def test_slots_with_bookings_do_not_change(terms: dict[str, Any], fields: list[str]) -> None:
    stage = staged(capacity_per_slot=3)
    stage.later(0, book(1, HALF_PAST), hold(2, HALF_PAST))
    change = configure(appointment(**{"capacity_per_slot": 3} | terms))
    if fields:
        named = [f"paths.{PATH}.distribution.{field}" for field in fields]
        assert stage.refusal(change) == ("in_use", {"fields": named})
    else:
        assert stage.answer(change) == {"revision": 2, "changed": True}
        assert free(stage)


def test_slots_without_bookings_change_and_what_is_over_holds_nothing_up() -> None:
    stage = staged()
    stage.later(0, c.Join(consumer(1), PATH), book(2, TEN))
    stage.step(TEN_MS, by_code(c.CheckIn, code_of(stage, 1)))
    later = appointment(windows=[{"date": "1970-01-15", "from": "10:00", "to": "10:30"}], location="Hamburg")
    assert stage.answer(configure(later))["changed"] is True
    assert kind_of(stage).free() == {"19700115T100000Z": 1}
    stage.step(TEN_MS + DAY_MS + 30 * MINUTE_MS)
    assert stage.path(PATH).phase == "ended"


def test_a_path_whose_slots_are_all_over_ends_as_it_opens() -> None:
    stage = staged(fields={"opens_at": TEN_MS + DAY_MS})
    stage.step(TEN_MS + DAY_MS - 1)
    assert stage.path(PATH).phase == "scheduled"
    stage.later(1)
    assert (stage.path(PATH).phase, stage.core.next_deadline_ms()) == ("ended", None)


def test_nobody_is_admitted_by_hand() -> None:
    stage = staged()
    stage.later(0, c.Join(consumer(1), PATH))
    assert stage.answer(c.AdmitNow(ACTOR, "", PATH, 5)) == {"admitted": 0}
    kind = stage.path(PATH).distribution
    assert (kind.in_line(), kind.next_ticket(), kind.hoping()) == (0, None, 0)


def test_who_comes_back_is_told_what_they_have() -> None:
    stage = staged()
    stage.later(0, hold(1, TEN), book(2, ELEVEN), c.Join(consumer(3), PATH))
    told = stage.later(0, *(c.Attach(consumer(who)) for who in (1, 2, 3)))
    assert [event.details for event in only(told, k.HoldingDetails)] == [
        {"slot": TEN, "hold_until": START_MS + 600_000},
        {"slot": ELEVEN, "confirmation": code_of(stage, 1)},
    ]


def test_a_reader_of_a_kind_that_keeps_nothing_has_nothing_to_lose() -> None:
    stage = Stage()
    stage.later(0, c.Pause(ACTOR, "", "general"), c.Join(consumer(1), "general"))
    stage.replica.apply(k.TicketsLost("general", START_MS, [0], "ended"))
    assert list(stage.replica.paths["general"].states) == [TicketState.LOST]


def test_no_two_bookings_have_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookings, "CODE_CHARS", 1)
    stage = staged(capacity_per_slot=20)
    stage.later(0, *(book(who, TEN) for who in range(20)))
    assert len({code_of(stage, ticket) for ticket in range(20)}) == 20


# Thousands at once


class Model:
    """The slow, obvious calendar: who holds until when, who has booked what."""

    def __init__(self, capacity: int, hold_ms: int) -> None:
        self.capacity, self.hold_ms = capacity, hold_ms
        self.holds: dict[int, tuple[str, int]] = {}
        self.booked: dict[int, str] = {}

    def taken(self, slot: str) -> int:
        return [held for held, _ in self.holds.values()].count(slot) + list(self.booked.values()).count(slot)

    def tick(self, now_ms: int) -> None:
        self.holds = {who: held for who, held in self.holds.items() if held[1] > now_ms}

    def act(self, word: str, who: int, slot: str, now_ms: int) -> None:
        has_room = self.taken(slot) < self.capacity
        if word == "hold" and who not in self.booked and has_room and self.holds.get(who, ("", 0))[0] != slot:
            self.holds[who] = (slot, now_ms + self.hold_ms)
        elif word == "confirm" and who in self.holds:
            self.booked[who] = self.holds.pop(who)[0]
        elif word == "book" and who not in self.booked:
            if self.holds.get(who, ("", 0))[0] == slot or has_room:
                self.holds.pop(who, None)
                self.booked[who] = slot
        elif word == "reschedule" and who in self.booked and has_room:
            self.booked[who] = slot
        elif word == "cancel":
            self.holds.pop(who, None)
            self.booked.pop(who, None)


def _command(word: str, who: int, slot: str) -> c.Command:
    kinds: dict[str, c.Command] = {
        "hold": hold(who, slot),
        "confirm": book(who),
        "book": book(who, slot),
        "reschedule": reschedule(who, slot),
        "cancel": cancel(who),
    }
    return kinds[word]


def _agrees(stage: Stage, model: Model) -> None:
    kind = kind_of(stage)
    holders = {ticket: int.from_bytes(stage.path(PATH).tickets.consumer(ticket), "big") for ticket in kind.places}
    held = {
        holders[ticket]: (one.slot, one.hold_until) for ticket, one in kind.places.items() if one.hold_until is not None
    }
    booked = {holders[ticket]: one.slot for ticket, one in kind.places.items() if one.hold_until is None}
    assert (held, booked) == (model.holds, model.booked)
    assert all(0 <= count <= model.capacity for count in kind.free().values())


WORDS = ("hold", "hold", "hold", "confirm", "confirm", "book", "reschedule", "cancel")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_people_do_it_is_what_the_obvious_calendar_has(seed: int) -> None:
    chance = Random(seed)
    stage, model = staged(capacity_per_slot=2, hold_seconds=2), Model(2, 2_000)
    for _ in range(150):
        now_ms = stage.now_ms + chance.choice((0, 1, 300, 700, 1_999, 2_000))
        acts = [
            (chance.choice(WORDS), chance.randrange(9), chance.choice((TEN, HALF_PAST, ELEVEN)))
            for _ in range(chance.randrange(4))
        ]
        model.tick(now_ms)
        for word, who, slot in acts:
            model.act(word, who, slot, now_ms)
        stage.step(now_ms, *(_command(*act) for act in acts))
        _agrees(stage, model)
        assert free(stage)
    assert stage.replayed().core.digest() == stage.core.digest()


def test_5000_race_for_500_places_and_holds_end_under_them() -> None:
    windows = [{"date": "1970-01-14", "from": "10:00", "to": "15:00"}]
    stage = staged(windows=windows, capacity_per_slot=50, hold_seconds=1)
    slots = list(kind_of(stage).free())
    chance = Random(4)
    model = Model(50, 1_000)
    waiting = list(range(5_000))
    while len(model.booked) < 500:
        now_ms = stage.now_ms + 100
        model.tick(now_ms)
        acts = [(chance.choice(("hold", "hold", "confirm")), chance.choice(waiting), chance.choice(slots))]
        acts += [
            (chance.choice(("hold", "confirm", "book")), who, chance.choice(slots))
            for who in chance.sample(waiting, 400)
        ]
        for word, who, slot in acts:
            model.act(word, who, slot, now_ms)
        stage.step(now_ms, *(_command(*act) for act in acts))
        _agrees(stage, model)
    assert stage.states(PATH).count(TicketState.BOOKED.word) == 500
    assert set(kind_of(stage).free().values()) == {0}
    assert len({place.confirmation for place in kind_of(stage).places.values()}) == 500


def test_a_document_without_its_slots_has_none() -> None:
    told = appointment()
    terms = replace(told.paths[0].distribution, starts=[])
    stage = Stage(replace(told, paths=[replace(told.paths[0], distribution=terms)]))
    assert stage.path(PATH).phase == "ended"


def test_a_hold_that_an_outage_moves_beyond_the_beginning_of_its_slot_can_still_be_booked() -> None:
    stage = staged()
    stage.step(TEN_MS - 1_000, hold(1, TEN))
    stage.take_over(TEN_MS + 500)
    stage.step(TEN_MS + 500)
    (booked,) = only(stage.later(300, book(1)), k.Booked)
    assert (booked.at, booked.slot) == (TEN_MS + 800, TEN)
