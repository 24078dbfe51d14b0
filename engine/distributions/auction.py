"""The English auction: the highest maxima win when the hammer falls, and it falls later while bids come late.

Who leads and what it costs is ``engine.distributions.bidding``; here stands when, and what becomes of people. The end
is the path's ``closes_at``: a bid that changes the price or the leaders close to it moves it, a pause and an outage do
too (``engine.distributions.moving_end``). Winners are in line from the hammer on and are admitted at the hammer price.
With a second chance, what lapses is offered to the next bidder at their own maximum, if that reaches the reserve.
Accepted bids cannot be withdrawn, so a bidder does not leave before the hammer. Rules of §6, in what a ticket may
become:

    waiting    bids, before the hammer         → waiting (a new maximum)
    waiting    leads at the hammer             → in line, then admitted
    waiting    does not                        → lost (outbid, or ended without a bid), or hopes for a second chance
    hoping     a winner's turn lapses          → offered, at their own maximum
    hoping     no turn can lapse any more      → lost (outbid)
    offered    claim                           → in line, then admitted
    offered    decline, or nothing in time     → left (declined), expired
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from engine.core.limits import MS_PER_SECOND
from engine.distributions.bidding import MAXIMUM_MAX, BidIds, Bids, Rules
from engine.distributions.moving_end import MovingEnd, terms_of
from protocol import documents
from protocol.commands import Claim, PlaceBid
from protocol.kind_events import AuctionEnded, BidPlaced, PriceChanged
from protocol.money import decimal_string
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path

ID_CHARACTERS_MAX: Final = 64
SECOND_CHANCE: Final = "second_chance"

Standing = tuple[str, int, int, int, int, bool, int | None, int, list[int], list[int]]
"""The fields of a ``PriceChanged``."""

_PRICES: Final = ("start_price", "reserve_price", "increments")


class Auction(MovingEnd):
    """State: the bids and their ids; how often the end was extended; after the hammer the winners, ``line``, those of
    them who wait, and ``hoping``, who may have a second chance, the best first. ``leaders`` and ``told`` are what was
    told last, which between steps is what stands."""

    TAKES = (PlaceBid, Claim)
    HALTED = (PlaceBid, Claim)
    FIXED = ("style", "currency")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._terms = terms_of(path.settings)
        self._bids = Bids(Rules.of(self._terms))
        self._ids = BidIds()
        self._leaders: dict[int, None] = {}
        self._told = self._asked()
        self._extensions = 0
        self._hammered = False
        self._winners: dict[int, None] = {}
        self._line: OrderedDict[int, None] = OrderedDict()
        self._hoping: OrderedDict[int, None] = OrderedDict()

    def configure(self, settings: documents.Path) -> None:
        self._terms = terms_of(settings)
        self._bids.rules = Rules.of(self._terms)

    def changed_fields(self, settings: documents.Path) -> list[str]:
        after = settings.distribution
        fixed = [*(_PRICES if self._bids.count else ()), *(("quantity",) if self._hammered else ())]
        more = [field for field in fixed if getattr(self._terms, field) != getattr(after, field)]
        return super().changed_fields(settings) + more

    def entered(self, phase: Phase, at: int, journal: Journal) -> None:
        super().entered(phase, at, journal)
        if phase == Phase.SETTLING and not self._hammered:
            self._hammered = True
            if not self._path.ended_by_hand:
                self._hammer(at, journal)

    def closes(self) -> bool:
        return self._hammered

    def ended(self, at: int, journal: Journal) -> None:
        self._path.lose_offers("ended", at, journal)
        self._nobody_hopes()

    def open_refusal(self) -> Refusal | None:
        return Refusal(Reason.CLOSED, {"path": self._path.id}) if self._hammered else None

    def leave_refusal(self, ticket: int) -> Refusal | None:
        if not self._hammered and self._bids.maximum(ticket) is not None:
            return Refusal(Reason.BID_STANDS, {"path": self._path.id})
        return None

    def act_refusal(self, command: PlaceBid | Claim, ticket: int | None, at: int) -> Refusal | None:
        if isinstance(command, Claim):
            return self._path.claim_refusal(ticket, command.offer)
        path = self._path
        if path.phase in (Phase.SCHEDULED, Phase.LOBBY):
            return Refusal(Reason.NOT_OPEN, {"path": path.id, "opens_at": path.opens_at})
        if self._hammered:
            return Refusal(Reason.CLOSED, {"path": path.id})
        if not 0 <= command.maximum <= MAXIMUM_MAX or len(command.id) > ID_CHARACTERS_MAX:
            return Refusal(Reason.INVALID, {"path": path.id})
        known = None if ticket is None else self._ids.find(ticket, command.id)
        if known is not None:
            return None if known == command.maximum else Refusal(Reason.KEY_REUSED, {"path": path.id})
        least = self._bids.least(ticket)
        if command.maximum < least:
            return Refusal(Reason.TOO_LOW, {"path": path.id, "min_next": self._shown(least)})
        return None

    def act(self, command: PlaceBid | Claim, ticket: int | None, at: int, journal: Journal) -> dict[str, Any] | None:
        assert ticket is not None, "bids and offers have tickets"
        if isinstance(command, Claim):
            self._path.claim(ticket, at, journal)
            return None
        if self._ids.find(ticket, command.id) is not None:
            return {"path": self._path.id, "status": self._status(ticket), "max": self._shown(command.maximum)}
        self._ids.keep(ticket, command.id, command.maximum, at)
        self._bid(ticket, command.maximum, command.id, at, journal)
        return None

    def supply(self) -> tuple[bool, bool]:
        return super().supply() if self._hammered else (False, False)

    def sold_out(self, at: int, journal: Journal) -> None:
        super().sold_out(at, journal)
        self._nobody_hopes()

    def give_turns(self, at: int, journal: Journal) -> None:
        if not self._hammered:
            if self._leaders.keys() != set(self._bids.leaders()) or self._told != self._asked():
                journal.add(PriceChanged(*self._standing(at)))
        elif not self._path.paused:
            self._give_second_chances(at, journal)

    def hoping(self) -> int:
        most = self._path.meter.max_admissions
        assert most is not None, "a quantity is a cap"
        if self._hammered or self._path.phase == Phase.ENDED:
            return len(self._line) + len(self._hoping)
        return most

    def in_line(self) -> int:
        return len(self._path.offers.claims) + len(self._line)

    def next_ticket(self) -> int | None:
        claimed = next(iter(self._path.offers.claims), None)
        return self._first_served(self._line) if claimed is None else claimed

    def out_of_line(self, ticket: int) -> None:
        self._line.pop(ticket, None)
        self._hoping.pop(ticket, None)
        if not self._hammered:
            self._bids.remove(ticket)

    def price(self, ticket: int) -> int | None:
        return self._bids.price if ticket in self._winners else self._bids.maximum(ticket)

    def snapshot(self) -> list[Any]:
        times = [self._stopped_at, self._extensions, self._hammered]
        people = [list(self._winners), list(self._line), list(self._hoping)]
        return [self._bids.snapshot(), self._ids.snapshot(), times, people]

    def restore(self, data: list[Any]) -> None:
        bids, ids, times, people = data
        self._bids.restore(bids)
        self._ids.restore(ids)
        self._stopped_at, self._extensions, self._hammered = times
        self._winners, self._line, self._hoping = dict.fromkeys(people[0]), *map(OrderedDict.fromkeys, people[1:])
        self._leaders = {} if self._hammered else dict.fromkeys(self._bids.leaders())
        self._told = self._asked()

    # Before the hammer

    def _bid(self, ticket: int, maximum: int, bid: str, at: int, journal: Journal) -> None:
        price = self._bids.price
        self._bids.place(ticket, maximum)
        if self._bids.price != price or self._leaders.keys() != set(self._bids.leaders()):
            self._extend(at)
        journal.add(BidPlaced(*self._standing(at), ticket, maximum, bid))

    def _extend(self, at: int) -> None:
        """The soft close: what happens close to the end moves it."""
        terms, path = self._terms, self._path
        if terms.max_extensions is not None and self._extensions >= terms.max_extensions:
            return
        later = at + terms.extend_by_seconds * MS_PER_SECOND
        if path.closes_at is not None and path.closes_at - at <= terms.extend_window_seconds * MS_PER_SECOND:
            if later > path.closes_at:
                path.closes_at = later
                self._extensions += 1

    def _standing(self, at: int) -> Standing:
        """What a ``PriceChanged`` says now; who leads is told with it."""
        before, bids, path = self._leaders, self._bids, self._path
        self._leaders, self._told = dict.fromkeys(bids.leaders()), self._asked()
        leading = [ticket for ticket in self._leaders if ticket not in before]
        outbid = [ticket for ticket in before if ticket not in self._leaders]
        return path.id, at, bids.price, bids.count, *self._told, path.closes_at, self._extensions, leading, outbid

    def _asked(self) -> tuple[int, bool]:
        """The least next bid, and whether the reserve is met, after the first bid; other terms may change them."""
        return (self._bids.min_next, self._bids.reserve_met) if self._bids.count else (0, False)

    def _status(self, ticket: int) -> str:
        return "leading" if ticket in self._leaders else "outbid"

    def _shown(self, units: int) -> str:
        return decimal_string(units, self._terms.currency)

    # From the hammer on

    def _hammer(self, at: int, journal: Journal) -> None:
        path, bids = self._path, self._bids
        winners = bids.leaders() if bids.reserve_met else []
        self._winners, self._line = dict.fromkeys(winners), OrderedDict.fromkeys(winners)
        if self._terms.second_chance and bids.reserve_met:
            reserve = bids.rules.reserve or 0
            others = [ticket for ticket in bids.in_order() if ticket not in self._winners]
            self._hoping = OrderedDict.fromkeys(one for one in others if (bids.maximum(one) or 0) >= reserve)
        journal.add(AuctionEnded(path.id, at, bids.price, winners))
        gone = [one for one in path.tickets.all_waiting() if one not in self._winners and one not in self._hoping]
        path.lose([one for one in gone if bids.maximum(one) is not None], "outbid", at, journal)
        path.lose([one for one in gone if bids.maximum(one) is None], "ended", at, journal)

    def _give_second_chances(self, at: int, journal: Journal) -> None:
        path = self._path
        claim_by = at + self._terms.claim_window_seconds * MS_PER_SECOND
        while min(path.caps(), path.stock.free(path.variants)) > len(self._line):
            ticket = self._first_served(self._hoping)
            if ticket is None:
                break
            del self._hoping[ticket]
            path.offer([ticket], SECOND_CHANCE, claim_by, at, journal, reserved=True)
        if path.given_out() and not (path.windows.open or path.offers.open):
            path.lose(list(self._hoping), "outbid", at, journal)
            self._hoping.clear()

    def _first_served(self, tickets: OrderedDict[int, None]) -> int | None:
        """The first of ``tickets`` who can be given what they want."""
        return next((ticket for ticket in tickets if self._path.is_free_for(ticket)), None)

    def _nobody_hopes(self) -> None:
        self._line.clear()
        self._hoping.clear()
