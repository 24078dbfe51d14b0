"""The auditor of appointments finds every promise that a log shows broken: one planted in each test."""

from __future__ import annotations

import pytest

from engine.audit import Audit
from engine.audits.appointment import AuditedAppointment
from engine.audits.promises import Broken
from protocol import codec
from protocol import kind_events as k
from protocol.events import AnyEvent, Configured, Entry, Joined
from protocol.streams import GENESIS_CHAIN
from tests.engine.stage import START_MS
from tests.engine.test_appointment import ELEVEN, PATH, TEN, TEN_MS, appointment
from tests.support.samples import consumer, document, raw_path

LATER = START_MS + 5_000


def _held(ticket: int, slot: str = TEN, until: int = LATER) -> k.SlotHeld:
    return k.SlotHeld(PATH, START_MS, ticket, slot, until)


def _booked(ticket: int, slot: str = TEN, code: str = "", instead_of: str = "", at: int = START_MS) -> k.Booked:
    return k.Booked(PATH, at, ticket, slot, code or f"CODE{ticket}", instead_of)


def _audit(*events: AnyEvent, capacity: int = 1, at: int = START_MS) -> Audit:
    """The auditor behind a log in which three people have tickets of a path with three slots."""
    told = appointment(capacity_per_slot=capacity)
    three = Joined(PATH, 0, b"".join(consumer(who) for who in range(3)), bytes([1, 1, 1]))
    audit, chain = Audit(), GENESIS_CHAIN
    batches: list[tuple[int, list[AnyEvent]]] = [(START_MS, [Configured(1, told, "k1", ""), three]), (at, [*events])]
    for seq, (now_ms, batch) in enumerate(batches):
        payload = codec.encode_entry(Entry(1, now_ms, "0-0", {}, "", batch))
        chain = codec.next_chain(chain, payload)
        audit.entry(f"1-{seq}", payload, chain)
    return audit


def test_a_log_that_keeps_its_promises_is_audited_to_its_end() -> None:
    audit = _audit(
        *(_held(0), _booked(0), _booked(0, ELEVEN, instead_of=TEN), _held(1), k.HoldMoved(PATH, 1, LATER + 1)),
        *(k.HoldEnded(PATH, LATER + 1, [1]), k.BookingCancelled(PATH, LATER + 1, 0, ELEVEN, ""), _held(2)),
        *(k.TicketsLost(PATH, LATER + 1, [2], "ended"), _booked(0, TEN, "OTHER"), k.CheckedIn(PATH, LATER, 0, "")),
        *(_booked(1, ELEVEN), k.NotShown(PATH, LATER, 1, "")),
        at=LATER + 1,
    )
    assert [state.word for state in audit.paths[PATH].states] == ["completed", "expired", "lost"]
    path = audit.paths[PATH]
    assert isinstance(path, AuditedAppointment)
    assert (path.slots.held, len(path.slots.booked)) == ({}, 2)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([_held(0), _held(1)], "2 places of"),
        ([_booked(0), _held(1)], "2 places of"),
        ([_booked(0), _booked(1)], "2 places of"),
        ([_booked(0), k.CheckedIn(PATH, START_MS, 0, ""), _booked(1)], "2 places of"),
        ([_booked(0), _booked(1, ELEVEN), _booked(1, TEN, instead_of=ELEVEN)], "2 places of"),
        ([_held(0, "19700114T100001Z")], "no slot that lies ahead"),
        ([_booked(0, at=TEN_MS)], "no slot that lies ahead"),
        ([_held(0, until=START_MS)], "was over when it was made"),
        ([_held(0), k.HoldMoved(PATH, 0, LATER)], "was cut short"),
        ([_held(0), _held(1, ELEVEN), k.HoldEnded(PATH, LATER - 1, [0, 1])], "was to last until"),
        ([_held(0, until=START_MS + 1), k.HoldEnded(PATH, LATER, [0])], "was to last until"),
        ([_held(0), _booked(0, at=LATER)], "its hold was over"),
        ([_booked(0), _held(0)], "was booked"),
        ([_booked(0), _booked(0, ELEVEN)], "was booked"),
        ([_booked(0, ELEVEN, instead_of=TEN)], "was waiting"),
        ([_booked(0), _booked(0, ELEVEN, instead_of="19700114T103000Z")], "not 19700114T103000Z"),
        ([_booked(0), _booked(1, ELEVEN, code="CODE0")], "names another booking"),
        ([_booked(0), k.BookingCancelled(PATH, START_MS, 0, ELEVEN, "")], "did not have"),
        ([_held(0), k.CheckedIn(PATH, START_MS, 0, "")], "was held"),
        ([k.NotShown(PATH, START_MS, 0, "")], "was waiting"),
        ([_booked(0), k.TicketsLost(PATH, START_MS, [0], "ended")], "was booked"),
    ],
)
def test_a_broken_promise_is_found(events: list[AnyEvent], found: str) -> None:
    with pytest.raises(Broken, match=found):
        _audit(*events, at=LATER)


def test_a_queue_has_no_slots() -> None:
    audit = Audit()
    joined = Joined("general", 0, consumer(0), b"\x01")
    events: list[AnyEvent] = [
        Configured(1, document(paths=[raw_path()]), "k1", ""),
        joined,
        k.SlotHeld("general", 1, 0, TEN, 2),
    ]
    payload = codec.encode_entry(Entry(1, START_MS, "0-0", {}, "", events))
    with pytest.raises(Broken, match="general is of another kind than what tells SlotHeld"):
        audit.entry("1-0", payload, codec.next_chain(GENESIS_CHAIN, payload))
