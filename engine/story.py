"""Why a ticket is where it is, told from the log in sentences, as a merchant would tell a consumer who asks.

It hears the events of every entry and says what became of one ticket and what moved it: who was ahead, what changed the
rate, pauses, outages, its window. While it waits, those ahead of it are counted: let in, gone, or back again.

Pure, and no part of the engine's decisions: it knows what any reader of the log knows. Hands over to:
``engine.story_kinds``, which tells what only some kinds of distributions do, and ``engine.explaining``, which feeds it
and prints.
"""

from collections.abc import Callable
from typing import ClassVar

from engine.core.limits import OUTAGE_MIN_MS
from engine.story_kinds import TELLS_OF_KINDS, standing
from engine.story_words import ahead, is_in_order, limits, money, pace, span, time
from protocol import events as e
from protocol.path_replica import PathReplica
from protocol.replica import Replica, over_in
from protocol.states import LIVE, TicketState

_MOVES = ("let in", "offered something", "gone", "back after a missed turn")
"""What others do that moves a ticket, in the order in which it is told."""


class Story:
    """One ticket of one path. ``sentences`` is what is told so far, in the order in which it happened."""

    def __init__(self, path: str, ticket: int) -> None:
        self.sentences: list[str] = []
        self.path = path
        self.ticket = ticket
        self._name = f"Ticket {ticket}"
        self.waits = False
        self._since_ms = 0
        self._gone: dict[str, int] = {}
        self._ahead = 0
        self._stepped_ms = 0
        self._over: set[str] = set()

    def begin(self, replica: Replica, entry_id: str) -> None:
        """What is known before the first entry: a snapshot's replica, where the log before it is trimmed."""
        self._stepped_ms = replica.now_ms
        path = self.path_of(replica)
        if path is not None and self.ticket < path.tickets:
            state = path.state(self.ticket).word
            self.say(
                replica, replica.now_ms, f"The log begins with the snapshot at entry {entry_id}: then it was {state}"
            )
            if path.state(self.ticket) is TicketState.WAITING:
                self.note_wait(replica, replica.now_ms)

    def entry(self, entry: e.Entry, replica: Replica) -> None:
        """The next entry, whose events the replica has not applied yet; they are applied here."""
        if entry.events and isinstance(entry.events[0], e.WriterChanged):
            replica.apply(entry.events[0])
            return self._outage(entry.now_ms, replica)
        self._over = over_in(entry.events)
        for event in entry.events:
            replica.apply(event)
            tell = self._TELLS.get(type(event)) or TELLS_OF_KINDS.get(type(event))
            if tell is not None and getattr(event, "path", self.path) in ("", self.path):
                tell(self, event, replica, entry.now_ms)
        self._stepped_ms = entry.now_ms
        return None

    def end(self, replica: Replica) -> None:
        """How it stands now."""
        path = self.path_of(replica)
        if path is None or self.ticket >= path.tickets:
            known = 0 if path is None else path.tickets
            self.sentences.append(f"{self.path} has no ticket {self.ticket}: so far it gave out {known}.")
            return
        state = path.state(self.ticket)
        if state is TicketState.WAITING:
            self.say(replica, replica.now_ms, f"Now {ahead(path, self.ticket)}; {pace(replica, path)}")
        elif self.ticket in path.windows:
            ends_at = path.windows[self.ticket].expires_at
            self.say(replica, replica.now_ms, f"Now it is {state.word}; its window ends at {time(replica, ends_at)}")
        else:
            self.say(replica, replica.now_ms, f"Now it is {state.word}{standing(path, self.ticket, replica)}")

    # What happens to the ticket itself

    def _joined(self, event: e.Joined, replica: Replica, now_ms: int) -> None:
        if event.first <= self.ticket < event.first + len(event.hats):
            path = replica.paths[self.path]
            number = f"number {self.ticket + 1} of {self.path}"
            self.say(
                replica,
                now_ms,
                f"{self._name} joined as {number}; {ahead(path, self.ticket)}, {pace(replica, path)}",
            )
            self.note_wait(replica, now_ms)

    def _admitted(self, event: e.Admitted, replica: Replica, now_ms: int) -> None:
        if self.ticket not in event.tickets:
            return self.passed("let in", replica)
        self.waits = False
        path = replica.paths[self.path]
        window = path.windows[self.ticket]
        what = f" for {window.variant}" if window.variant else ""
        what += "" if window.price is None else f" at {money(path, replica, window.price, window.variant)}"
        how = "by the merchant's hand, outside the rate" if event.by_hand else "by the rate"
        waited, until = span(event.at - self._since_ms), time(replica, event.expires_at)
        told = f"It was admitted{what} {how}, after {waited}{self._those_ahead()}; its window ends at {until}"
        return self.say(replica, event.at, told)

    def _expired(self, event: e.Expired, replica: Replica, now_ms: int) -> None:
        if self.ticket in event.tickets:
            may = replica.paths[self.path].may_rejoin(self.ticket) and self.path not in self._over
            then = "it may rejoin once, at its old place" if may else "it cannot rejoin at its old place"
            self.say(replica, event.at, f"Its window ended without a completed order: a missed turn; {then}")

    def _returned(self, event: e.Returned, replica: Replica, now_ms: int) -> None:
        if event.ticket != self.ticket:
            return self.passed("back after a missed turn", replica)
        path = replica.paths[self.path]
        self.say(replica, now_ms, f"It rejoined at its old place; {ahead(path, self.ticket)}")
        return self.note_wait(replica, now_ms)

    def _left(self, event: e.Left, replica: Replica, now_ms: int) -> None:
        if event.ticket != self.ticket:
            return self.passed("gone", replica)
        self.waits = False
        what = "It booked what it was offered" if event.reason == "booked" else f"It was given up ({event.reason})"
        return self.say(replica, event.at, what)

    def _refused(self, event: e.TicketRefused, replica: Replica, now_ms: int) -> None:
        if event.ticket != self.ticket:
            return self.passed("gone", replica)
        self.waits = False
        return self.say(
            replica, event.at, f"The merchant ({event.actor}) turned it away: {event.reason or 'no reason given'}"
        )

    def _redeemed(self, event: e.Redeemed, replica: Replica, now_ms: int) -> None:
        if event.ticket == self.ticket:
            self.say(replica, event.at, "Its pass was redeemed at the checkout")

    def _completed(self, event: e.Completed, replica: Replica, now_ms: int) -> None:
        if event.ticket == self.ticket:
            self.say(replica, event.at, f"Its order was completed{f' ({event.order_id})' if event.order_id else ''}")

    def _moved(self, event: e.WindowMoved, replica: Replica, now_ms: int) -> None:
        if event.ticket == self.ticket:
            self.say(replica, now_ms, f"Its window was moved and ends at {time(replica, event.expires_at)}")

    def _lost(self, event: e.WaitingLost, replica: Replica, now_ms: int) -> None:
        if self.waits:
            self.waits = False
            self.say(replica, event.at, f"Everybody who still waited lost their place ({event.reason}), it too")

    # What moves it while it waits

    def _rate(self, event: e.ReleaseRateChanged, replica: Replica, now_ms: int) -> None:
        if self.waits:
            where = f"of {event.path}" if event.path else "over all paths"
            told = limits(event.release_rate_per_minute, event.max_active, event.max_admissions)
            self.say(replica, now_ms, f"{event.actor} set the limits {where}: {told}")

    def _configured(self, event: e.Configured, replica: Replica, now_ms: int) -> None:
        if self.waits:
            self.say(
                replica, now_ms, f"{event.actor} changed the experience; {pace(replica, replica.paths[self.path])}"
            )

    def _paused(self, event: e.PauseChanged, replica: Replica, now_ms: int) -> None:
        if self.waits:
            what = "paused: nobody was admitted from then on" if event.paused else "resumed"
            self.say(replica, event.at, f"{self.path} was {what} ({event.actor})")

    def _phase(self, event: e.PhaseChanged, replica: Replica, now_ms: int) -> None:
        if self.waits:
            by = f" ({event.actor})" if event.actor else ", as scheduled"
            self.say(replica, event.at, f"{self.path} became {event.phase}{by}")

    def _sold_out(self, event: e.SoldOutChanged, replica: Replica, now_ms: int) -> None:
        if self.waits:
            returns = ", but something reserved may come back" if event.may_return else ""
            what = f"Nothing was free to be sold{returns}" if event.sold_out else "There was something to be sold again"
            self.say(replica, now_ms, what)

    def _outage(self, now_ms: int, replica: Replica) -> None:
        gap_ms = now_ms - self._stepped_ms
        path = self.path_of(replica)
        live = path is not None and self.ticket < path.tickets and path.state(self.ticket) in LIVE
        if gap_ms > OUTAGE_MIN_MS and live:
            self.say(
                replica,
                now_ms,
                f"For {span(gap_ms)} no engine wrote; another one took over, nobody was admitted meanwhile",
            )

    def passed(self, what: str, replica: Replica) -> None:
        """Somebody else of the path moved, as ``what`` says: was it ahead?"""
        path = replica.paths[self.path]
        if self.waits and is_in_order(path):
            before, self._ahead = self._ahead, path.roster.ahead(self.ticket)
            self._gone[what] = self._gone.get(what, 0) + abs(before - self._ahead)

    # Words

    def path_of(self, replica: Replica) -> PathReplica | None:
        """Its path, once there is one."""
        return replica.paths.get(self.path)

    def note_wait(self, replica: Replica, now_ms: int) -> None:
        """From now on it waits, and those ahead of it are counted."""
        self.waits, self._since_ms = True, now_ms
        self.line_up(replica)

    def line_up(self, replica: Replica) -> None:
        """It has this place from now on."""
        self._ahead, self._gone = replica.paths[self.path].roster.ahead(self.ticket), {}

    def _those_ahead(self) -> str:
        counts = [(self._gone.get(what, 0), what) for what in _MOVES]
        told = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f" (of those ahead: {told})" if told else ""

    def say(self, replica: Replica, at_ms: int, what: str) -> None:
        """One sentence more, about something that happened at ``at_ms``."""
        self.sentences.append(f"{time(replica, at_ms)}: {what}.")

    _TELLS: ClassVar[dict[type, Callable[..., None]]] = {
        e.Joined: _joined,
        e.Admitted: _admitted,
        e.Expired: _expired,
        e.Returned: _returned,
        e.Left: _left,
        e.TicketRefused: _refused,
        e.Redeemed: _redeemed,
        e.Completed: _completed,
        e.WindowMoved: _moved,
        e.WaitingLost: _lost,
        e.ReleaseRateChanged: _rate,
        e.Configured: _configured,
        e.PauseChanged: _paused,
        e.PhaseChanged: _phase,
        e.SoldOutChanged: _sold_out,
    }
