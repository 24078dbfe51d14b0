"""A stage for the core: it gives commands and time, writes every step into a log, and lets three readers check it.

Each entry is encoded, chained, decoded again and given to the auditor (``engine.audit``) and to a replica
(``protocol.replica``), so that whatever a test does, the promises of the log are checked on the way. ``script`` keeps
what was done, so that it can be done again.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from engine.audit import Audit
from engine.core.experience import RULES, Batch, Experience
from engine.core.path import Path
from engine.core.ticket import Tickets
from engine.distributions.appointment import Appointment
from engine.distributions.auction import Auction
from engine.distributions.base import Distribution
from engine.distributions.dutch_auction import DutchAuction
from protocol import codec
from protocol import commands as c
from protocol.documents import Experience as Document
from protocol.events import Admitted, Answered, AnyEvent, Entry, Refused, WriterChanged
from protocol.kinds.appointment import AppointmentReplica
from protocol.kinds.auction import AuctionReplica
from protocol.path_replica import OpenWindow
from protocol.replica import Replica
from protocol.streams import parse_entry_id
from tests.support.samples import EXPERIENCE, document

SENDER = b"gateway1"
SECRET = bytes(range(32))
KID = "k1"
ACTOR = "control"
SHOP = "checkout"
START_MS = 1_000_000
"""When a stage is configured."""

SomeEvent = TypeVar("SomeEvent", bound=AnyEvent)


class Done(NamedTuple):
    """One thing that was done to the core: a step with batches, or a take-over (``batches`` None)."""

    now_ms: int
    batches: list[Batch] | None


class Admission(NamedTuple):
    """Who was let in when, as the log tells it."""

    at: int
    path: str
    ticket: int
    by_hand: bool


class Stage:
    """An experience that was configured with ``document`` at ``START_MS``."""

    def __init__(self, told: Document | None = None) -> None:
        self.core = Experience(EXPERIENCE)
        self.audit = Audit()
        self.replica = Replica(EXPERIENCE)
        self.script: list[Done] = []
        self.entries: list[bytes] = []
        self.admissions: list[Admission] = []
        self.ids: list[bytes] = []
        self.now_ms = 0
        self._number = 0
        self.take_over(0)
        self.step(START_MS, configure(told or document()))

    def step(self, now_ms: int, *commands: c.Command) -> list[AnyEvent]:
        """One batch of ``commands`` at ``now_ms``; answers the events."""
        if not commands:
            return self.step_batches(now_ms)
        self._number += 1
        return self.step_batches(now_ms, Batch(SENDER, self._number, list(commands)))

    def step_batches(self, now_ms: int, *batches: Batch) -> list[AnyEvent]:
        """A step with batches as given, whoever sends them."""
        events, applied = self.core.step(now_ms, batches)
        self.script.append(Done(now_ms, list(batches)))
        self._write(now_ms, applied, events)
        return events

    def later(self, ms: int, *commands: c.Command) -> list[AnyEvent]:
        """A step ``ms`` after the last."""
        return self.step(self.now_ms + ms, *commands)

    def take_over(self, now_ms: int) -> None:
        """Another writer takes over at ``now_ms``."""
        event = WriterChanged(self.audit.writers + 1, bytes(16), self.replica.entry_id, self.replica.chain)
        self.core.take_over(event, now_ms)
        self.script.append(Done(now_ms, None))
        self._write(now_ms, {}, [event])

    def refusal(self, *commands: c.Command) -> tuple[str, dict[str, Any]]:
        """The one refusal that these commands, now, come to: (reason, detail)."""
        refused = only(self.later(0, *commands), Refused)
        assert len(refused) == 1, f"expected one refusal, got {refused}"
        return refused[0].reason, refused[0].detail

    def answer(self, *commands: c.Command) -> dict[str, Any]:
        """The one answer that these commands, now, get."""
        answered = only(self.later(0, *commands), Answered)
        assert len(answered) == 1, f"expected one answer, got {answered}"
        return answered[0].answer

    def answerless(self, now_ms: int, *commands: c.Command) -> list[str]:
        """The states of the tickets of the commands' consumers, after a step of which nobody is told a "no"."""
        assert only(self.step(now_ms, *commands), Refused) == []
        asked = [(one.path, one.consumer) for one in commands if isinstance(one, c.TicketCommand)]
        found = [(self.path(path).tickets, consumer) for path, consumer in asked]
        return [tickets.state(tickets.latest[consumer]).word for tickets, consumer in found]

    def write(self, now_ms: int, *events: AnyEvent) -> None:
        """Write an entry that the core did not make: what the readers think of it."""
        self._write(now_ms, {}, list(events))

    def path(self, path_id: str = "general") -> Path:
        return self.core.paths[path_id]

    def states(self, path_id: str = "general") -> list[str]:
        """The states of all tickets of a path, in words."""
        tickets: Tickets = self.core.paths[path_id].tickets
        return [tickets.state(ticket).word for ticket in range(len(tickets))]

    def admission(self, ticket: int, path_id: str = "general") -> bytes:
        """The id of the admission whose window is open for a ticket."""
        return self.core.paths[path_id].windows.open[ticket].admission

    def replayed(self) -> Stage:
        """The same things done again, to a new experience."""
        again = Stage.__new__(Stage)
        again.core, again.audit, again.replica = Experience(EXPERIENCE), Audit(), Replica(EXPERIENCE)
        again.script, again.entries, again.admissions, again.ids, again.now_ms = [], [], [], [], 0
        for done in self.script:
            if done.batches is None:
                again.take_over(done.now_ms)
            else:
                again.step_batches(done.now_ms, *done.batches)
        return again

    def _write(self, now_ms: int, applied: dict[bytes, int], events: list[AnyEvent]) -> None:
        epoch, seq = parse_entry_id(self.replica.entry_id)
        seq = len(self.entries)
        if events and isinstance(events[0], WriterChanged):
            epoch = events[0].epoch
        payload = codec.encode_entry(Entry(RULES, now_ms, "0-0", applied, "", events))
        chain = codec.next_chain(self.replica.chain, payload)
        self.audit.entry(f"{epoch}-{seq}", payload, chain)
        for event in self.replica.follow(f"{epoch}-{seq}", payload, chain).events:
            self.replica.apply(event)
        for event in events:
            if isinstance(event, Admitted):
                self.admissions += [Admission(event.at, event.path, one, event.by_hand) for one in event.tickets]
                self.ids += [event.admissions[first : first + 16] for first in range(0, len(event.admissions), 16)]
        self.entries.append(payload)
        self.now_ms = now_ms


def configure(told: Document, *, key: str = "", kid: str = KID, actor: str = ACTOR) -> c.Configure:
    """The command that makes the experience be as ``told``."""
    return c.Configure(actor, key, told, SECRET, kid)


def rate(per_minute: int, path: str = "general") -> c.SetReleaseRate:
    """The command that changes the release rate of a path, or of all together ("")."""
    return c.SetReleaseRate(ACTOR, "", path, c.Limits(release_rate_per_minute=per_minute))


def only(events: list[AnyEvent], kind: type[SomeEvent]) -> list[SomeEvent]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def assert_agree(core: Experience, replica: Replica) -> None:
    """The replica, fed by the core's events alone, knows what the core knows."""
    assert (replica.document, replica.revision, replica.kid) == (core.document, core.revision, core.kid)
    assert list(replica.paths) == list(core.paths)
    for path_id, path in core.paths.items():
        seen = replica.paths[path_id]
        assert seen.settings == path.settings
        assert (seen.phase, seen.opens_at, seen.closes_at) == (path.phase, path.opens_at, path.closes_at)
        assert (seen.paused, seen.sold_out, seen.may_return) == (path.paused, path.sold_out, path.may_return)
        assert (seen.states, seen.hats) == (path.tickets.states, path.tickets.hats)
        assert seen.roster.waiting == path.tickets.waiting == seen.states.count(0)
        line = [path.places.ticket(place) for place in range(len(seen.states))]
        assert list(seen.roster.waiting_tickets()) == [ticket for ticket in line if seen.states[ticket] == 0]
        assert seen.windows == {one: _told(path, one, seen.windows[one].variant) for one in path.windows.open}
        offers = path.offers.open.items()
        reserved = sum(offer.reserved for _, offer in offers)
        assert len(seen.windows) + reserved == path.meter.active
        assert list(seen.offers) == list(path.offers.open)
        assert [(one.offer, one.claim_by, one.claimed) for one in seen.offers.values()] == [
            (one.offer, one.claim_by, one.claimed) for _, one in offers
        ]
        assert seen.choices == (path.choices.wanted if path.choices else {})
        assert path.ended_by_hand or not seen.ended_by_hand
        missed = range(0 if path.ended_by_hand and not seen.ended_by_hand else len(seen.states))
        assert [seen.may_rejoin(ticket) for ticket in missed] == [path.may_rejoin(ticket) for ticket in missed]
        assert (seen.completed, seen.forgiven) == (path.meter.completed, path.tickets.forgiven)
        assert seen.given == path.meter.active + path.meter.completed
        if isinstance(seen.kind, AuctionReplica):
            _auctions_agree(path.distribution, seen.kind)
            waitlist = replica.paths[path.waitlist.id] if path.waitlist else None
            if isinstance(path.distribution, DutchAuction):
                assert seen.kind.left(0, waitlist) == -path.given() - path.distribution.in_line()
        if isinstance(seen.kind, AppointmentReplica):
            _slots_agree(path.distribution, seen.kind)
    for variant, shelf in core.stock.shelves.items():
        if shelf.total is not None:
            told = replica.stock[variant]
            assert (told.total, told.reserved, told.completed) == (shelf.total, shelf.reserved, shelf.completed)


def _auctions_agree(auction: Distribution, seen: AuctionReplica) -> None:
    if isinstance(auction, DutchAuction):
        assert (seen.price, seen.next_drop_at) == (auction._price, auction._next_drop_at)
        assert seen.taken == auction._taken
    elif isinstance(auction, Auction):
        bids = auction._bids
        assert (seen.price or 0, seen.bids, seen.extensions) == (bids.price, bids.count, auction._extensions)
        assert (
            seen.bids == 0
            or auction._hammered
            or (seen.min_next, seen.reserve_met) == (bids.min_next, bids.reserve_met)
        )
        assert (seen.winners or {}) == auction._winners
        told = [ticket for ticket in seen.maxima if seen.status(ticket) == "leading"]
        assert auction._hammered or set(told) == set(bids.leaders())
        assert all(seen.maxima[ticket] == bids.maximum(ticket) for ticket in bids.in_order())


def _slots_agree(appointment: Distribution, seen: AppointmentReplica) -> None:
    assert isinstance(appointment, Appointment), "an appointment is run as one"
    bookings, slots = appointment._bookings, appointment._slots
    known: dict[int, tuple[str, int | None, str]]
    known = {ticket: (hold.slot, hold.until, "") for ticket, hold in bookings.holds.items()}
    known |= {ticket: (one.slot, None, one.confirmation) for ticket, one in bookings.booked.items()}
    known |= {ticket: (slot, None, "") for ticket, slot in bookings.unpaid.items()}
    assert {ticket: (one.slot, one.hold_until, one.confirmation) for ticket, one in seen.places.items()} == known
    assert seen.free() == {slot: slots.terms.capacity_per_slot - bookings.taken(slot) for slot in slots.begins}


def _told(path: Path, ticket: int, variant: str) -> OpenWindow:
    """The window as it stands, of a variant that was named or, where people take what there is, was not."""
    window = path.windows.open[ticket]
    assert variant in ("", window.variant)
    times = (window.admission, window.kid, window.admitted_at, window.expires_at)
    return OpenWindow(*times, variant, path.distribution.price(ticket))
