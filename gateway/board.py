"""What stands on the board: the states of an experience that everybody sees alike, and positions with honest waits.

A shared frame is encoded once for all its watchers; it is told again when anything in it but ``now`` has changed.
The key of a state says of what it is the state, so that a slow line keeps only the newest of each.
"""

from typing import Final, NamedTuple

from msgspec import UNSET, structs

from gateway import told
from gateway.eta import Estimate, estimate
from gateway.people import People
from protocol import codec
from protocol.events import (
    AnyEvent,
    Configured,
    Joined,
    PauseChanged,
    PhaseChanged,
    ReleaseRateChanged,
    SoldOutChanged,
    StockChanged,
    WriterChanged,
)
from protocol.frames import PhaseFrame, PositionFrame, SoldOutFrame, StockFrame
from protocol.replica import Replica
from protocol.states import LEVELS

ESTIMATE_MS = 250

_SHARED_EVENTS: Final = (Configured, PauseChanged, PhaseChanged, SoldOutChanged, StockChanged)

Shared = PhaseFrame | SoldOutFrame | StockFrame


class Notice(NamedTuple):
    """A shared state of ``path``: its key and its frame, for sockets of at least ``level``."""

    path: str
    level: int
    state: str
    frame: bytes


class Board:
    """The shared states of one experience, and how long a wait is."""

    def __init__(self, replica: Replica, people: People) -> None:
        self._replica = replica
        self._people = people
        self._told: dict[str, Shared] = {}
        self._stale = True
        self._outage = False
        self._estimates: dict[str, tuple[int, Estimate]] = {}

    def of_path(self, path_id: str, now_ms: int, *, outage: bool) -> list[Notice]:
        """All states of a path as they are now."""
        return [self._notice(path_id, state, frame) for state, frame in self._states(path_id, now_ms, outage).items()]

    def changed(self, now_ms: int, *, outage: bool) -> list[Notice]:
        """The states of all paths that are not as this said the last time."""
        if not self._stale and outage == self._outage:
            return []
        self._stale, self._outage = False, outage
        news = []
        present: dict[str, Shared] = {}
        for path_id in self._replica.paths:
            for state, frame in self._states(path_id, now_ms, outage).items():
                present[state] = _timeless(frame)
                if self._told.get(state) != present[state]:
                    news.append(self._notice(path_id, state, frame))
        self._told = present
        return news

    def position(self, path_id: str, ahead: int, now_ms: int, why: str | None, *, outage: bool) -> bytes:
        """The frame for one with ``ahead`` before them."""
        guess = self._estimate(path_id, now_ms)
        frame = PositionFrame(
            path=path_id,
            ahead=ahead,
            of=self._replica.paths[path_id].roster.waiting,
            eta=None if outage else guess.interval(ahead),
            rate=guess.shown,
            now=now_ms,
            why=UNSET if why is None else why,
        )
        return codec.encode_frame(frame)

    def wait(self, path_id: str, ahead: int, now_ms: int) -> tuple[int, int] | None:
        """[low, high] seconds that one with ``ahead`` before them waits; None while nobody is admitted."""
        return self._estimate(path_id, now_ms).interval(ahead)

    def _estimate(self, path_id: str, now_ms: int) -> Estimate:
        at, guess = self._estimates.get(path_id, (-ESTIMATE_MS, None))
        if guess is None or not 0 <= now_ms - at < ESTIMATE_MS:
            assert self._replica.document is not None, "a path is part of a document"
            since_ms = self._people.seats(path_id).since_ms
            guess = estimate(self._replica.document, self._replica.paths[path_id], since_ms, now_ms)
            self._estimates[path_id] = (now_ms, guess)
        return guess

    def before(self, event: AnyEvent, now_ms: int) -> None:
        """``event``, of the log's time ``now_ms``, is about to be applied: note from which instant on the rate is
        measured, and what everybody who waits is told at once."""
        paths = self._replica.paths
        self._stale = self._stale or isinstance(event, _SHARED_EVENTS)
        match event:
            case Joined(path=path):
                if paths[path].roster.waiting == 0:
                    self._measure_from(path, now_ms, None)
            case PauseChanged(path=path, paused=paused):
                self._measure_from(path, now_ms, "paused" if paused else "resumed")
            case PhaseChanged(path=path) | SoldOutChanged(path=path):
                self._measure_from(path, now_ms, None)
            case ReleaseRateChanged(path=path):
                for one in [path] if path else list(paths):
                    self._measure_from(one, now_ms, "rate_changed")
            case Configured(document=document):
                for settings in document.paths:
                    if settings.id in paths and paths[settings.id].settings.distribution != settings.distribution:
                        self._measure_from(settings.id, now_ms, "rate_changed")
            case WriterChanged():
                for one in paths:
                    self._measure_from(one, now_ms, None)

    def _measure_from(self, path_id: str, now_ms: int, why: str | None) -> None:
        seats = self._people.seats(path_id)
        seats.since_ms = now_ms
        self._estimates.pop(path_id, None)
        if why is not None:
            seats.pacing.stir(why)

    def _states(self, path_id: str, now_ms: int, outage: bool) -> dict[str, Shared]:
        path = self._replica.paths[path_id]
        states: dict[str, Shared] = {f"phase {path_id}": told.phase(path, now_ms, outage=outage)}
        for stock in told.stocks(self._replica, path_id):
            states[f"stock {path_id} {stock.product} {stock.variant}"] = stock
        if path.sold_out:
            states[f"sold_out {path_id}"] = told.sold_out(path, now_ms)
        return states

    def _notice(self, path_id: str, state: str, frame: Shared) -> Notice:
        settings = self._replica.paths[path_id].settings
        level = LEVELS.index(settings.min_level) if settings.hidden else 0
        return Notice(path_id, level, state, codec.encode_frame(frame))


def _timeless(frame: Shared) -> Shared:
    return frame if isinstance(frame, StockFrame) else structs.replace(frame, now=0)
