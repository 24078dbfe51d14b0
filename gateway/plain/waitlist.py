"""What the page without JavaScript says of a waitlist. Pure."""

from msgspec import UNSET

from gateway.plain import any_kind
from gateway.plain.markup import clock, form, link
from gateway.plain.sheet import Sheet, View
from protocol.frames import PositionFrame, TicketFrame
from protocol.kind_frames import AnnouncedFrame, OfferFrame

WORDS = any_kind.Words(
    opened="The waitlist",
    promise="Whatever becomes free is offered to the next on it. Joining binds you to nothing.",
    join="Join the waitlist",
    leave="Leave the waitlist",
    left="You left the waitlist",
    foot="Whatever becomes free is offered in order, and everybody has one offer.",
)


def view(sheet: Sheet) -> View:
    """The place, the offer, and what became of it."""
    ticket, offer = sheet.last(TicketFrame), sheet.last(OfferFrame)
    if sheet.state == "offered" and ticket is not None and ticket.claimed is True:
        return View("You took it", message="It is kept for you, and your turn to check out comes by itself.")
    if sheet.state == "offered" and offer is not None:
        return _offered(sheet, offer)
    if sheet.state == "waiting":
        return _listed(sheet)
    shown = any_kind.view(sheet, WORDS)
    if sheet.state == "expired" and sheet.reason == "not_claimed":
        return shown._replace(headline="Your offer has run out", message="It went to the next.")
    return shown._replace(headline="You passed it on") if sheet.reason == "declined" else shown


def _listed(sheet: Sheet) -> View:
    position, opened = sheet.last(PositionFrame), sheet.last(AnnouncedFrame)
    action = any_kind.changing(sheet) + form(sheet.view.id, "leave", WORDS.leave)
    if opened is not None:
        action = link("It has opened: look now", path=opened.source) + action
    ahead = "" if position is None or position.ahead is UNSET else str(position.ahead)
    message = any_kind.PAUSED if sheet.is_paused else "You are told here when something is free for you."
    return View("You are on the waitlist", ahead, "people ahead of you" if ahead else "", message, action)


def _offered(sheet: Sheet, offer: OfferFrame) -> View:
    path, left = sheet.view.id, clock(offer.claim_by - offer.now)
    decline = form(path, "decline", "Pass it on", offer=offer.offer)
    if offer.gone is True:
        message = "It may come back while your time lasts: this page looks again."
        return View("Somebody was faster", left, "minutes left", message, decline)
    message = "It is kept for you until the time is over."
    if offer.reserved is False:
        message = "Everybody on the waitlist has this offer: the first who take it get it."
    action = form(path, "claim", "Take it", offer=offer.offer) + decline
    return View("It is free for you", left, "minutes left to take it", message, action)
