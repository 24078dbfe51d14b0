"""What the page without JavaScript says of an appointment: which times are free, and which one is one's own. Pure."""

from typing import Final

from gateway.plain import any_kind
from gateway.plain.markup import away, clock, form, instant, link
from gateway.plain.sheet import Sheet, View
from protocol.frames import TicketFrame
from protocol.kind_frames import BookedFrame, HeldFrame, SlotView

WORDS = any_kind.Words(left="You have no time here", foot="What is booked stays booked, whoever comes later.")
SHOWN_MAX: Final = 20
"""So many times stand on one page; a link leads to the later ones."""


def view(sheet: Sheet) -> View:
    """What one holds or has booked, or what there is to book."""
    held, booked = sheet.last(HeldFrame), sheet.last(BookedFrame)
    if sheet.state == "held" and held is not None:
        return _held(sheet, held)
    if sheet.state == "waiting" and held is not None:
        message = "Your turn to pay comes by itself, and then it is booked."
        action = form(sheet.view.id, "cancel", "Let it go", slot=held.slot)
        return View("Kept for you until you pay", message=f"{_words(sheet, held.slot)}. {message}", action=action)
    if sheet.state == "booked" and booked is not None:
        return _booked(sheet, booked)
    ticket = sheet.last(TicketFrame)
    forgiven = ticket is not None and ticket.may_rejoin is True
    if sheet.state in {"", "waiting", "left", "expired"} and not forgiven:
        return any_kind.barred(sheet) or _choosing(sheet)
    if sheet.state == "completed":
        return View("Thank you for coming", message="You are checked in, or your order is complete.")
    return any_kind.view(sheet, WORDS)


def _held(sheet: Sheet, held: HeldFrame) -> View:
    path = sheet.view.id
    action = form(path, "book", "Confirm this time") + form(path, "cancel", "Let it go", slot=held.slot)
    assert isinstance(held.hold_expires_at, int), "a hold has its time"
    left = clock(held.hold_expires_at - held.now)
    return View("Kept for you", left, "minutes left to confirm", _words(sheet, held.slot), action)


def _booked(sheet: Sheet, booked: BookedFrame) -> View:
    path = sheet.view.id
    if sheet.form == "change":
        keep = link("Keep the time that I have", lesser=True, path=path)
        message = f"You have {_words(sheet, booked.slot)}. It stays yours until you have another."
        return View("Choose another time", message=message, action=_times(sheet, "reschedule") + keep)
    calendar = f"/v1/experiences/{sheet.experience}/paths/{path}/booking.ics"
    action = away("Add to my calendar", calendar) + link("Change the time", lesser=True, path=path, form="change")
    action += form(path, "cancel", "Cancel my booking", slot=booked.slot)
    return View("You are booked", booked.confirmation, "is your code to show", _words(sheet, booked.slot), action)


def _choosing(sheet: Sheet) -> View:
    if sheet.is_paused:
        return View("A short pause", message="Times can be chosen again as soon as the shop goes on.")
    if not any(slot.free for slot in sheet.slots):
        return View("Nothing is free just now", message="Places come back when others change their minds.")
    message = "A press keeps it; it is booked when it is paid." if sheet.detail("checkout") else "A press books it."
    return View("Choose a time", message=message, action=_times(sheet, "book"))


def _times(sheet: Sheet, action: str) -> str:
    path, later = sheet.view.id, [slot for slot in sheet.slots if slot.free and slot.start >= sheet.since]
    later.sort(key=lambda slot: slot.start)
    shown, behind = later[:SHOWN_MAX], later[SHOWN_MAX:]
    times = "".join(form(path, action, _slot_words(sheet, slot), lesser=True, slot=slot.id) for slot in shown)
    if not behind:
        return times
    return times + link("Later times", lesser=True, path=path, since=behind[0].start, form=sheet.form)


def _slot_words(sheet: Sheet, slot: SlotView) -> str:
    return f"{instant(slot.start, sheet.detail('time_zone'))}, places: {slot.free}"


def _words(sheet: Sheet, slot_id: str) -> str:
    slot = next((one for one in sheet.slots if one.id == slot_id), None)
    if slot is None:
        return ""
    return ", ".join(filter(None, (instant(slot.start, sheet.detail("time_zone")), slot.location)))
