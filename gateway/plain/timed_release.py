"""What the page without JavaScript says of a timed release. Pure."""

from gateway.plain import any_kind
from gateway.plain.markup import instant
from gateway.plain.sheet import Sheet, View
from protocol.frames import TicketFrame

WORDS = any_kind.Words(left="You gave it away", foot="Claims count in the order in which they come.")


def view(sheet: Sheet) -> View:
    """The opening, the claim, and that it is gone."""
    ticket = sheet.last(TicketFrame)
    if sheet.state == "waiting" and ticket is not None and ticket.claimed is True:
        message = "The shop lets people in one after another. Your turn comes by itself."
        return View("Your claim is in", message=message)
    if sheet.state not in {"", "waiting"}:
        shown = any_kind.view(sheet, WORDS)
        return shown._replace(action="") if sheet.state == "left" else shown
    return _unclaimed(sheet)


def _unclaimed(sheet: Sheet) -> View:
    if sheet.sold_out is not None:
        return View("Sold out", message="Everything is in somebody’s basket, and nothing is left to claim.")
    if sheet.phase in {"scheduled", "lobby"}:
        at = sheet.view.opens_at
        figure, label = ("", "") if at is None else (instant(at), "opens then")
        return View("Not open yet", figure, label, "From then on there is a button here to claim one.")
    if no := any_kind.barred(sheet):
        return no
    if sheet.is_paused:
        return View("On hold", message="The shop is catching its breath. It goes on in a moment.")
    action = any_kind.taking(sheet, "claim", "Claim yours")
    return View("It is open", message="Claims are served in the order in which they come.", action=action)
