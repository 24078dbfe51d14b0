"""The words of the transcripts that only some kinds of distributions need: claims, offers, choices, access codes.

Hands over to: ``playbook_words``, which has them beside the words that all kinds share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from protocol import commands as c
from protocol import kind_events as k
from protocol.commands import Command, Credentials
from tests.support.cast import Cast, Make

_NAMES = r"((?:\w+)(?:(?:, | and )\w+)*)"


def _claims(found: re.Match[str], cast: Cast, path: str, _: str) -> list[Command]:
    return [c.Claim(cast.consumer(name), path) for name in re.split(r", | and ", found[1])]


def _joins_with(found: re.Match[str], cast: Cast, path: str, _: str) -> list[Command]:
    brought = {
        "code": Credentials(code=found[3]),
        "audience": Credentials((found[3],)),
        "variant": Credentials(variant=found[3]),
    }
    return [c.Join(cast.consumer(found[1]), path, credentials=brought[found[2]])]


def _enters(found: re.Match[str], cast: Cast, _: str, __: str) -> list[Command]:
    return [c.EnterCode(cast.consumer(found[1]), credentials=Credentials(code=found[2]))]


SENTENCES_OF_KINDS: list[tuple[str, Make]] = [
    (rf"{_NAMES} claims?", _claims),
    (r"(\w+) joins with the (code|audience|variant) (\S+)", _joins_with),
    (r"(\w+) enters the code (\S+)", _enters),
    (r"(\w+) chooses (\S+)", lambda found, cast, path, _: [c.Choose(cast.consumer(found[1]), path, found[2])]),
    (r"the merchant offers (\d+)", lambda found, _, path, key: [c.Offer("merchant", key, path, int(found[1]))]),
]


def _offered(event: k.Offered, cast: Cast) -> Iterator[str]:
    for ticket, variant in zip(event.tickets, event.variants, strict=True):
        what = f" ({variant})" if variant else ""
        kept = "" if event.reserved else ", who comes first gets it"
        why = f", because of {event.cause}" if event.cause else ""
        until = cast.instant(event.claim_by)
        yield f"{cast.holder(event.path, ticket)} may claim{what} until {until}{why}{kept}"


def _allotted(event: k.Allotted, cast: Cast) -> Iterator[str]:
    for ticket, variant, price in zip(event.tickets, event.variants, event.prices, strict=True):
        at = "" if price is None else f" at {price}"
        yield f"for {cast.holder(event.path, ticket)}: {variant or 'anything'}{at}"


def _gone(event: k.UnitsGone, _: Cast) -> Iterator[str]:
    yield "nothing is left to claim" if event.gone else "there is something to claim again"


TELL_KINDS: dict[type, Callable[[Any, Cast], Iterator[str]]] = {
    k.Chosen: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} wants {event.variant}"]),
    k.Allotted: _allotted,
    k.TicketsLost: lambda event, cast: iter(
        [f"{cast.holder(event.path, ticket)} is lost ({event.reason})" for ticket in event.tickets]
    ),
    k.HoldingDetails: lambda event, cast: iter(
        [f"{cast.name(event.consumer)} is told more: {', '.join(sorted(event.details))}"]
    ),
    k.Claimed: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} has claimed"]),
    k.Offered: _offered,
    k.OfferMoved: lambda event, cast: iter(
        [f"{cast.holder(event.path, event.ticket)} may claim until {cast.instant(event.claim_by)}"]
    ),
    k.OfferExpired: lambda event, cast: iter(
        [f"the offer to {cast.holder(event.path, ticket)} is over" for ticket in event.tickets]
    ),
    k.OfferSkipped: lambda event, cast: iter(
        [f"{cast.holder(event.path, event.ticket)} is passed over ({event.reason})"]
    ),
    k.UnitsFreed: lambda event, _: iter([f"{event.count} to offer: {event.cause}, from {event.source}"]),
    k.UnitsGone: _gone,
    k.Announced: lambda event, _: iter([f"all who wait hear that {event.source} is open"]),
}
