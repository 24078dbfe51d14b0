"""The slots of an appointment: when they begin, what each takes, and until when they can be taken or given back.

When they begin stands in the document, worked out when it was taken in: nothing here knows a time zone.
"""

from typing import Final

from engine.core.limits import MS_PER_MINUTE
from protocol.distributions import Appointment
from protocol.refusals import Reason, Refusal
from protocol.slots import slots_of

_MS_PER_DAY: Final = 1_440 * MS_PER_MINUTE


class Slots:
    """The slots by these ``terms``. ``begins``: epoch ms of each, by id; ``over_at``: when the last one is over."""

    def __init__(self, terms: Appointment) -> None:
        self.begins = slots_of(terms)
        duration_ms = terms.duration_minutes * MS_PER_MINUTE
        self.over_at = max(self.begins.values(), default=-duration_ms) + duration_ms
        self.terms = terms

    def refusal(self, slot: str, at: int, taken: int) -> Refusal | None:
        """Why nobody can have a place in ``slot``, of which ``taken`` are gone, or None."""
        begins = self.begins.get(slot)
        if begins is None:
            return Refusal(Reason.NOT_FOUND, {"slot": slot})
        if begins < at + max(1, self.terms.min_notice_minutes * MS_PER_MINUTE):
            return Refusal(Reason.CUTOFF_PASSED, {"slot": slot})
        days = self.terms.max_advance_days
        if days is not None and begins > at + days * _MS_PER_DAY:
            return Refusal(Reason.NOT_OPEN, {"slot": slot, "opens_at": begins - days * _MS_PER_DAY})
        if taken >= self.terms.capacity_per_slot:
            return Refusal(Reason.SLOT_FULL, {"slot": slot})
        return None

    def cutoff_refusal(self, slot: str, at: int) -> Refusal | None:
        """Why whoever has booked ``slot`` cannot give it back, or None."""
        cutoff_at = self.begins[slot] - max(1, self.terms.cancel_cutoff_minutes * MS_PER_MINUTE)
        return Refusal(Reason.CUTOFF_PASSED, {"slot": slot, "cutoff_at": cutoff_at}) if at > cutoff_at else None

    def changed(self, after: "Slots", taken: dict[str, int]) -> list[str]:
        """Which settings of ``after`` would change the slots in ``taken``, of which so many places are gone."""
        before, terms = self.terms, after.terms
        found = [field for field in ("duration_minutes", "location") if getattr(before, field) != getattr(terms, field)]
        if any(slot not in after.begins for slot in taken):
            found.append("windows")
        if any(count > terms.capacity_per_slot for count in taken.values()):
            found.append("capacity_per_slot")
        return found if taken else []
