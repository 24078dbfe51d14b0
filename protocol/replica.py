"""What a reader of the events knows of an experience: the same on every gateway, built from the log alone.

``Replica.follow`` takes one entry after another and holds them to the chain: a gap, a changed byte or a rewritten tail
raises ``ReplicaError``, and the reader throws its replica away and starts anew; nothing is ever skipped silently.
``Replica.apply`` changes the replica by one event, so that a reader can tell its people about each as it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from msgspec import Struct, structs

from protocol import codec
from protocol.distributions import method_of
from protocol.documents import Experience, with_release_rate, with_stock
from protocol.events import (
    ADMISSION_BYTES,
    Admitted,
    AnyEvent,
    Completed,
    Configured,
    Entry,
    Expired,
    Joined,
    Left,
    NoticePosted,
    PauseChanged,
    PhaseChanged,
    Redeemed,
    ReleaseRateChanged,
    Returned,
    SoldOutChanged,
    StockChanged,
    TicketRefused,
    WaitingLost,
    WindowMoved,
    WriterChanged,
)
from protocol.kind_events import (
    OFFER_BYTES,
    Allotted,
    Chosen,
    Claimed,
    Offered,
    OfferExpired,
    OfferMoved,
    TicketsLost,
)
from protocol.path_replica import OpenOffer, OpenWindow, PathReplica
from protocol.states import Phase, TicketState, experience_phase
from protocol.streams import GENESIS_CHAIN, START_ID, parse_entry_id
from protocol.ticket_holders import TicketHolders

ENDED: Final = "ended"
"""Why all who wait are lost when a path ends. When it is ended by hand, it settles first."""


def over_in(events: Iterable[AnyEvent]) -> set[str]:
    """The paths that end with ``events``, by hand or by themselves: once these are applied, no missed turn is forgiven
    there."""
    return {
        event.path
        for event in events
        if (isinstance(event, WaitingLost) and event.reason == ENDED)
        or (isinstance(event, PhaseChanged) and event.phase == Phase.ENDED)
    }


class ReplicaError(ValueError):
    """The entries do not follow one another: what was read cannot be trusted and must be read again."""


class Stock(Struct, frozen=True, gc=False):
    """Stock of a variant; ``total`` None = not counted."""

    total: int | None = None
    reserved: int = 0
    completed: int = 0


class Replica:
    """One experience, as of ``entry_id``. ``document`` is None before the first ``Configured``."""

    def __init__(self, experience: str) -> None:
        self.experience = experience
        self.document: Experience | None = None
        self.revision = 0
        self.kid = ""
        self.paths: dict[str, PathReplica] = {}
        self.stock: dict[str, Stock] = {}
        self.notice: NoticePosted | None = None
        self.admissions: dict[bytes, tuple[str, int]] = {}
        self.holders = TicketHolders()
        self.entry_id = START_ID
        self.chain = GENESIS_CHAIN
        self.now_ms = 0

    @property
    def phase(self) -> Phase:
        """The phase of the experience, from those of its paths."""
        return experience_phase([path.phase for path in self.paths.values()])

    def window_of(self, admission: bytes) -> tuple[str, int, OpenWindow] | None:
        """(path, ticket, window) of an admission that is open now, or None."""
        path_id, ticket = self.admissions.get(admission, ("", 0))
        window = self.paths[path_id].windows.get(ticket) if path_id in self.paths else None
        return (path_id, ticket, window) if window is not None and window.admission == admission else None

    def follow(self, entry_id: str, payload: bytes, chain: bytes) -> Entry:
        """Check that this entry is the next one, and decode it. Its events are then for ``apply``, one by one.

        Raises ReplicaError when it is not the next, its chain is not the hash of what was read, or it does not decode.
        """
        entry = self._decode(entry_id, payload)
        epoch, seq = parse_entry_id(entry_id)
        epoch_before, seq_before = parse_entry_id(self.entry_id)
        first = entry.events[0] if entry.events else None
        expected = 0 if self.entry_id == START_ID else seq_before + 1
        changes = isinstance(first, WriterChanged)
        if seq != expected or (epoch <= epoch_before if changes else epoch != epoch_before):
            raise ReplicaError(f"entry {entry_id} does not follow {self.entry_id}")
        if isinstance(first, WriterChanged) and (first.previous, first.previous_chain) != (self.entry_id, self.chain):
            raise ReplicaError(f"entry {entry_id} takes over behind {first.previous}, not behind {self.entry_id}")
        if chain != codec.next_chain(self.chain, payload):
            raise ReplicaError(f"the chain breaks at entry {entry_id}")
        self.stand_at(entry_id, chain, entry.now_ms)
        return entry

    def stand_at(self, entry_id: str, chain: bytes, now_ms: int) -> None:
        """This entry is the last one taken, known to be the next by whoever wrote it."""
        self.entry_id, self.chain, self.now_ms = entry_id, chain, now_ms

    def _decode(self, entry_id: str, payload: bytes) -> Entry:
        try:
            return codec.decode_entry(payload)
        except codec.DecodeError as error:
            raise ReplicaError(f"entry {entry_id} does not decode: {error}") from error

    def apply(self, event: AnyEvent) -> None:
        """Change the replica by one event. Those that concern their sender, one consumer or the log alone do not."""
        apply = self._APPLY.get(type(event))
        if apply is not None:
            apply(self, event)
            return
        path = self.paths.get(getattr(event, "path", ""))
        if path is not None and (of_kind := path.kind.APPLY.get(type(event))) is not None:
            of_kind(path.kind, event)

    def _joined(self, event: Joined) -> None:
        path = self.paths[event.path]
        if event.first != path.tickets:
            raise ReplicaError(f"ticket {event.first} of {event.path} joined behind {path.tickets} tickets")
        count = len(event.hats)
        path.states += bytes(count)
        path.hats += event.hats
        path.roster.append(count)
        self.holders.add(event.consumers)
        path.waits.joined(event.first, self.now_ms)

    def _admitted(self, event: Admitted) -> None:
        path = self.paths[event.path]
        for index, ticket in enumerate(event.tickets):
            admission = event.admissions[index * ADMISSION_BYTES : (index + 1) * ADMISSION_BYTES]
            path.close_ticket(ticket, TicketState.ADMITTED)
            if ticket not in path.forgiven:
                path.waits.admitted(ticket, event.at)
            allotted = path.allotted.pop(ticket, ("", None))
            path.windows[ticket] = OpenWindow(admission, event.kid, event.at, event.expires_at, *allotted)
            self.admissions[admission] = (event.path, ticket)
        path.admitted += len(event.tickets)
        if not event.by_hand:
            path.count_recent(event.at, len(event.tickets))

    def _expired(self, event: Expired) -> None:
        path = self.paths[event.path]
        path.expired += len(event.tickets)
        for ticket in event.tickets:
            path.close_ticket(ticket, TicketState.EXPIRED)

    def _left(self, event: Left) -> None:
        self.paths[event.path].close_ticket(event.ticket, TicketState.LEFT)

    def _ticket_refused(self, event: TicketRefused) -> None:
        self.paths[event.path].close_ticket(event.ticket, TicketState.REFUSED)

    def _completed(self, event: Completed) -> None:
        path = self.paths[event.path]
        path.completed += 1
        path.close_ticket(event.ticket, TicketState.COMPLETED)

    def _redeemed(self, event: Redeemed) -> None:
        self.paths[event.path].states[event.ticket] = TicketState.REDEEMED

    def _returned(self, event: Returned) -> None:
        path = self.paths[event.path]
        path.wait_again(event.ticket)
        path.forgiven[event.ticket] = None

    def _window_moved(self, event: WindowMoved) -> None:
        windows = self.paths[event.path].windows
        windows[event.ticket] = structs.replace(windows[event.ticket], expires_at=event.expires_at)

    def _waiting_lost(self, event: WaitingLost) -> None:
        path = self.paths[event.path]
        path.lose_waiting()
        path.ended_by_hand = path.ended_by_hand or (event.reason == ENDED and path.phase == Phase.SETTLING)

    def _tickets_lost(self, event: TicketsLost) -> None:
        for ticket in event.tickets:
            self.paths[event.path].close_ticket(ticket, TicketState.LOST)
        self.paths[event.path].kind.lost(event.tickets)

    def _chosen(self, event: Chosen) -> None:
        self.paths[event.path].choices[event.ticket] = event.variant

    def _allotted(self, event: Allotted) -> None:
        told = zip(event.tickets, event.variants, event.prices, strict=True)
        self.paths[event.path].allotted = {ticket: (variant, price) for ticket, variant, price in told}

    def _offered(self, event: Offered) -> None:
        path = self.paths[event.path]
        for index, ticket in enumerate(event.tickets):
            offer = event.offers[index * OFFER_BYTES : (index + 1) * OFFER_BYTES]
            path.close_ticket(ticket, TicketState.OFFERED)
            what = (event.variants[index], event.prices[index], False, event.slot, event.reserved)
            path.offers[ticket] = OpenOffer(offer, event.claim_by, *what)

    def _offer_moved(self, event: OfferMoved) -> None:
        offers = self.paths[event.path].offers
        offers[event.ticket] = structs.replace(offers[event.ticket], claim_by=event.claim_by)

    def _offer_expired(self, event: OfferExpired) -> None:
        for ticket in event.tickets:
            self.paths[event.path].close_ticket(ticket, TicketState.EXPIRED)

    def _claimed(self, event: Claimed) -> None:
        path = self.paths[event.path]
        if event.ticket in path.offers:
            path.offers[event.ticket] = structs.replace(path.offers[event.ticket], claimed=True)
        else:
            path.kind.claim(event.ticket)

    def _phase_changed(self, event: PhaseChanged) -> None:
        path = self.paths[event.path]
        path.phase, path.opens_at, path.closes_at = event.phase, event.opens_at, event.closes_at
        path.kind.entered(event.phase)

    def _pause_changed(self, event: PauseChanged) -> None:
        self.paths[event.path].paused = event.paused

    def _sold_out_changed(self, event: SoldOutChanged) -> None:
        path = self.paths[event.path]
        path.sold_out, path.may_return = event.sold_out, event.may_return
        path.was_sold_out = path.was_sold_out or event.sold_out

    def _stock_changed(self, event: StockChanged) -> None:
        before = self.stock.get(event.variant, Stock())
        self.stock[event.variant] = Stock(event.total, event.reserved, event.completed)
        if self.document is not None and event.total != before.total:
            self.document = with_stock(self.document, event.variant, event.total)

    def _notice_posted(self, event: NoticePosted) -> None:
        self.notice = event

    def _configured(self, event: Configured) -> None:
        self.document, self.revision, self.kid = event.document, event.revision, event.kid
        before = self.paths
        self.paths = {}
        for settings in event.document.paths:
            path = before.get(settings.id)
            if path is None or method_of(path.settings.distribution) != method_of(settings.distribution):
                path = PathReplica(settings)
            path.settings = settings
            path.kind.configured()
            if settings.product_selection != "consumer":
                path.choices = {}
            self.paths[settings.id] = path

    def _release_rate_changed(self, event: ReleaseRateChanged) -> None:
        assert self.document is not None, "a release rate is changed after the first Configured"
        self.revision = event.revision
        limits = (event.release_rate_per_minute, event.max_active, event.max_admissions)
        self.document = with_release_rate(self.document, event.path, *limits)
        if event.path:
            changed = self.document.path(event.path)
            assert changed is not None, "a release rate is changed in a path that exists"
            self.paths[event.path].settings = changed

    _APPLY: ClassVar[dict[type, Callable[[Replica, Any], None]]] = {
        Joined: _joined,
        Admitted: _admitted,
        Expired: _expired,
        Left: _left,
        TicketRefused: _ticket_refused,
        Completed: _completed,
        Redeemed: _redeemed,
        Returned: _returned,
        WindowMoved: _window_moved,
        WaitingLost: _waiting_lost,
        PhaseChanged: _phase_changed,
        PauseChanged: _pause_changed,
        SoldOutChanged: _sold_out_changed,
        Configured: _configured,
        ReleaseRateChanged: _release_rate_changed,
        StockChanged: _stock_changed,
        NoticePosted: _notice_posted,
        TicketsLost: _tickets_lost,
        Chosen: _chosen,
        Allotted: _allotted,
        Offered: _offered,
        OfferMoved: _offer_moved,
        OfferExpired: _offer_expired,
        Claimed: _claimed,
    }
