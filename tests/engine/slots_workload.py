"""Random workloads of appointments: one with a waitlist attached, another of the same or a queue, and what is done to
places in slots.

Slots begin a second apart, so that holds end at their beginning, notice and cutoff pass and people do not come, all
within the seconds of a workload.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.documents import Experience as Document
from protocol.kinds.appointment import AppointmentReplica
from protocol.slots import slot_of
from tests.engine.kinds_workload import PATHS, KindsWorkload
from tests.engine.kinds_workload import WORDS as KINDS_WORDS
from tests.engine.stage import ACTOR, START_MS, Stage
from tests.engine.workload import Act
from tests.support.samples import consumer, document, raw_product, raw_variant, with_slots

BOOKING_WORDS = (*("hold", "book") * 4, *("reschedule",) * 3, "cancel", "cancel")
CODE_WORDS = ("check_in", "no_show", "cancel_booking")
SLOT_WORDS = (*BOOKING_WORDS, *CODE_WORDS)
WORDS = (*KINDS_WORDS, *SLOT_WORDS * 8)
STARTS = [START_MS + second * 1_000 for second in (0, 1, 3, 6, 10)]
SLOTS = tuple(map(slot_of, STARTS))
SLOT_OF = (0, 1, 2, 2, 3, 3, 3, 4)
"""Which of them is asked for: most want the same."""


class SlotsWorkload(KindsWorkload):
    """A document with an appointment, and some seconds of things happening."""

    WORDS = WORDS

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        path = PATHS[act.which % 2]
        if act.word in BOOKING_WORDS:
            slot = SLOTS[SLOT_OF[(act.who + stage.now_ms) % len(SLOT_OF)]]
            return [_of_slots(act.word, consumer(act.who), path, slot, named=act.which > 1)]
        if act.word in CODE_WORDS:
            kept = stage.replica.paths[path].kind if path in stage.replica.paths else None
            places = kept.places.values() if isinstance(kept, AppointmentReplica) else ()
            codes = [place.confirmation for place in places]
            return [_of_codes(act.word, path, codes[act.who % len(codes)] if codes else "")]
        return super().commands_of(act, stage)

    def _document(self) -> Document:
        chance = self._chance
        paths = [self._appointment(PATHS[0]), self._waitlist()]
        paths.append(self._appointment(PATHS[1]) if chance.random() < 0.5 else self._main_path(PATHS[1]))
        chance.shuffle(paths)
        stock = {one: self._maybe(0.5, 0, 1, 3, 6) for one in ("a", "b")}
        products = [raw_product(*(raw_variant(one, stock=left) for one, left in stock.items()))]
        return with_slots(document(paths=paths, products=products), STARTS)

    def _appointment(self, path_id: str) -> dict[str, Any]:
        chance = self._chance
        terms = {
            "kind": "appointment",
            "windows": [{"date": "1970-01-02", "from": "10:00", "to": "11:00"}],
            "capacity_per_slot": chance.choice((1, 1, 2, 3)),
            "duration_minutes": 1,
            "hold_seconds": chance.choice((1, 2)),
        }
        fields = {"opens_at": self._maybe(0.2, START_MS + 50), "closes_at": self._maybe(0.2, START_MS + 3_000)}
        return {"id": path_id, "min_level": "guest", "distribution": terms} | fields | self._entry()


def _of_slots(word: str, who: bytes, path: str, slot: str, *, named: bool) -> c.Command:
    kinds: dict[str, c.Command] = {
        "hold": c.Hold(who, path, slot=slot),
        "book": c.Book(who, path, slot=slot if named else ""),
        "reschedule": c.Reschedule(who, path, slot),
        "cancel": c.Cancel(who, path),
    }
    return kinds[word]


def _of_codes(word: str, path: str, code: str) -> c.Command:
    kinds: dict[str, c.Command] = {
        "check_in": c.CheckIn(ACTOR, "", path, code),
        "no_show": c.NoShow(ACTOR, "", path, code),
        "cancel_booking": c.CancelBooking(ACTOR, "", path, code),
    }
    return kinds[word]
