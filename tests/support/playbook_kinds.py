"""The words of the transcripts that only some kinds of distributions need: claims, offers, choices, access codes.

Hands over to: ``playbook_words``, which has them beside the words that all kinds share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from protocol import commands as c
from protocol import kind_events as k
from protocol.commands import Command, Credentials
from protocol.lottery import unpacked
from tests.support.beacons import REAL
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


def _gives_beacon(found: re.Match[str], _: Cast, path: str, key: str) -> list[Command]:
    real = REAL[found[2]]
    signature = bytes.fromhex(real.signature)
    randomness = bytes(32) if found[1] else sha256(signature).digest()
    return [c.DrawBeacon("merchant", key, path, real.source, real.round, randomness, signature)]


SENTENCES_OF_KINDS: list[tuple[str, Make]] = [
    (rf"{_NAMES} claims?", _claims),
    (r"(\w+) joins with the (code|audience|variant) (\S+)", _joins_with),
    (r"(\w+) enters the code (\S+)", _enters),
    (r"(\w+) chooses (\S+)", lambda found, cast, path, _: [c.Choose(cast.consumer(found[1]), path, found[2])]),
    (r"the merchant draws", lambda _, __, path, key: [c.Draw("merchant", key, path)]),
    (r"the merchant gives (randomness invented for )?the beacon (\w+)", _gives_beacon),
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


def _drawn(event: k.Drawn, cast: Cast) -> Iterator[str]:
    winners = ", ".join(cast.holder(event.path, ticket) for ticket in event.winners)
    yield f"it is drawn: {winners} won" if winners else "it is drawn"


def _places(event: k.PlacesGiven, cast: Cast) -> Iterator[str]:
    names = (cast.holder(event.path, ticket) for ticket in unpacked(event.tickets))
    yield f"the places from {event.first} on: {', '.join(names)}"


def _not_drawn(event: k.NotDrawn, cast: Cast) -> Iterator[str]:
    kept = ", ".join(cast.holder(event.path, ticket) for ticket in event.kept)
    yield f"all who wait are lost{f' but {kept}' if kept else ''} (not_drawn)"


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
    k.DrawCommitted: lambda _, __: iter(["the secret is committed to"]),
    k.EntriesClosed: lambda event, _: iter([f"the roster is fixed, the root of {event.tickets} tickets is told"]),
    k.BeaconGiven: lambda _, __: iter(["the beacon is given"]),
    k.PlacesGiven: _places,
    k.Drawn: _drawn,
    k.NotDrawn: _not_drawn,
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
