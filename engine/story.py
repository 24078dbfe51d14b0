"""Why a ticket is where it is, told from the log in sentences, as a merchant would tell a consumer who asks.

It hears the events of every entry and says what became of one ticket and what moved it: who was ahead, what changed the
rate, pauses, outages, its window. While it waits, those ahead of it are counted: let in, gone, or back again.

Pure, and no part of the engine's decisions: it knows what any reader of the log knows. Hands over to:
``engine.explaining``, which feeds it and prints.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from engine.core.limits import OUTAGE_MIN_MS
from protocol import events as e
from protocol.path_replica import PathReplica
from protocol.replica import Replica
from protocol.states import Phase, TicketState

MS_PER_SECOND = 1_000
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


class Story:
    """One ticket of one path. ``sentences`` is what is told so far, in the order in which it happened."""

    def __init__(self, path: str, ticket: int) -> None:
        self.sentences: list[str] = []
        self._path = path
        self._ticket = ticket
        self._name = f"Ticket {ticket}"
        self._waits = False
        self._waits_since_ms = 0
        self._gone: dict[type, int] = {e.Admitted: 0, e.Left: 0, e.TicketRefused: 0, e.Returned: 0}
        self._ahead = 0
        self._stepped_ms = 0

    def begin(self, replica: Replica, entry_id: str) -> None:
        """What is known before the first entry: a snapshot's replica, where the log before it is trimmed."""
        self._stepped_ms = replica.now_ms
        path = self._path_of(replica)
        if path is not None and self._ticket < path.tickets:
            state = path.state(self._ticket).word
            self._say(
                replica, replica.now_ms, f"The log begins with the snapshot at entry {entry_id}: then it was {state}"
            )
            if path.state(self._ticket) is TicketState.WAITING:
                self._note_wait(replica, replica.now_ms)

    def entry(self, entry: e.Entry, replica: Replica) -> None:
        """The next entry, whose events the replica has not applied yet; they are applied here."""
        if entry.events and isinstance(entry.events[0], e.WriterChanged):
            replica.apply(entry.events[0])
            return self._outage(entry.now_ms, replica)
        for event in entry.events:
            replica.apply(event)
            tell = self._TELLS.get(type(event))
            if tell is not None and getattr(event, "path", self._path) in ("", self._path):
                tell(self, event, replica, entry.now_ms)
        self._stepped_ms = entry.now_ms
        return None

    def end(self, replica: Replica) -> None:
        """How it stands now."""
        path = self._path_of(replica)
        if path is None or self._ticket >= path.tickets:
            known = 0 if path is None else path.tickets
            self.sentences.append(f"{self._path} has no ticket {self._ticket}: so far it gave out {known}.")
            return
        state = path.state(self._ticket)
        if state is TicketState.WAITING:
            self._say(replica, replica.now_ms, f"Now {_ahead(path, self._ticket)}; {_pace(replica, path)}")
        elif self._ticket in path.windows:
            ends_at = path.windows[self._ticket].expires_at
            self._say(replica, replica.now_ms, f"Now it is {state.word}; its window ends at {_time(replica, ends_at)}")
        else:
            self._say(replica, replica.now_ms, f"Now it is {state.word}")

    # What happens to the ticket itself

    def _joined(self, event: e.Joined, replica: Replica, now_ms: int) -> None:
        if event.first <= self._ticket < event.first + len(event.hats):
            path = replica.paths[self._path]
            number = f"number {self._ticket + 1} of {self._path}"
            self._say(
                replica,
                now_ms,
                f"{self._name} joined as {number}; {_ahead(path, self._ticket)}, {_pace(replica, path)}",
            )
            self._note_wait(replica, now_ms)

    def _admitted(self, event: e.Admitted, replica: Replica, now_ms: int) -> None:
        if self._ticket not in event.tickets:
            return self._passed(event, replica)
        self._waits = False
        how = "by the merchant's hand, outside the rate" if event.by_hand else "by the rate"
        waited, until = _span(event.at - self._waits_since_ms), _time(replica, event.expires_at)
        self._say(
            replica, event.at, f"It was admitted {how}, after {waited}{self._those_ahead()}; its window ends at {until}"
        )
        return None

    def _expired(self, event: e.Expired, replica: Replica, now_ms: int) -> None:
        if self._ticket in event.tickets:
            may = replica.paths[self._path].may_rejoin(self._ticket)
            then = "it may rejoin once, at its old place" if may else "it cannot rejoin at its old place"
            self._say(replica, event.at, f"Its window ended without a completed order: a missed turn; {then}")

    def _returned(self, event: e.Returned, replica: Replica, now_ms: int) -> None:
        if event.ticket != self._ticket:
            return self._passed(event, replica)
        path = replica.paths[self._path]
        self._say(replica, now_ms, f"It rejoined at its old place; {_ahead(path, self._ticket)}")
        return self._note_wait(replica, now_ms)

    def _left(self, event: e.Left, replica: Replica, now_ms: int) -> None:
        if event.ticket != self._ticket:
            return self._passed(event, replica)
        self._waits = False
        return self._say(replica, event.at, f"It was given up ({event.reason})")

    def _refused(self, event: e.TicketRefused, replica: Replica, now_ms: int) -> None:
        if event.ticket != self._ticket:
            return self._passed(event, replica)
        self._waits = False
        return self._say(
            replica, event.at, f"The merchant ({event.actor}) turned it away: {event.reason or 'no reason given'}"
        )

    def _redeemed(self, event: e.Redeemed, replica: Replica, now_ms: int) -> None:
        if event.ticket == self._ticket:
            self._say(replica, event.at, "Its pass was redeemed at the checkout")

    def _completed(self, event: e.Completed, replica: Replica, now_ms: int) -> None:
        if event.ticket == self._ticket:
            self._say(replica, event.at, f"Its order was completed{f' ({event.order_id})' if event.order_id else ''}")

    def _moved(self, event: e.WindowMoved, replica: Replica, now_ms: int) -> None:
        if event.ticket == self._ticket:
            self._say(replica, now_ms, f"Its window was moved and ends at {_time(replica, event.expires_at)}")

    def _lost(self, event: e.WaitingLost, replica: Replica, now_ms: int) -> None:
        if self._waits:
            self._waits = False
            self._say(replica, event.at, f"Everybody who still waited lost their place ({event.reason}), it too")

    # What moves it while it waits

    def _rate(self, event: e.ReleaseRateChanged, replica: Replica, now_ms: int) -> None:
        if self._waits:
            where = f"of {event.path}" if event.path else "over all paths"
            limits = _limits(event.release_rate_per_minute, event.max_active, event.max_admissions)
            self._say(replica, now_ms, f"{event.actor} set the limits {where}: {limits}")

    def _configured(self, event: e.Configured, replica: Replica, now_ms: int) -> None:
        if self._waits:
            self._say(
                replica, now_ms, f"{event.actor} changed the experience; {_pace(replica, replica.paths[self._path])}"
            )

    def _paused(self, event: e.PauseChanged, replica: Replica, now_ms: int) -> None:
        if self._waits:
            what = "paused: nobody was admitted from then on" if event.paused else "resumed"
            self._say(replica, event.at, f"{self._path} was {what} ({event.actor})")

    def _phase(self, event: e.PhaseChanged, replica: Replica, now_ms: int) -> None:
        if self._waits:
            by = f" ({event.actor})" if event.actor else ", as scheduled"
            self._say(replica, event.at, f"{self._path} became {event.phase}{by}")

    def _sold_out(self, event: e.SoldOutChanged, replica: Replica, now_ms: int) -> None:
        if self._waits:
            returns = ", but something reserved may come back" if event.may_return else ""
            what = f"Nothing was free to be sold{returns}" if event.sold_out else "There was something to be sold again"
            self._say(replica, now_ms, what)

    def _outage(self, now_ms: int, replica: Replica) -> None:
        gap_ms = now_ms - self._stepped_ms
        path = self._path_of(replica)
        window = path is not None and self._ticket in path.windows
        if gap_ms > OUTAGE_MIN_MS and (self._waits or window):
            self._say(
                replica,
                now_ms,
                f"For {_span(gap_ms)} no engine wrote; another one took over, nobody was admitted meanwhile",
            )

    def _passed(self, event: Any, replica: Replica) -> None:
        """Somebody else of the path moved: was it ahead?"""
        if self._waits:
            ahead = replica.paths[self._path].roster.ahead(self._ticket)
            self._gone[type(event)] += abs(self._ahead - ahead)
            self._ahead = ahead

    # Words

    def _path_of(self, replica: Replica) -> PathReplica | None:
        return replica.paths.get(self._path)

    def _note_wait(self, replica: Replica, now_ms: int) -> None:
        self._waits, self._waits_since_ms = True, now_ms
        self._ahead = replica.paths[self._path].roster.ahead(self._ticket)
        self._gone = dict.fromkeys(self._gone, 0)

    def _those_ahead(self) -> str:
        counts = {
            "let in": self._gone[e.Admitted],
            "gone": self._gone[e.Left] + self._gone[e.TicketRefused],
            "back after a missed turn": self._gone[e.Returned],
        }
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f" (of those ahead: {told})" if told else ""

    def _say(self, replica: Replica, at_ms: int, what: str) -> None:
        self.sentences.append(f"{_time(replica, at_ms)}: {what}.")

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


def _ahead(path: PathReplica, ticket: int) -> str:
    ahead = path.roster.ahead(ticket)
    if ahead == 0:
        return "nobody is ahead of it"
    return f"{ahead} {'is' if ahead == 1 else 'are'} ahead of it"


def _pace(replica: Replica, path: PathReplica) -> str:
    """At what rate the path lets people in, and what stops it."""
    assert replica.document is not None, "a path was configured"
    terms, over_all = path.settings.distribution, replica.document.release_rate_per_minute
    told = _limits(terms.release_rate_per_minute, terms.max_active, terms.max_admissions)
    if over_all is not None:
        told += f", over all paths {over_all} a minute"
    if path.phase not in (Phase.OPEN, Phase.SETTLING):
        told += f"; {path.settings.id} is {path.phase}"
    return told + "; it is paused" * path.paused + "; nothing is free to be sold" * path.sold_out


def _limits(rate: int | None, active: int | None, admissions: int | None) -> str:
    told = "no rate is set" if rate is None else f"the rate is {rate} a minute"
    told += f", at most {active} windows at once" * (active is not None)
    return told + f", at most {admissions} admissions in all" * (admissions is not None)


def _span(ms: int) -> str:
    """A duration by its two greatest units."""
    left, told = ms // MS_PER_SECOND, []
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            told.append(f"{count} {unit}{'s' * (count > 1)}")
    return " ".join(told[:2]) or f"{ms} ms"


def _time(replica: Replica, ms: int) -> str:
    """An instant as the merchant's clock shows it, to the millisecond."""
    zone = ZoneInfo("UTC" if replica.document is None else replica.document.time_zone)
    return f"{datetime.fromtimestamp(ms / MS_PER_SECOND, zone):%Y-%m-%d %H:%M:%S}.{ms % MS_PER_SECOND:03d}"
