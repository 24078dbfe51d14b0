"""What stands on the board: the states of an experience that everybody sees alike, and positions with honest waits.

A shared frame is encoded once for all its watchers; it is told again when anything in it but ``now`` has changed, or
when somebody may have heard another meanwhile (`gateway.heard`): by the next round, or sooner where its kind says that
it is prompt.
The key of a state says of what it is the state, so that a slow line keeps only the newest of each. A kind may say in
one short frame what is new in many states; it is for those alone who have taken all that was told before.
"""

import asyncio
from collections.abc import Iterator, Set
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, structs
from numpy.typing import NDArray

from gateway import told
from gateway.eta import Estimate, estimate
from gateway.heard import Heard, Shared, States
from gateway.kinds import PROMPTING_EVENTS, SHARED_EVENTS, Kinds
from gateway.kinds.base import KindState
from gateway.people import People
from gateway.sockets import TOGETHER_BYTES_MAX
from protocol import codec
from protocol.documents import Path
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
from protocol.frames import PositionFrame, StockFrame
from protocol.replica import Replica
from protocol.roster import NO_PLACE
from protocol.states import LEVELS

ESTIMATE_MS = 250
VIEW_MS = 250
VIEWS_MAX = 16

_json = msgspec.json.Encoder()
_AHEAD, _LOW, _HIGH, _NOW = -1, -2, -3, -4
"""Stand for the numbers of one frame, none of which is ever negative."""
_NOW_FIELD = b'"now":'

_SHARED_EVENTS: Final = (Configured, PauseChanged, PhaseChanged, SoldOutChanged, StockChanged, *SHARED_EVENTS)
_PRESSING_EVENTS: Final = (PhaseChanged, SoldOutChanged)


class Notice(NamedTuple):
    """A shared state of ``path``: its key and its frame, for sockets of at least ``level``."""

    path: str
    level: int
    state: str
    frame: bytes


class News(NamedTuple):
    """What has changed in ``path``, for sockets of at least ``level``: whoever has heard all before is told ``frames``,
    in one write, the others ``states``, (frame, key) each, which do not build on what was told before."""

    path: str
    level: int
    frames: list[bytes]
    states: list[tuple[bytes, str | None]]


class _Form(NamedTuple):
    """A notice but for the time, which stands between ``head`` and ``tail``; no ``tail``: there is none in it."""

    path: str
    level: int
    state: str
    head: bytes
    tail: bytes | None

    def at(self, now_ms: int) -> Notice:
        """The notice of this time."""
        frame = self.head if self.tail is None else b"%b%d%b" % (self.head, now_ms, self.tail)
        return Notice(self.path, self.level, self.state, frame)


class Board:
    """The shared states of one experience, and how long a wait is. ``pressing``: something changed that everybody is to
    know at once. ``turn`` is held by whoever tells what `changed` has given, so that the newest is told last."""

    def __init__(self, replica: Replica, people: People, kinds: Kinds) -> None:
        self._replica = replica
        self._people = people
        self._kinds = kinds
        self._heard = Heard()
        self._heard_promptly = Heard()
        self.pressing = False
        self.turn = asyncio.Lock()
        self._stale = True
        self._prompt_stale = False
        self._outage = False
        self._due_ms: int | None = None
        self._estimates: dict[str, tuple[int, Estimate]] = {}
        self._forms: dict[tuple[str, bool], tuple[str, int | None, list[_Form]]] = {}
        self._encoded: dict[str, tuple[Shared, _Form]] = {}
        self._views: dict[tuple[str, int, bool], tuple[int, msgspec.Raw]] = {}

    def of_path(self, path_id: str, now_ms: int, *, outage: bool, only: Set[str] | None = None) -> list[Notice]:
        """All states of a path as they are now, or ``only`` those of these keys, for somebody who is told them: what
        they hear is noted."""
        entry_id, until_ms, forms = self._forms.get((path_id, outage), ("", None, []))
        if entry_id != self._replica.entry_id or (until_ms is not None and now_ms >= until_ms):
            states, prompt = self._states(path_id, now_ms, outage), self._prompt_states(path_id, now_ms)
            forms = [self._form(path_id, state, frame) for state, frame in (states | prompt).items()]
            self._forms[path_id, outage] = (self._replica.entry_id, self._changes_at(path_id, now_ms), forms)
            self._heard.told_one(path_id, states)
            self._heard_promptly.told_one(path_id, prompt)
        return [form.at(now_ms) for form in forms if only is None or form.state in only]

    def changed(self, now_ms: int, *, outage: bool) -> list[News]:
        """The states of all paths that are not as each who is here has heard them last; without the prompt ones."""
        due = self._due_ms is not None and now_ms >= self._due_ms
        if not (self._stale or due or self._heard.uneven) and outage == self._outage:
            return []
        self._stale, self.pressing, self._outage = False, False, outage
        self._forms.clear()
        news: list[News] = []
        for path_id in self._replica.paths:
            news += self._news(path_id, self._heard, self._states(path_id, now_ms, outage), now_ms)
        self._heard.all_told(self._replica.paths)
        instants = (self._changes_at(path_id, now_ms) for path_id in self._replica.paths)
        self._due_ms = min((instant for instant in instants if instant is not None), default=None)
        return news

    @property
    def is_prompted(self) -> bool:
        """Whether something changed that does not wait for the round: maybe a prompt state since `changed_promptly`."""
        prompt = self._prompt_stale and any(self._kinds.of(path).PROMPT for path in self._replica.paths.values())
        return self.pressing or prompt

    def changed_promptly(self, now_ms: int) -> list[News]:
        """The same as `changed`, of the prompt states alone."""
        self._prompt_stale = False
        self._forms.clear()
        news: list[News] = []
        for path_id in self._replica.paths:
            news += self._news(path_id, self._heard_promptly, self._prompt_states(path_id, now_ms), now_ms)
        self._heard_promptly.all_told(self._replica.paths)
        return news

    def _news(self, path_id: str, heard: Heard, states: States, now_ms: int) -> Iterator[News]:
        """What to tell of ``states``, of which ``heard`` knows what is news: all in one where it is not too long."""
        before = heard.told_all(path_id, states)
        changed = {key: states[key] for key in before}
        of_kind = [(before[key], frame) for key, frame in changed.items() if isinstance(frame, KindState)]
        brief = self._kinds.of(self._replica.paths[path_id]).brief(of_kind) if of_kind else None
        news = News(path_id, self.level_of(path_id), [], [])
        behind: list[tuple[bytes, str | None]] = []
        for key, frame in changed.items():
            text = self._form(path_id, key, frame).at(now_ms).frame
            if brief is not None and isinstance(frame, KindState):
                behind.append((text, key))
                continue
            if news.frames and sum(map(len, news.frames)) + len(text) > TOGETHER_BYTES_MAX:
                yield news
                news = News(path_id, news.level, [], [])
            news.frames.append(text)
            news.states.append((text, key))
        if brief is not None:
            news.frames.append(codec.encode_frame(structs.replace(brief, now=now_ms)))
            news.states.extend(behind)
        if news.frames:
            yield news

    def _changes_at(self, path_id: str, now_ms: int) -> int | None:
        return self._kinds.of(self._replica.paths[path_id]).changes_at(self._replica.paths[path_id], now_ms)

    def experience(self, level: int, now_ms: int, *, outage: bool) -> msgspec.Raw:
        """The public view for consumers of ``level``, encoded: the same for all who come between two entries."""
        key = (self._replica.entry_id, level, outage)
        at, view = self._views.get(key, (now_ms - VIEW_MS, None))
        if view is None or not 0 <= now_ms - at < VIEW_MS:
            if len(self._views) >= VIEWS_MAX:
                self._views.clear()
            view = msgspec.Raw(_json.encode(told.experience_view(self._replica, level, now_ms, outage=outage)))
            self._views[key] = (now_ms, view)
        return view

    def position(self, path_id: str, ahead: int, now_ms: int, why: str | None, *, outage: bool) -> bytes:
        """The frame for one with ``ahead`` before them, or with no place."""
        if ahead == NO_PLACE:
            return self._crowd(path_id, now_ms)
        eta = None if outage else self._estimate(path_id, now_ms).interval(ahead)
        return self._position(path_id, ahead, eta, now_ms, why)

    def positions(
        self, path_id: str, aheads: NDArray[np.int32], now_ms: int, why: str | None, *, outage: bool
    ) -> list[bytes]:
        """The frames of many: one is encoded, and the others differ from it in three numbers; those who have no place
        are told the same."""
        placed = aheads != NO_PLACE
        if not placed.all():
            crowd, others = self._crowd(path_id, now_ms), aheads[placed]
            frames = iter(self.positions(path_id, others, now_ms, why, outage=outage) if len(others) else ())
            return [next(frames) if has_one else crowd for has_one in placed.tolist()]
        intervals = None if outage else self._estimate(path_id, now_ms).intervals(aheads)
        eta = None if intervals is None else (_LOW, _HIGH)
        form = self._position(path_id, _AHEAD, eta, now_ms, why).replace(b"%", b"%%")
        form = form.replace(b'"ahead":%d' % _AHEAD, b'"ahead":%d').replace(b"[%d,%d]" % (_LOW, _HIGH), b"[%d,%d]")
        if intervals is None:
            return [form % ahead for ahead in aheads.tolist()]
        return [form % numbers for numbers in zip(aheads.tolist(), *intervals, strict=True)]

    def _position(self, path_id: str, ahead: int, eta: tuple[int, int] | None, now_ms: int, why: str | None) -> bytes:
        frame = PositionFrame(
            path=path_id,
            ahead=ahead,
            of=self._replica.paths[path_id].roster.waiting,
            eta=eta,
            rate=self._estimate(path_id, now_ms).shown,
            now=now_ms,
            why=UNSET if why is None else why,
        )
        return codec.encode_frame(frame)

    def _crowd(self, path_id: str, now_ms: int) -> bytes:
        """What whoever has no place is told: how many are there."""
        return codec.encode_frame(
            PositionFrame(path=path_id, of=self._replica.paths[path_id].roster.waiting, now=now_ms)
        )

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
        shared = isinstance(event, _SHARED_EVENTS)
        self._stale = self._stale or shared
        self._prompt_stale = self._prompt_stale or shared or isinstance(event, PROMPTING_EVENTS)
        self.pressing = self.pressing or isinstance(event, _PRESSING_EVENTS)
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
                    self._configured(settings, now_ms)
            case WriterChanged():
                for one in paths:
                    self._measure_from(one, now_ms, None)

    def _configured(self, settings: Path, now_ms: int) -> None:
        path = self._replica.paths.get(settings.id)
        if path is None:
            self._heard.comes(settings.id)
            self._heard_promptly.comes(settings.id)
        elif path.settings.distribution != settings.distribution:
            self._measure_from(settings.id, now_ms, "rate_changed")

    def _measure_from(self, path_id: str, now_ms: int, why: str | None) -> None:
        seats = self._people.seats(path_id)
        seats.since_ms = now_ms
        self._estimates.pop(path_id, None)
        if why is not None:
            seats.pacing.stir(why)

    def _states(self, path_id: str, now_ms: int, outage: bool) -> States:
        """By key, without the prompt ones; instead of the time they have a mark for it."""
        path = self._replica.paths[path_id]
        states: dict[str, Shared] = {f"phase {path_id}": told.phase(path, now_ms, outage=outage)}
        for stock in told.stocks(self._replica, path_id):
            states[f"stock {path_id} {stock.product} {stock.variant}"] = stock
        if path.was_sold_out:
            states[f"sold_out {path_id}"] = told.sold_out(path, now_ms)
        if not self._kinds.of(path).PROMPT:
            states |= self._kinds.of(path).states(path, now_ms)
        return {key: _timeless(frame) for key, frame in states.items()}

    def _prompt_states(self, path_id: str, now_ms: int) -> States:
        path = self._replica.paths[path_id]
        kind = self._kinds.of(path)
        return {key: _timeless(frame) for key, frame in kind.states(path, now_ms)} if kind.PROMPT else {}

    def _form(self, path_id: str, state: str, frame: Shared) -> _Form:
        """The encoded form of a timeless ``frame``, made when it is another than the last one of its key."""
        known, form = self._encoded.get(state, (None, None))
        level = self.level_of(path_id)
        if form is None or known != frame or form.level != level:
            head, field, tail = codec.encode_frame(frame).partition(_NOW_FIELD + b"%d" % _NOW)
            form = _Form(path_id, level, state, head + _NOW_FIELD if field else head, tail if field else None)
            self._encoded[state] = (frame, form)
        return form

    def level_of(self, path_id: str) -> int:
        """From which level on a path is seen."""
        settings = self._replica.paths[path_id].settings
        return LEVELS.index(settings.min_level) if settings.hidden else 0


def _timeless(frame: Shared) -> Shared:
    return frame if isinstance(frame, StockFrame) else structs.replace(frame, now=_NOW)
