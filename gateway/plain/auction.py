"""What the page without JavaScript says of an auction, of either style. A bid is typed on a page that stands still.
Pure."""

from msgspec import UNSET

from gateway.plain import any_kind
from gateway.plain.markup import asking, clock, form, instant, link
from gateway.plain.sheet import Sheet, View
from protocol.kind_frames import BidStatusFrame, HighBidFrame, OfferFrame

WORDS = any_kind.Words(
    opened="The auction is running",
    left="You passed it on",
    foot="The price is the same for everybody, and nobody is told what others would pay.",
)
HELD = "The auction is paused: nobody can bid just now, and the time that is lost is given back."


def view(sheet: Sheet) -> View:
    """The price, one's own bid, and what the hammer said."""
    offer = sheet.last(OfferFrame)
    if sheet.state == "offered" and offer is not None:
        return _offered(sheet, offer)
    if sheet.state == "lost" and sheet.reason == "outbid":
        return View("You did not win", message="The hammer has fallen, and others went higher.")
    if sheet.state not in {"", "waiting"}:
        return any_kind.view(sheet, WORDS)._replace(action=_of_ticket(sheet))
    if sheet.state == "":
        return any_kind.barred(sheet) or _running(sheet)
    own = sheet.last(BidStatusFrame)
    if own is not None and own.status == "won":
        return View("It is yours", message="Your time to check out begins as soon as there is room in the shop.")
    return _running(sheet) if sheet.phase == "open" else _hoping(sheet)


def _of_ticket(sheet: Sheet) -> str:
    """Nobody joins an auction: who has nothing any more bids, if that is open."""
    if sheet.state in {"admitted", "redeemed"}:
        return any_kind.checkout(sheet).action
    return "" if sheet.phase != "open" else _running(sheet).action


def _running(sheet: Sheet) -> View:
    stands = sheet.last(HighBidFrame)
    if stands is None:
        return View(WORDS.opened, message="The price comes in a moment.")
    return _falling(sheet, stands) if sheet.detail("style") == "dutch" else _rising(sheet, stands)


def _falling(sheet: Sheet, stands: HighBidFrame) -> View:
    if stands.price is UNSET:
        return View(WORDS.opened, message="The price comes in a moment.")
    figure, left = f"{stands.price} {stands.currency}", stands.left
    if sheet.is_paused:
        return View("The price stands still", figure, "is the price now", HELD)
    if left == 0:
        return View("Everything is taken", figure, "was the last price")
    falls = "This is the lowest it gets."
    if isinstance(stands.next_drop_at, int):
        falls = f"It falls in {clock(stands.next_drop_at - stands.now)}."
    take = form(sheet.view.id, "claim", f"Take it for {figure}", price=stands.price)
    return View("The price is falling", figure, "is the price now", f"{falls} Whoever takes it first has it.", take)


def _rising(sheet: Sheet, stands: HighBidFrame) -> View:
    own = sheet.last(BidStatusFrame)
    headline = WORDS.opened
    if own is not None:
        headline = "You are leading" if own.status == "leading" else "You are outbid"
    begins = stands.amount is None or stands.amount is UNSET
    figure = f"{stands.min_next if begins else stands.amount} {stands.currency}"
    label = "to begin with" if begins else f"is the price now; bids: {stands.bids}"
    shown = View(headline, figure, label, HELD if sheet.is_paused else _terms(sheet, stands, own))
    if sheet.is_paused:
        return shown
    if sheet.form != "bid":
        return shown._replace(action=link("Bid", path=sheet.view.id, form="bid"))
    question = f"The most that you would pay, in {stands.currency}"
    ask = asking(sheet.view.id, "bid", "Bid: it cannot be taken back", "max", question, "decimal", id=sheet.fresh)
    return shown._replace(action=ask, still=True)


def _terms(sheet: Sheet, stands: HighBidFrame, own: BidStatusFrame | None) -> str:
    said = [] if stands.closes_at is None else [f"It ends {instant(stands.closes_at)}, or later if bids come late."]
    if stands.reserve_met is not UNSET:
        said.append("The reserve is met." if stands.reserve_met else "The reserve is not met yet.")
    if own is not None and own.max is not UNSET:
        said.append(f"Your maximum is {own.max} {stands.currency}.")
    said.append(f"A bid is at least {stands.min_next} {stands.currency}; you pay less if less is enough.")
    return " ".join(said)


def _hoping(sheet: Sheet) -> View:
    if sheet.detail("second_chance") is not True:
        return View("The auction is over", message="The hammer has fallen.")
    message = "If the winner does not buy, you are offered it at your own maximum."
    return View("Not won, but next in line", message=message)


def _offered(sheet: Sheet, offer: OfferFrame) -> View:
    path, left = sheet.view.id, clock(offer.claim_by - offer.now)
    price = "your own maximum" if offer.price is UNSET else f"{offer.price} {sheet.detail('currency')}"
    decline = form(path, "decline", "Pass it on", offer=offer.offer)
    action = form(path, "claim", "Take it", offer=offer.offer) + decline
    message = f"The winner did not buy. It is yours for {price}, if you take it in time."
    return View("A second chance", left, "minutes left to take it", message, action)
