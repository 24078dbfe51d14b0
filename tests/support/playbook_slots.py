"""The words of the transcripts for appointments. A slot is named by its time on the first day, in UTC: ``14:00``.

Hands over to: ``playbook_words``, which has them beside the words that all kinds share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from protocol import commands as c
from protocol import kind_events as k
from protocol.commands import Command

_DAY = "1970-01-12"
SETTINGS_OF_SLOTS = {
    "slot": "duration_minutes",
    "buffer": "buffer_minutes",
    "places": "capacity_per_slot",
    "holds": "hold_seconds",
    "notice": "min_notice_minutes",
    "cutoff": "cancel_cutoff_minutes",
    "checkout": "checkout",
}


def opening(hours: str) -> dict[str, Any]:
    """``14:00-16:00`` → the distribution of an appointment with this opening window."""
    begins, ends = hours.split("-")
    return {"kind": "appointment", "windows": [{"date": _DAY, "from": begins, "to": ends}]}


def _slot(time: str) -> str:
    return f"{_DAY.replace('-', '')}T{time.replace(':', '')}00Z" if time else ""


def _time(slot: str) -> str:
    return f"{slot[9:11]}:{slot[11:13]}"


def sentences(codes: dict[str, str]) -> list[tuple[str, Callable[[re.Match[str], Any, str, str], list[Command]]]]:
    """The sentences about slots; ``codes``: everybody's latest confirmation code, by name."""

    def by_code(kind: Callable[[str, str, str, str], Command]) -> Callable[..., list[Command]]:
        return lambda found, _, path, key: [kind("merchant", key, path, codes[found[1]])]

    return [
        (r"(\w+) holds (\S+)", lambda f, cast, path, _: [c.Hold(cast.consumer(f[1]), path, slot=_slot(f[2]))]),
        (r"(\w+) books(?: (\S+))?", lambda f, cast, path, _: [c.Book(cast.consumer(f[1]), path, slot=_slot(f[2]))]),
        (
            r"(\w+) reschedules to (\S+)",
            lambda f, cast, path, _: [c.Reschedule(cast.consumer(f[1]), path, _slot(f[2]))],
        ),
        (r"(\w+) cancels", lambda f, cast, path, _: [c.Cancel(cast.consumer(f[1]), path)]),
        (r"the merchant checks in (\w+)", by_code(c.CheckIn)),
        (r"the merchant misses (\w+)", by_code(c.NoShow)),
        (r"the merchant cancels (\w+)", by_code(c.CancelBooking)),
    ]


def tell(codes: dict[str, str]) -> dict[type, Callable[[Any, Any], Iterator[str]]]:
    """The sentences that tell what became of slots; ``codes`` is kept up to date."""

    def held(event: k.SlotHeld, cast: Any) -> Iterator[str]:
        until = cast.instant(event.hold_until)
        yield f"{cast.holder(event.path, event.ticket)} holds {_time(event.slot)} until {until}"

    def booked(event: k.Booked, cast: Any) -> Iterator[str]:
        name = cast.holder(event.path, event.ticket)
        codes[name] = event.confirmation
        yield f"{name} has booked {_time(event.slot)}" + (f" for {_time(event.instead_of)}" if event.instead_of else "")

    def asked(event: k.CheckoutAsked, cast: Any) -> Iterator[str]:
        yield f"{cast.holder(event.path, event.ticket)} is to pay for {_time(event.slot)}"

    def dropped(event: k.CheckoutDropped, cast: Any) -> Iterator[str]:
        yield f"{cast.holder(event.path, event.ticket)} has not paid for {_time(event.slot)}"

    def kept(event: k.SlotKept, _: Any) -> Iterator[str]:
        yield f"a place at {_time(event.slot)} is kept for the waitlist"

    def released(event: k.SlotReleased, _: Any) -> Iterator[str]:
        yield f"a place at {_time(event.slot)} is kept no more"

    def cancelled(event: k.BookingCancelled, cast: Any) -> Iterator[str]:
        by = " (by hand)" if event.actor else ""
        yield f"{cast.holder(event.path, event.ticket)} no longer has {_time(event.slot)}{by}"

    def lost(event: k.TicketsLost, cast: Any) -> Iterator[str]:
        yield from (f"{cast.holder(event.path, ticket)} is lost ({event.reason})" for ticket in event.tickets)

    def hold_moved(event: k.HoldMoved, cast: Any) -> Iterator[str]:
        yield f"the hold of {cast.holder(event.path, event.ticket)} lasts until {cast.instant(event.hold_until)}"

    return {
        k.SlotHeld: held,
        k.HoldMoved: hold_moved,
        k.HoldEnded: lambda event, cast: iter(
            [f"the hold of {cast.holder(event.path, ticket)} is over" for ticket in event.tickets]
        ),
        k.Booked: booked,
        k.CheckoutAsked: asked,
        k.CheckoutDropped: dropped,
        k.SlotKept: kept,
        k.SlotReleased: released,
        k.BookingCancelled: cancelled,
        k.CheckedIn: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} is here"]),
        k.NotShown: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} did not come"]),
        k.TicketsLost: lost,
    }
