"""What the page without JavaScript says of any path, whatever its kind, and which forms it has. Pure.

A kind has its own `Words`, and its own view of the states that only it has.
"""

from typing import Final, NamedTuple

from msgspec import UNSET

from gateway.plain.markup import asking, away, clock, form, instant, link, span
from gateway.plain.sheet import Sheet, View
from protocol.frames import AdmittedFrame, PositionFrame, TicketFrame

PAUSED: Final = "Paused at the moment; your place is safe."
TAKING: Final = frozenset({"lobby", "open"})


class Words(NamedTuple):
    """What a kind calls what all of them have; the defaults are those of a line."""

    opened: str = "The line is open"
    promise: str = "Join it, and your place is kept from then on."
    join: str = "Join the line"
    leave: str = "Leave the line"
    left: str = "You have left the line"
    foot: str = "Everyone is served in the order they came; reloading does not change your place."


LINE: Final = Words()

_OVER: Final = {
    "completed": ("Thank you", "Your order is complete."),
    "expired": ("Your turn has passed", "The time to check out is over."),
    "lost": ("This is over", "Nothing is left, or it has ended."),
    "refused": ("You cannot take part", "The shop has turned this ticket away."),
}
_LOST: Final = {
    "sold_out": ("Sold out", "Everything was sold before it was your turn."),
    "failover": ("Your place was lost", "A failure on our side lost it. You can join again, at the back."),
}
_BARRED: Final = {
    "needs_level": ("Please sign in first", "This way in is for customers who are signed in at the shop."),
    "not_for_you": ("For invited customers", "This way in is for people whom the shop has invited."),
    "full": ("It is full", "No more people are taken at the moment. This page looks again."),
}


def view(sheet: Sheet, words: Words = LINE) -> View:
    """What the page says where the kind has nothing of its own to say."""
    if sheet.state == "":
        return barred(sheet) or outside(sheet, words)
    if sheet.state in {"admitted", "redeemed"}:
        return checkout(sheet)
    return waiting(sheet, words) if sheet.state == "waiting" else over(sheet, words)


def barred(sheet: Sheet) -> View | None:
    """Why whoever has no ticket cannot have one now; None: they can."""
    if sheet.phase == "scheduled":
        at = sheet.changes_at
        return View("Not open yet", "" if at is None else instant(at), "" if at is None else "opens then")
    if sheet.phase not in TAKING:
        return View("Closed", message="It takes nobody any more.")
    if sheet.sold_out is not None and not sheet.sold_out.may_return:
        return View("Sold out", message="Nothing is left.")
    if sheet.view.access == "needs_code":
        return _code(sheet)
    headline, message = _BARRED.get(sheet.view.access, ("", ""))
    return View(headline, message=message) if headline else None


def outside(sheet: Sheet, words: Words) -> View:
    """Whoever has no ticket may take one."""
    return View(words.opened, message=words.promise, action=taking(sheet, "join", words.join))


def taking(sheet: Sheet, action: str, label: str) -> str:
    """The forms that take a ticket: one for each variant where there is a choice."""
    path = sheet.view.id
    if not sheet.choices:
        return form(path, action, label)
    variants = ((one, f"{label}: {sheet.variant_words(one)}") for one in sheet.choices)
    return "".join(form(path, action, words, variant=variant) for variant, words in variants)


def waiting(sheet: Sheet, words: Words) -> View:
    """Whoever has a place, or will have one."""
    position = sheet.last(PositionFrame)
    action = changing(sheet) + form(sheet.view.id, "leave", words.leave)
    if position is None:
        return View("You are in line", message=PAUSED if sheet.is_paused else "", action=action)
    if position.ahead is UNSET:
        message = "Chance decides the order at the opening."
        return View("You are in the lobby", str(position.of), "people are here", message, action)
    return View("You are in line", str(position.ahead), "people ahead of you", _wait(sheet, position), action)


def changing(sheet: Sheet) -> str:
    """The forms that choose another variant at the same place."""
    path, others = sheet.view.id, [one for one in sheet.choices if one != sheet.wanted]
    labels = {one: f"Choose {sheet.variant_words(one)}" for one in others}
    return "".join(form(path, "choose", label, lesser=True, variant=one) for one, label in labels.items())


def checkout(sheet: Sheet) -> View:
    """The turn, and what it is for."""
    admitted = sheet.last(AdmittedFrame)
    if sheet.state == "redeemed":
        back = "" if admitted is None else away("Back to the shop", admitted.checkout_url, "checkout")
        return View("Your checkout is under way", message="Finish your order in the shop.", action=back)
    if admitted is None:
        return View("It is your turn", message="The way to the checkout comes in a moment.")
    what = [] if admitted.variant is UNSET else [sheet.variant_name(admitted.variant)]
    what += [] if admitted.price is UNSET else [f"{admitted.price} {sheet.detail('currency')}"]
    action = away("To the checkout", admitted.checkout_url, "checkout")
    action += form(sheet.view.id, "decline", "Give up my turn")
    left = clock(admitted.expires_at - admitted.now)
    return View("It is your turn", left, "minutes left to check out", ", ".join(what), action)


def over(sheet: Sheet, words: Words) -> View:
    """A ticket that is not live any more, and whether there is a way back."""
    ticket = sheet.last(TicketFrame)
    headline, message = _LOST.get(sheet.reason) or _OVER.get(sheet.state) or (words.left, "")
    if ticket is not None and ticket.may_rejoin is True:
        return View(headline, message=message, action=form(sheet.view.id, "rejoin", "Take my place back"))
    again = sheet.state in {"left", "expired"} or sheet.reason == "failover"
    if not again or barred(sheet) is not None:
        return View(headline, message=message)
    return View(headline, message=message, action=taking(sheet, "join", words.join))


def _wait(sheet: Sheet, position: PositionFrame) -> str:
    if sheet.is_paused:
        return PAUSED
    what = f"You wait for {sheet.variant_name(sheet.wanted)}. " if sheet.wanted else ""
    if sheet.sold_out is not None:
        return f"{what}Sold out for now: what others leave goes to the next in line."
    return what + (f"About {span(*position.eta)}." if isinstance(position.eta, tuple) else "")


def _code(sheet: Sheet) -> View:
    message = "This way in opens with a code."
    if sheet.form != "code":
        return View("You need a code", message=message, action=link("Enter a code", path=sheet.view.id, form="code"))
    ask = asking(sheet.view.id, "join", "Enter", "code", "Your code", "text")
    return View("You need a code", message=message, action=ask, still=True)
