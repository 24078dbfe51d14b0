"""The words of a story: who is ahead, what the limits are, how long and when, at what price.

Hands over to: ``engine.story`` and ``engine.story_kinds``, which make sentences of them.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from protocol.distributions import kind_of, rate_of
from protocol.money import decimal_string
from protocol.path_replica import PathReplica
from protocol.replica import Replica
from protocol.roster import NO_PLACE
from protocol.states import Phase

MS_PER_SECOND = 1_000
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_IN_ORDER_OF_PLACES = frozenset({"queue", "waitlist"})
"""The kinds in which whoever has an earlier place has the earlier turn."""


def is_in_order(path: PathReplica) -> bool:
    """Whether those with an earlier place are served before."""
    return kind_of(path.settings.distribution) in _IN_ORDER_OF_PLACES


def ahead(path: PathReplica, ticket: int) -> str:
    """How many are ahead of a ticket that waits, where places are turns and it has one; else that it waits."""
    if not is_in_order(path):
        return "it waits"
    count = path.roster.ahead(ticket)
    if count == NO_PLACE:
        return "its place is not drawn yet"
    if count == 0:
        return "nobody is ahead of it"
    return f"{count} {'is' if count == 1 else 'are'} ahead of it"


def pace(replica: Replica, path: PathReplica) -> str:
    """At what rate the path lets people in, and what stops it."""
    assert replica.document is not None, "a path was configured"
    terms, over_all = path.settings.distribution, replica.document.release_rate_per_minute
    told = limits(rate_of(terms), terms.max_active, terms.max_admissions)
    if over_all is not None:
        told += f", over all paths {over_all} a minute"
    if path.phase not in (Phase.OPEN, Phase.SETTLING):
        told += f"; {path.settings.id} is {path.phase}"
    return told + "; it is paused" * path.paused + "; nothing is free to be sold" * path.sold_out


def limits(rate: int | None, active: int | None, admissions: int | None) -> str:
    """A rate and two caps."""
    told = "no rate is set" if rate is None else f"the rate is {rate} a minute"
    told += f", at most {active} windows at once" * (active is not None)
    return told + f", at most {admissions} admissions in all" * (admissions is not None)


def span(ms: int) -> str:
    """A duration by its two greatest units."""
    left, told = ms // MS_PER_SECOND, []
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            told.append(f"{count} {unit}{'s' * (count > 1)}")
    return " ".join(told[:2]) or f"{ms} ms"


def time(replica: Replica, ms: int) -> str:
    """An instant as the merchant's clock shows it, to the millisecond."""
    zone = ZoneInfo("UTC" if replica.document is None else replica.document.time_zone)
    return f"{datetime.fromtimestamp(ms / MS_PER_SECOND, zone):%Y-%m-%d %H:%M:%S}.{ms % MS_PER_SECOND:03d}"


def money(path: PathReplica, replica: Replica, units: int, variant: str = "") -> str:
    """A price in minor units: in the currency of an auction, else of what is sold."""
    terms: Any = path.settings.distribution
    assert replica.document is not None, "a path was configured"
    sold = (variant or next(iter(replica.document.variants_of(path.settings)), ""),)
    variants = [one for product in replica.document.products for one in product.variants if one.id in sold]
    currency = getattr(terms, "currency", "") or next((one.currency for one in variants), "")
    return f"{decimal_string(units, currency)} {currency}".strip()
