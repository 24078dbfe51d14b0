"""What an event tells whom: the facts for consumers who are here. The people follow the log while it is told.

A `Fact` is a frame for every socket of one consumer; to the socket that asked for it, it is the answer (``answers``
names the commands it can answer). Facts are told every time; positions and phases are states and come elsewhere.
What only some kinds of distributions tell stands in `gateway.kinds`.

Hands over to: `gateway.telling`, which adds the `ref` and hands frames to lines.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import structlog
from msgspec import structs

from gateway import told
from gateway.fact import Commands, Fact, FactFrame
from gateway.kinds import Kinds
from gateway.pass_keys import PassKeysError
from gateway.people import People, Person
from gateway.proofs import Proofs
from protocol.commands import Choose, Claim, Command, Decline, Join, Leave, Rejoin
from protocol.events import (
    Admitted,
    AnyEvent,
    Completed,
    Entry,
    Expired,
    Holding,
    Joined,
    Left,
    Redeemed,
    Returned,
    TicketRefused,
    WaitingLost,
    WindowMoved,
)
from protocol.frames import AdmittedFrame, JoinedFrame
from protocol.kind_events import Chosen, Claimed, NotDrawn, Offered, OfferExpired, OfferMoved, TicketsLost
from protocol.replica import Replica, over_in
from protocol.states import LIVE, TicketState

log = structlog.get_logger()

NOT_DRAWN = "not_drawn"
NOT_CLAIMED = "not_claimed"
BOOKED_ELSEWHERE = "booked"
"""Why a ticket of a waitlist leaves whose offer was a place in a slot."""
_TOLD_OTHERWISE: Final = frozenset(
    {TicketState.WAITING, TicketState.OFFERED, TicketState.HELD, TicketState.BOOKED, TicketState.ADMITTED}
)
"""States that have a frame of their own."""


class Facts:
    """Makes facts of one experience's events, which the replica has applied already. Of those who wait no more once an
    event is applied, `before` must be told."""

    def __init__(self, replica: Replica, people: People, proofs: Proofs, kinds: Kinds) -> None:
        self._replica = replica
        self._people = people
        self._kinds = kinds
        self._proofs = proofs
        self._claims: list[tuple[str, int]] = []
        self._waited: list[int] = []
        self._over: set[str] = set()
        self._makers: dict[type, Callable[[Any, int], Iterator[Fact]]] = {
            Joined: self._joined,
            Admitted: self._admitted,
            Redeemed: self._one,
            WindowMoved: self._window_moved,
            Completed: self._one,
            Expired: self._expired,
            Left: self._left,
            Returned: self._returned,
            TicketRefused: self._refused,
            WaitingLost: self._waiting_lost,
            NotDrawn: self._not_drawn,
            TicketsLost: self._tickets_lost,
            Offered: self._offered,
            OfferMoved: self._offer_moved,
            OfferExpired: self._offer_expired,
            Claimed: self._claimed,
            Chosen: self._chosen,
        }

    def begin(self, entry: Entry) -> None:
        """``entry`` is about to be told, event by event: note where no missed turn is forgiven once all are applied."""
        self._over = over_in(entry.events)

    def before(self, event: AnyEvent) -> None:
        """``event`` is about to be applied: note which tickets held here wait, if it may end that for all of them."""
        if isinstance(event, WaitingLost | NotDrawn):
            roster = self._replica.paths[event.path].roster
            self._waited = [ticket for ticket, _ in self._people.seats(event.path).waiting(roster)]

    def of(self, event: AnyEvent, now_ms: int) -> Iterator[Fact]:
        """The facts of ``event`` for those who are here, at ``now_ms`` (log's time)."""
        maker = self._makers.get(type(event)) or self._maker_of_kind(event)
        return iter(()) if maker is None else maker(event, now_ms)

    def _maker_of_kind(self, event: AnyEvent) -> Callable[[Any, int], Iterator[Fact]] | None:
        """What the kind of the event's path makes of it: the same event may be of more than one kind."""
        path = self._replica.paths.get(getattr(event, "path", ""))
        kind = None if path is None else self._kinds.of(path)
        maker = None if kind is None else kind.FACTS.get(type(event))
        return None if maker is None else partial(maker, kind)

    def at_end(self) -> Iterator[Fact]:
        """The facts that only the end of an entry tells: who has claimed and was neither admitted nor lost with it."""
        claims, self._claims = self._claims, []
        for path_id, ticket in claims:
            path, person = self._replica.paths.get(path_id), self._people.owner(path_id, ticket)
            if path is not None and person is not None and path.kind.is_claimed(ticket):
                yield Fact(person, told.claimed(path, ticket), (Claim,))

    def of_holding(self, person: Person, holding: Holding, now_ms: int) -> Iterator[FactFrame]:
        """All that was ever told about a ticket and still holds, as the frames they were."""
        path = self._replica.paths[holding.path]
        if holding.state in LIVE:
            yield self._joined_frame(person, holding)
        if holding.admission and holding.state in LIVE:
            yield from self._admission(person, holding, now_ms)
        if path.kind.is_claimed(holding.ticket):
            yield told.claimed(path, holding.ticket)
        elif holding.ticket in path.offers:
            yield told.offer(path, holding.ticket, now_ms)
        yield from self._kinds.of(path).held(path, holding.ticket, now_ms)
        if holding.state not in _TOLD_OTHERWISE:
            yield told.ticket(holding)

    def tells_more(self, path_id: str, ticket: int) -> bool:
        """Whether something that only its kind has is told of a ticket."""
        path = self._replica.paths[path_id]
        of_kind = self._kinds.of(path).held(path, ticket, self._replica.now_ms)
        return path.kind.is_claimed(ticket) or any(True for _ in of_kind)

    def of_repeated(self, person: Person, command: Command, now_ms: int) -> Any:
        """The fact (a frame) that stands for what ``command`` asks for, which was done before; None: there is none."""
        path = self._replica.paths.get(getattr(command, "path", ""))
        if path is None or not isinstance(command, self._kinds.of(path).REPEATED):
            return None
        ticket = self._people.seats(path.settings.id).ticket_of(person.number)
        return next(iter(self._kinds.of(path).held(path, ticket, now_ms)), None)

    def learn_joined(self, event: Joined) -> list[tuple[Person, int]]:
        """(person, ticket) of those of ``event`` who are here; they hold these tickets from now on."""
        found = [(person, event.first + index) for index, person in self._people.find_all(event.consumers)]
        for person, ticket in found:
            person.hold(event.path, ticket)
        return found

    def _joined(self, event: Joined, now_ms: int) -> Iterator[Fact]:
        for person, ticket in self.learn_joined(event):
            holding = told.holding(self._replica, event.path, ticket)
            yield Fact(person, self._joined_frame(person, holding), (Join, Rejoin))

    def _joined_frame(self, person: Person, holding: Holding) -> JoinedFrame:
        receipt = self._proofs.receipt(person.consumer, self._replica.experience, holding)
        return told.joined(self._replica.paths[holding.path], holding, receipt)

    def _admitted(self, event: Admitted, now_ms: int) -> Iterator[Fact]:
        path, seats = self._replica.paths[event.path], self._people.seats(event.path)
        seats.pacing.move()
        self._kinds.of(path).served(path, event.tickets)
        for ticket in event.tickets:
            seats.drop(ticket)
            person = self._people.owner(event.path, ticket)
            if person is not None:
                for told_first in self._kinds.of(path).admitted(path, ticket):
                    yield Fact(person, told_first)
                holding = told.holding(self._replica, event.path, ticket)
                for frame in self._admission(person, holding, now_ms):
                    yield Fact(person, frame, (Claim,))

    def _admission(self, person: Person, holding: Holding, now_ms: int) -> Iterator[AdmittedFrame]:
        """The ``admitted`` frame with the pass, which is signed once for each end of the window."""
        passes, path = person.passes, self._replica.paths[holding.path]
        signed = passes.get(holding.admission)
        if signed is None or signed[0] != holding.expires_at:
            try:
                token = self._proofs.pass_of(person.consumer, self._replica.experience, path, holding)
            except PassKeysError as error:
                log.error("pass_not_signed", experience=self._replica.experience, why=str(error))
                return
            signed = passes[holding.admission] = (holding.expires_at, token)
        assert self._replica.document is not None, "nobody is admitted before a document stands"
        yield told.admitted(path, holding, signed[1], self._replica.document.checkout_url, now_ms)

    def _window_moved(self, event: WindowMoved, now_ms: int) -> Iterator[Fact]:
        person = self._people.owner(event.path, event.ticket)
        if person is not None:
            holding = told.holding(self._replica, event.path, event.ticket)
            for frame in self._admission(person, holding, now_ms):
                yield Fact(person, frame)
            if holding.state == TicketState.REDEEMED:
                yield Fact(person, told.ticket(holding))

    def _one(self, event: Redeemed | Completed, now_ms: int) -> Iterator[Fact]:
        return self._ticket(event.path, event.ticket)

    def _left(self, event: Left, now_ms: int) -> Iterator[Fact]:
        self._people.seats(event.path).pacing.move()
        answers = (Claim,) if event.reason == BOOKED_ELSEWHERE else (Leave, Decline)
        return self._ticket(event.path, event.ticket, event.reason, answers)

    def _refused(self, event: TicketRefused, now_ms: int) -> Iterator[Fact]:
        self._people.seats(event.path).pacing.move()
        return self._ticket(event.path, event.ticket, event.reason)

    def _returned(self, event: Returned, now_ms: int) -> Iterator[Fact]:
        self._people.seats(event.path).pacing.move()
        path, person = self._replica.paths[event.path], self._people.owner(event.path, event.ticket)
        if path.kind.is_claimed(event.ticket) and person is not None:
            yield Fact(person, told.claimed(path, event.ticket), (Rejoin,))
        else:
            yield from self._ticket(event.path, event.ticket, "", (Rejoin,))

    def _expired(self, event: Expired, now_ms: int) -> Iterator[Fact]:
        for ticket in event.tickets:
            yield from self._ticket(event.path, ticket)

    def _offer_expired(self, event: OfferExpired, now_ms: int) -> Iterator[Fact]:
        for ticket in event.tickets:
            yield from self._ticket(event.path, ticket, NOT_CLAIMED)

    def _waiting_lost(self, event: WaitingLost, now_ms: int) -> Iterator[Fact]:
        for ticket in self._waited:
            yield from self._ticket(event.path, ticket, event.reason, (Claim,))

    def _not_drawn(self, event: NotDrawn, now_ms: int) -> Iterator[Fact]:
        waits = self._replica.paths[event.path].roster.waits
        for ticket in self._waited:
            if not waits(ticket):
                yield from self._ticket(event.path, ticket, NOT_DRAWN)

    def _claimed(self, event: Claimed, now_ms: int) -> Iterator[Fact]:
        self._claims.append((event.path, event.ticket))
        return iter(())

    def _chosen(self, event: Chosen, now_ms: int) -> Iterator[Fact]:
        person = self._people.owner(event.path, event.ticket)
        if person is not None:
            self._people.seats(event.path).pacing.choose(person.number)
            yield Fact(person, told.chosen(self._replica.paths[event.path], event.ticket), (Choose,))

    def _tickets_lost(self, event: TicketsLost, now_ms: int) -> Iterator[Fact]:
        for ticket in event.tickets:
            yield from self._ticket(event.path, ticket, event.reason)

    def _offered(self, event: Offered, now_ms: int) -> Iterator[Fact]:
        path, seats = self._replica.paths[event.path], self._people.seats(event.path)
        for ticket in event.tickets:
            seats.drop(ticket)
            person = self._people.owner(event.path, ticket)
            if person is not None:
                yield Fact(person, told.offer(path, ticket, now_ms))

    def _offer_moved(self, event: OfferMoved, now_ms: int) -> Iterator[Fact]:
        person = self._people.owner(event.path, event.ticket)
        if person is not None:
            yield Fact(person, told.offer(self._replica.paths[event.path], event.ticket, now_ms))

    def _ticket(self, path: str, ticket: int, reason: str = "", answers: Commands = ()) -> Iterator[Fact]:
        self._people.seats(path).drop(ticket)
        person = self._people.owner(path, ticket)
        if person is not None:
            holding = told.holding(self._replica, path, ticket, reason)
            if path in self._over:
                holding = structs.replace(holding, may_rejoin=False)
            yield Fact(person, told.ticket(holding), answers)
