"""What a story tells of the kinds of distributions beside the queue: entries and the draw, bids and the hammer, falling
prices, places in slots, claims, offers and those who were passed over, each with its reason.

Hands over to: ``engine.story``, which tells all else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.story_words import ahead, is_in_order, money, time
from protocol import kind_events as k
from protocol.kinds.appointment import AppointmentReplica
from protocol.path_replica import PathReplica
from protocol.replica import Replica
from protocol.states import LIVE

if TYPE_CHECKING:
    from engine.story import Story

_SKIPPED: Final = {
    "variant_not_free": "nothing was free of what it wants",
    "already_admitted": "its holder was admitted elsewhere already",
    "already_booked": "its holder has booked a slot already",
}


def standing(path: PathReplica, ticket: int, replica: Replica) -> str:
    """What is to be added to the state of a ticket: its offer, or its place in a slot."""
    offer = path.offers.get(ticket)
    if offer is not None:
        return ", and has claimed it" if offer.claimed else f", and can claim it until {time(replica, offer.claim_by)}"
    place = path.kind.places.get(ticket) if isinstance(path.kind, AppointmentReplica) else None
    if place is None or path.state(ticket) not in LIVE:
        return ""
    return f" in {place.slot}" + ("" if place.hold_until is None else f" until {time(replica, place.hold_until)}")


# What every kind may tell


def _chosen(story: Story, event: k.Chosen, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, now_ms, f"It wants {event.variant or 'whatever there is'}")


def _lost(story: Story, event: k.TicketsLost, replica: Replica, now_ms: int) -> None:
    if story.ticket not in event.tickets:
        return story.passed("gone", replica)
    story.waits = False
    return story.say(replica, event.at, f"It lost its place ({event.reason})")


def _claimed(story: Story, event: k.Claimed, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, event.at, "It claimed: its turn comes behind those who claimed before, as the limits allow")


# Offers


def _offered(story: Story, event: k.Offered, replica: Replica, now_ms: int) -> None:
    if story.ticket not in event.tickets:
        return story.passed("offered something", replica)
    story.waits = False
    path, index = replica.paths[story.path], event.tickets.index(story.ticket)
    variant, price = event.variants[index], event.prices[index]
    what = variant or (f"a place in {event.slot}" if event.slot else "a place")
    what += "" if price is None else f" at {money(path, replica, price, variant)}"
    whose = "one is kept for it" if event.reserved else "whoever claims first gets it"
    until = time(replica, event.claim_by)
    return story.say(replica, event.at, f"It was offered {what} ({event.cause or 'to all'}) until {until}; {whose}")


def _offer_moved(story: Story, event: k.OfferMoved, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, now_ms, f"Its offer was moved and can be claimed until {time(replica, event.claim_by)}")


def _offer_expired(story: Story, event: k.OfferExpired, replica: Replica, now_ms: int) -> None:
    if story.ticket in event.tickets:
        story.say(replica, event.at, "It did not claim what it was offered in time")


def _skipped(story: Story, event: k.OfferSkipped, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        why = _SKIPPED.get(event.reason, event.reason)
        story.say(replica, event.at, f"It was passed over and keeps its place: {why} ({event.reason})")


def _freed(story: Story, event: k.UnitsFreed, replica: Replica, now_ms: int) -> None:
    if story.waits:
        where = f" in {event.source}" if event.source else ""
        story.say(replica, event.at, f"{event.count} became free{where} ({event.cause})")


def _gone(story: Story, event: k.UnitsGone, replica: Replica, now_ms: int) -> None:
    offer = replica.paths[story.path].offers.get(story.ticket)
    if offer is not None and not offer.claimed:
        what = "Nothing was left of what it may claim" if event.gone else "What it may claim was there again"
        story.say(replica, event.at, what)


def _announced(story: Story, event: k.Announced, replica: Replica, now_ms: int) -> None:
    if story.waits:
        story.say(replica, event.at, f"All who wait were told that {event.source} had opened; nothing was kept")


# Draw


def _entries_closed(story: Story, event: k.EntriesClosed, replica: Replica, now_ms: int) -> None:
    if story.waits:
        hats = replica.paths[story.path].hats[story.ticket]
        told = f"{event.tickets} tickets, it with {hats} hat{'s' * (hats > 1)}, root {event.root.hex()}"
        story.say(replica, event.at, f"Entries closed: {told}")


def _beacon(story: Story, event: k.BeaconGiven, replica: Replica, now_ms: int) -> None:
    if story.waits:
        story.say(replica, event.at, f"The beacon was given ({event.actor}): {event.randomness.hex()}")


def _drawn(story: Story, event: k.Drawn, replica: Replica, now_ms: int) -> None:
    if not story.waits:
        return
    path = replica.paths[story.path]
    if is_in_order(path):
        story.line_up(replica)
        place = ahead(path, story.ticket)
    elif story.ticket in event.winners:
        place = f"it won, as number {event.winners.index(story.ticket) + 1} of {len(event.winners)}"
    else:
        place = f"it is none of the {len(event.winners)} winners, and may move up"
    story.say(replica, event.at, f"The order was drawn, with the seed {event.seed.hex()}: {place}")


def _not_drawn(story: Story, event: k.NotDrawn, replica: Replica, now_ms: int) -> None:
    if story.waits:
        story.waits = story.ticket in event.kept
        what = "its turn still comes" if story.waits else "it was not drawn"
        story.say(replica, event.at, f"Nobody moved up any more: {what}")


# Auction


def _bid(story: Story, event: k.BidPlaced, replica: Replica, now_ms: int) -> None:
    if event.ticket != story.ticket:
        return _price(story, event, replica, now_ms)
    path = replica.paths[story.path]
    most, price = (money(path, replica, units) for units in (event.maximum, event.price))
    leads = "it leads" if _leads(path, story.ticket) else "it does not lead"
    return story.say(replica, event.at, f"It bid up to {most}: the price was {price} then, and {leads}")


def _price(story: Story, event: k.PriceChanged, replica: Replica, now_ms: int) -> None:
    what = "It leads" if story.ticket in event.leading else "It was outbid" if story.ticket in event.outbid else ""
    if what:
        price = money(replica.paths[story.path], replica, event.price)
        story.say(replica, event.at, f"{what} from then on, at a price of {price}")


def _leads(path: PathReplica, ticket: int) -> bool:
    kind: Any = path.kind
    return bool(kind.status(ticket) == "leading")


def _hammer(story: Story, event: k.AuctionEnded, replica: Replica, now_ms: int) -> None:
    if story.waits:
        price = money(replica.paths[story.path], replica, event.price)
        what = "it won" if story.ticket in event.winners else "it did not win"
        story.say(replica, event.at, f"The hammer fell at {price}: {what}")


def _dropped(story: Story, event: k.PriceDropped, replica: Replica, now_ms: int) -> None:
    if story.waits:
        price = money(replica.paths[story.path], replica, event.price)
        then = "and stays" if event.next_drop_at is None else f"until {time(replica, event.next_drop_at)}"
        story.say(replica, event.at, f"The price became {price} {then}")


def _taken(story: Story, event: k.UnitTaken, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        price = money(replica.paths[story.path], replica, event.price)
        story.say(replica, event.at, f"It took one at {price}: its turn comes as the limits allow")


def _end_moved(story: Story, event: k.EndMoved, replica: Replica, now_ms: int) -> None:
    if story.waits:
        told = [("it ends at", event.ends_at), ("the price drops at", event.next_drop_at)]
        what = " and ".join(f"{name} {time(replica, instant)}" for name, instant in told if instant is not None)
        story.say(replica, now_ms, f"Time in which nobody could bid was given back: {what}")


# Appointment


def _held(story: Story, event: k.SlotHeld, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.waits = False
        story.say(replica, event.at, f"A place in {event.slot} was held for it until {time(replica, event.hold_until)}")


def _hold_moved(story: Story, event: k.HoldMoved, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, now_ms, f"Its hold was moved and ends at {time(replica, event.hold_until)}")


def _hold_ended(story: Story, event: k.HoldEnded, replica: Replica, now_ms: int) -> None:
    if story.ticket in event.tickets:
        story.say(replica, event.at, "Its hold ended without a booking, and it waits again")
        story.note_wait(replica, event.at)


def _booked(story: Story, event: k.Booked, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.waits = False
        instead = f" instead of {event.instead_of}" if event.instead_of else ""
        story.say(replica, event.at, f"It booked {event.slot}{instead}")


def _to_be_paid(story: Story, event: k.CheckoutAsked, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, event.at, f"Its place in {event.slot} was kept until it would be paid for")


def _not_paid(story: Story, event: k.CheckoutDropped, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, event.at, f"Its place in {event.slot} was free again: it was not paid for")


def _cancelled(story: Story, event: k.BookingCancelled, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        by = f" by the merchant ({event.actor})" if event.actor else ""
        story.say(replica, event.at, f"Its booking of {event.slot} was cancelled{by}, and it waits again")
        story.note_wait(replica, event.at)


def _came(story: Story, event: k.CheckedIn, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, event.at, f"Its holder came ({event.actor})")


def _did_not_come(story: Story, event: k.NotShown, replica: Replica, now_ms: int) -> None:
    if event.ticket == story.ticket:
        story.say(replica, event.at, f"Its holder did not come ({event.actor})")


TELLS_OF_KINDS: Final[dict[type, Callable[..., None]]] = {
    k.Chosen: _chosen,
    k.TicketsLost: _lost,
    k.Claimed: _claimed,
    k.Offered: _offered,
    k.OfferMoved: _offer_moved,
    k.OfferExpired: _offer_expired,
    k.OfferSkipped: _skipped,
    k.UnitsFreed: _freed,
    k.UnitsGone: _gone,
    k.Announced: _announced,
    k.EntriesClosed: _entries_closed,
    k.BeaconGiven: _beacon,
    k.Drawn: _drawn,
    k.NotDrawn: _not_drawn,
    k.BidPlaced: _bid,
    k.PriceChanged: _price,
    k.AuctionEnded: _hammer,
    k.PriceDropped: _dropped,
    k.UnitTaken: _taken,
    k.EndMoved: _end_moved,
    k.SlotHeld: _held,
    k.HoldMoved: _hold_moved,
    k.HoldEnded: _hold_ended,
    k.CheckoutAsked: _to_be_paid,
    k.CheckoutDropped: _not_paid,
    k.Booked: _booked,
    k.BookingCancelled: _cancelled,
    k.CheckedIn: _came,
    k.NotShown: _did_not_come,
}
"""By event. ``Allotted`` is told with the admission; ``DrawCommitted`` comes before there is a ticket, and
``HoldingDetails`` changes nothing."""
