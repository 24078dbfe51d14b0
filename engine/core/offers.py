"""Open offers: what somebody may claim until an instant. A waitlist makes them, and an auction's second chance.

An offer that is ``reserved`` keeps a unit and counts as an open window from the moment it is made; one that is not
does so once it is claimed. Claims are served in the order in which they came; a claimed offer has no deadline any more.
"""

from collections import OrderedDict
from typing import Any

from msgspec import Struct

from engine.core.deadlines import Deadlines


class Offer(Struct, gc=False, array_like=True):
    """``variant`` is what is reserved ("" = nothing counted, nothing yet, or a place); ``price`` None = as documented;
    ``slot``: where the appointment that the waitlist is attached to keeps a place for it ("" = nowhere)."""

    offer: bytes
    claim_by: int
    variant: str
    price: int | None
    reserved: bool
    claimed: bool = False
    slot: str = ""


class Offers:
    """The offers of a path, by ticket, those claimed in order of their claims, and those open as they run out."""

    def __init__(self) -> None:
        self.open: dict[int, Offer] = {}
        self.claims: OrderedDict[int, None] = OrderedDict()
        self._deadlines = Deadlines(self._runs_out_at)

    @property
    def unclaimed(self) -> int:
        """How many are open and not claimed."""
        return len(self.open) - len(self.claims)

    @property
    def to_all(self) -> bool:
        """Whether any is open that keeps nothing: who claims first gets what is there."""
        return any(not offer.reserved for offer in self.open.values())

    def find(self, ticket: int | None, offer: bytes) -> Offer | None:
        """The offer that ``ticket`` has, if it is ``offer`` (b"" = whichever there is)."""
        made = None if ticket is None else self.open.get(ticket)
        return made if made is not None and offer in (b"", made.offer) else None

    def put(self, ticket: int, offer: Offer) -> None:
        """Make an offer, or note that its end moved."""
        self.open[ticket] = offer
        self._deadlines.put(ticket, offer.claim_by)

    def claim(self, ticket: int) -> None:
        """An open offer is claimed: its ticket is admitted in its turn."""
        self.open[ticket].claimed = True
        self.claims[ticket] = None

    def take(self, ticket: int) -> Offer:
        """The offer of a ticket is no more."""
        self.claims.pop(ticket, None)
        return self.open.pop(ticket)

    def next_deadline_ms(self) -> int | None:
        """When the next one runs out, or None."""
        return self._deadlines.next_ms()

    def due(self, now_ms: int) -> list[int]:
        """Tickets whose offers run out at or before ``now_ms``, by (instant, ticket)."""
        return self._deadlines.due(now_ms)

    def _runs_out_at(self, ticket: int, instant: int) -> bool:
        offer = self.open.get(ticket)
        return offer is not None and not offer.claimed and offer.claim_by == instant

    def snapshot(self) -> list[Any]:
        return [list(self.open.items()), list(self.claims)]

    def restore(self, data: list[Any]) -> None:
        """Take the offers of a snapshot: [ticket, offer as a list] each, and the claims in order."""
        self.open = {ticket: Offer(*offer) for ticket, offer in data[0]}
        self.claims = OrderedDict.fromkeys(data[1])
        self._deadlines.begin((ticket, offer.claim_by) for ticket, offer in self.open.items() if not offer.claimed)
