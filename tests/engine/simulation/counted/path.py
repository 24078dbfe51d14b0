"""One path as the recount has it, whatever its kind: who waits, who has an offer or a window, and until when exactly.

No idea of the engine is in it. A kind adds what only its events tell (``ACTS``), who is in line, what an outage must
move, and what must be over by the end of a step; and why somebody may be refused, where a "no" can be a lie.

Hands over to: ``recount.py``, which feeds it from the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar, NamedTuple

from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import kind_of, max_admissions_of, rate_of
from protocol.documents import Path
from tests.engine.simulation.counted import door
from tests.engine.simulation.counted.bucket import ExactBucket
from tests.engine.simulation.world import Broken

SERVING = ("open", "settling")


class OpenWindow:
    """An open window: when it ends, how much longer once it is redeemed, and what it holds."""

    def __init__(self, expires_at: int, grace_ms: int, variant: str) -> None:
        self.expires_at = expires_at
        self.grace_ms = grace_ms
        self.variant = variant
        self.redeemed = False

    @property
    def deadline(self) -> int:
        return self.expires_at + (self.grace_ms if self.redeemed else 0)


class OpenOffer:
    """An open offer: when it runs out, and what it holds, or in which ``slot`` a place is kept; ``reserved`` from the
    start, or since it was claimed."""

    def __init__(self, claim_by: int, variant: str, *, reserved: bool, slot: str = "") -> None:
        self.claim_by = claim_by
        self.variant = variant
        self.reserved = reserved
        self.slot = slot
        self.claimed = False


class Outage(NamedTuple):
    """What is ours to make good for: everything of ours that ends before ``before`` comes later by ``gap_ms``."""

    gap_ms: int
    before: float


class CountedPath:
    """``due_moves``: to when what is named so must move in this step. ``asked``: what was asked of it in this step and
    not refused. ``sells``: the variant of whatever is given out now. ``source``: what it is attached to, ``waitlist``:
    what is attached to it."""

    def __init__(self, settings: Path) -> None:
        terms = settings.distribution
        self.settings = settings
        self.phase = "scheduled"
        self.paused = False
        self.ended_by_hand = False
        self.closes_at = settings.closing
        self.sells = ""
        self.source: CountedPath | None = None
        self.waitlist: CountedPath | None = None
        self.asked: list[c.Command] = []
        self.consumers: list[bytes] = []
        self.hats: list[int] = []
        self.waiting: dict[int, None] = {}
        self.offers: dict[int, OpenOffer] = {}
        self.windows: dict[int, OpenWindow] = {}
        self.completed = 0
        self.due_moves: dict[tuple[str, int], int | None] = {}
        self.bucket = ExactBucket(rate_of(terms), terms.burst_ms)

    @property
    def kind(self) -> str:
        return kind_of(self.settings.distribution)

    @property
    def line(self) -> list[int]:
        """Who is to be admitted as soon as can be."""
        return list(self.waiting)

    @property
    def live(self) -> list[int]:
        """The tickets that something may still become of."""
        return [*self.waiting, *self.offers, *self.windows]

    def has_inside(self, consumer: bytes) -> bool:
        """Whether they have a live ticket."""
        return any(self.consumers[ticket] == consumer for ticket in self.live)

    @property
    def uses(self) -> int:
        """How often its access code is used."""
        return len(self.live) + self.completed

    @property
    def active(self) -> int:
        """Open windows, and the offers that count as one."""
        return len(self.windows) + sum(offer.reserved for offer in self.offers.values())

    @property
    def among(self) -> list[CountedPath]:
        """With its waitlist, which is out of its places."""
        return [self] if self.waitlist is None else [self, self.waitlist]

    @property
    def places_left(self) -> float:
        """How many more it gives out, ever, unless something lapses."""
        most = max_admissions_of(self.settings.distribution)
        return inf if most is None else max(0, most - sum(one.active + one.completed for one in self.among))

    @property
    def room(self) -> float:
        """How many more its own caps allow now."""
        most = self.settings.distribution.max_active
        return min(self.places_left, inf if most is None else max(0, most - sum(one.active for one in self.among)))

    @property
    def serves(self) -> bool:
        return self.phase in SERVING and not self.paused

    @property
    def undecided(self) -> bool:
        """Whether all that it has is promised to those of its line who win, and nobody knows yet who."""
        return False

    def holds(self, variant: str) -> int:
        """How many units of ``variant`` its windows and offers hold."""
        offered = sum(one.reserved and one.variant == variant for one in self.offers.values())
        return offered + sum(window.variant == variant for window in self.windows.values())

    def put(self, settings: Path, sells: str, now_ms: int) -> None:
        """Other settings hold from now on."""
        self.settings, self.sells = settings, sells
        self.bucket.change(rate_of(settings.distribution), settings.distribution.burst_ms, now_ms)

    def forget(self, ticket: int) -> None:
        """It waits no more, and has neither offer nor window."""
        for held in (self.waiting, self.offers, self.windows):
            held.pop(ticket, None)

    # At the bounds of a step

    def begin(self, asked: list[c.Command], outage: Outage | None) -> None:
        """A step begins."""
        self.asked = asked
        self.ended_by_hand = self.ended_by_hand or any(isinstance(command, c.End) for command in asked)
        if outage is not None:
            self.due_moves = dict(self.moves(outage))

    def moves(self, outage: Outage) -> Iterator[tuple[tuple[str, int], int | None]]:
        """What an outage moves: (what it is called, to when)."""
        for ticket, window in self.windows.items():
            if window.deadline < outage.before:
                yield ("window", ticket), window.expires_at + outage.gap_ms
        for ticket, offer in self.offers.items():
            if not offer.claimed and offer.claim_by < outage.before:
                yield ("offer", ticket), offer.claim_by + outage.gap_ms

    def conclude(self, now_ms: int, room: float) -> None:
        """A step has come to ``now_ms``: what had to happen has. ``room``: how many more could be given out now, by
        all caps and the stock. Raises Broken."""
        if self.due_moves:
            raise Broken(f"outage: {list(self.due_moves)} were not moved by it")
        for ticket, window in self.windows.items():
            if window.deadline <= now_ms:
                raise Broken(f"deadlines: the window of {ticket} ended at {window.deadline}, it is {now_ms}")
        for ticket, offer in self.offers.items():
            if not offer.claimed and offer.claim_by <= now_ms:
                raise Broken(f"deadlines: the offer to {ticket} ended at {offer.claim_by}, it is {now_ms}")

    def count_units(self, free: float) -> None:
        """Something has happened, of what it sells so many units are ``free``."""

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        """Somebody was told "no". Raises Broken where that was no reason."""

    def offered_by_hand(self, count: int, room: float) -> None:
        """The merchant had so many offers made, when so many more could be given out."""

    def moved(self, what: str, ticket: int, to: int | None, otherwise: int | None = None) -> None:
        """Something was moved ``to`` when an outage moves it, or where none does to what it is ``otherwise``."""
        expected = self.due_moves.pop((what, ticket), otherwise)
        if to != expected:
            raise Broken(f"outage: the {what} of {ticket} moved to {to}, not to {expected}")

    def has_asked(self, ticket: int, *commands: type[c.Command]) -> bool:
        """Whether the holder of ``ticket`` asked for one of these in this step."""
        holder = self.consumers[ticket]
        return any(isinstance(one, commands) and getattr(one, "consumer", b"") == holder for one in self.asked)

    def _is_let_in(self, consumer: bytes, now_ms: int) -> bool:
        """Whether they brought what is asked for, or claimed a place here that the waitlist offered."""
        claims = [] if self.waitlist is None else [one for one in self.waitlist.asked if isinstance(one, c.Claim)]
        asked = any(door.lets_in(self.settings, command, consumer, now_ms) for command in self.asked)
        return asked or any(claim.consumer == consumer for claim in claims)

    # What happens

    def changed_phase(self, event: e.PhaseChanged, now_ms: int) -> None:
        self.phase, self.closes_at = event.phase, event.closes_at

    def changed_pause(self, event: e.PauseChanged, now_ms: int) -> None:
        self.paused = event.paused

    def joined(self, event: e.Joined, now_ms: int) -> None:
        size = e.CONSUMER_BYTES
        consumers = [event.consumers[at : at + size] for at in range(0, len(event.consumers), size)]
        for consumer in consumers:
            if not self._is_let_in(consumer, now_ms):
                raise Broken(f"door: {consumer.hex()} is in {self.settings.id}, and brought nothing that lets them in")
        self.consumers += consumers
        self.hats += event.hats
        self.waiting.update(dict.fromkeys(range(event.first, event.first + len(event.hats))))

    def admitted(self, event: e.Admitted, now_ms: int) -> None:
        for ticket in event.tickets:
            self.forget(ticket)
            grace_ms = self.settings.distribution.payment_grace_seconds * 1_000
            self.windows[ticket] = OpenWindow(event.expires_at, grace_ms, self.sells)
        if not event.by_hand:
            self.bucket.spend(len(event.tickets), event.at)

    def redeemed(self, event: e.Redeemed, now_ms: int) -> None:
        self.windows[event.ticket].redeemed = True

    def moved_window(self, event: e.WindowMoved, now_ms: int) -> None:
        self.moved("window", event.ticket, event.expires_at, otherwise=event.expires_at)
        self.windows[event.ticket].expires_at = event.expires_at

    def expired(self, event: e.Expired, now_ms: int) -> None:
        for ticket in event.tickets:
            deadline = self.windows[ticket].deadline
            if event.at != deadline:
                raise Broken(f"deadlines: a window that ends at {deadline} expired at {event.at}")
            self.forget(ticket)

    def moved_offer(self, event: k.OfferMoved, now_ms: int) -> None:
        self.moved("offer", event.ticket, event.claim_by)
        self.offers[event.ticket].claim_by = event.claim_by

    def expired_offers(self, event: k.OfferExpired, now_ms: int) -> None:
        for ticket in event.tickets:
            if event.at != self.offers[ticket].claim_by:
                raise Broken(f"deadlines: an offer until {self.offers[ticket].claim_by} expired at {event.at}")
            self.forget(ticket)

    def left(self, event: e.Left | e.TicketRefused, now_ms: int) -> None:
        self.forget(event.ticket)

    def returned(self, event: e.Returned, now_ms: int) -> None:
        self.waiting[event.ticket] = None

    def lost_waiting(self, event: e.WaitingLost, now_ms: int) -> None:
        for ticket in list(self.waiting):
            self.forget(ticket)

    def lost(self, event: k.TicketsLost, now_ms: int) -> None:
        for ticket in event.tickets:
            self.forget(ticket)

    def offered(self, event: k.Offered, now_ms: int) -> None:
        for ticket in event.tickets:
            self.waiting.pop(ticket)
            variant = "" if event.slot else self.sells
            self.offers[ticket] = OpenOffer(event.claim_by, variant, reserved=event.reserved, slot=event.slot)

    ACTS: ClassVar[dict[type, Any]] = {
        e.PhaseChanged: changed_phase,
        e.PauseChanged: changed_pause,
        e.Joined: joined,
        e.Admitted: lambda path, event, now_ms: path.admitted(event, now_ms),
        e.Redeemed: redeemed,
        e.WindowMoved: moved_window,
        e.Expired: expired,
        e.Left: lambda path, event, now_ms: path.left(event, now_ms),
        e.TicketRefused: lambda path, event, now_ms: path.left(event, now_ms),
        e.Returned: lambda path, event, now_ms: path.returned(event, now_ms),
        e.WaitingLost: lost_waiting,
        k.OfferMoved: moved_offer,
        k.OfferExpired: expired_offers,
        k.TicketsLost: lost,
        k.Offered: offered,
    }
