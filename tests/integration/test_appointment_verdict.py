"""The verdict on a race for appointments: a sound log passes, and whatever must not be, planted in one, is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import redis

from protocol.events import AnyEvent
from protocol.kind_events import Booked, BookingCancelled, HoldEnded, SlotHeld
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key
from tests.support.log import START_MS, Log, joined
from tests.support.samples import EXPERIENCE
from tests.support.valkey import ValkeyProcess

PATH = "fitting"
NINE, TEN = "20270201T090000Z", "20270201T100000Z"
UNTIL = START_MS + 3_000
TIMEOUT_S = 60


def held(ticket: int, slot: str = NINE) -> SlotHeld:
    return SlotHeld(PATH, START_MS, ticket, slot, UNTIL)


def booked(ticket: int, slot: str = NINE, instead_of: str = "") -> Booked:
    return Booked(PATH, START_MS, ticket, slot, f"K{ticket}", instead_of)


def ended(ticket: int, at: int = UNTIL) -> HoldEnded:
    return HoldEnded(PATH, at, [ticket])


def judged(valkey: ValkeyProcess, *events: AnyEvent) -> dict[str, Any]:
    """What is said of a log of these events, with one place in a slot."""
    log, key = Log(), events_key(EXPERIENCE)
    log.append(joined(0, 0, 1, 2, path=PATH))
    for event in events:
        log.append(event)
    with redis.Redis.from_url(valkey.url) as store:
        store.delete(key)
        for entry_id, payload, chain in log.entries:
            store.xadd(key, {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)
    command = [sys.executable, "-m", "loadtests.appointment_log", valkey.url, EXPERIENCE, "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    verdict: dict[str, Any] = json.loads(run.stdout)
    return verdict


def test_a_sound_log_passes_and_is_counted(valkey_process: ValkeyProcess) -> None:
    sound = judged(
        valkey_process,
        *(held(0), ended(0), held(1), booked(1), booked(1, TEN, NINE), held(2), ended(2, START_MS), booked(0)),
        BookingCancelled(PATH, START_MS, 1, TEN, ""),
    )
    assert (sound["most"], sound["crowded"], sound["stray"], sound["faults"]) == (1, 0, 0, [])
    assert sound["counts"] == {
        "places held": 3,
        "holds that ran out": 1,
        "holds given up": 1,
        "bookings": 2,
        "moves": 1,
        "cancellations": 1,
    }


def test_one_too_many_is_seen(valkey_process: ValkeyProcess) -> None:
    found = judged(valkey_process, held(0), booked(0), held(1), ended(1))
    assert (found["most"], found["crowded"], found["stray"]) == (2, 1, 0)


@pytest.mark.parametrize(
    "events",
    [
        (booked(0, TEN, NINE),),
        (held(0), booked(0, TEN, NINE)),
        (booked(0), ended(0)),
        (booked(0), held(0, TEN)),
        (booked(0), booked(0, TEN)),
        (BookingCancelled(PATH, START_MS, 0, NINE, ""),),
    ],
)
def test_who_is_without_a_slot_or_has_two_is_seen(events: tuple[AnyEvent, ...], valkey_process: ValkeyProcess) -> None:
    found = judged(valkey_process, *events)
    assert (found["stray"], found["crowded"]) == (1, 0)
    assert "ticket 0 " in found["faults"][0]
