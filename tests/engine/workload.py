"""Random workloads for the core: documents that meter in every way, and what people and merchants do to them.

A seed is a workload: ``Workload(7)`` is the same on every machine, so the seed in the name of a failed test is all that
is needed to see it again. An ``Act`` is a word and two small numbers; ``commands_of`` makes of it the commands that fit
what is there at that instant (the checkout acts choose among the open windows).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, ClassVar, NamedTuple

from msgspec import structs

from protocol import commands as c
from protocol.documents import Experience as Document
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage, configure
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

PATHS = ("general", "vip")
CONSUMERS = 14
RATES = (600, 60, 1_000, 6_000, 7, 60_000, 0)
GAPS_MS = (0, 0, 1, 3, 9, 50, 99, 100, 101, 333, 700, 999, 1_000)
OUTAGES_MS = (400, 1_000, 1_001, 2_500, 5_001)
CHECKOUT: dict[str, Callable[[str, str, bytes], c.Command]] = {
    "redeem": c.Redeem,
    "complete": c.Complete,
    "release": c.Release,
    "extend": c.Extend,
}
JOIN_WORDS = ("join", "join", "join", "any")
CONSUMER_WORDS = (*JOIN_WORDS * 3, "implicit", "leave", "decline", "rejoin", "rejoin", "attach")
METERING_WORDS = ("admit", "rate", "caps", "over_all", "stock")
STEERING_WORDS = ("refuse", "pause", "resume", "resume", "open", "open", "close", "end", "configure", "configure")
CHECKOUT_WORDS = tuple(CHECKOUT)
WORDS = (*CONSUMER_WORDS * 4, *CHECKOUT_WORDS * 4, *METERING_WORDS * 2, *STEERING_WORDS)


class Act(NamedTuple):
    """``who`` is a consumer, a ticket or a size; ``which`` chooses the path, the window or the value."""

    word: str
    who: int
    which: int


class Moment(NamedTuple):
    """``acts`` happen together, ``gap_ms`` after what came before; ``outage``: nobody wrote meanwhile."""

    gap_ms: int
    outage: bool
    acts: list[Act]


class Workload:
    """A document with two queues, and some seconds of things happening. ``words`` may be fewer than all."""

    WORDS: ClassVar[tuple[str, ...]] = WORDS

    def __init__(self, seed: int, words: tuple[str, ...] = ()) -> None:
        self._chance = Random(seed)
        self._words = words or self.WORDS
        self.document = self._document()
        self.moments = [self._moment(number) for number in range(self._chance.randint(10, 40))]

    def act(self) -> Act:
        """One thing that somebody does."""
        chance = self._chance
        return Act(chance.choice(self._words), chance.randrange(CONSUMERS), chance.randrange(6))

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        """The commands that this act comes to now; none where there is nothing to do it to."""
        return commands_of(act, stage)

    def _moment(self, number: int) -> Moment:
        chance = self._chance
        if chance.random() < 0.06:
            return Moment(chance.choice(OUTAGES_MS), True, [])
        rush = [Act("join", chance.randrange(CONSUMERS), chance.randrange(6)) for _ in range(6 if number < 3 else 0)]
        return Moment(chance.choice(GAPS_MS), False, rush + [self.act() for _ in range(chance.randrange(5))])

    def _maybe(self, likely: float, *values: int) -> int | None:
        return self._chance.choice(values) if self._chance.random() < likely else None

    def _document(self) -> Document:
        chance = self._chance
        paths = [self._path(path_id) for path_id in PATHS]
        products = []
        if chance.random() < 0.6:
            variants = [raw_variant(one, stock=self._maybe(0.7, 0, 1, 3, 6)) for one in ("a", "b")]
            products = [raw_product(*variants)]
            for path in paths:
                path["variants"] = chance.choice((["a"], ["a", "b"], ["b"]))
        over_all = {
            "release_rate_per_minute": self._maybe(0.3, 60, 600, 3_000),
            "max_active": self._maybe(0.2, 2, 5),
            "max_admissions": self._maybe(0.1, 5),
        }
        return document(paths=paths, products=products, **over_all)

    def _path(self, path_id: str) -> dict[str, Any]:
        chance = self._chance
        terms = {
            "release_rate_per_minute": chance.choice(RATES),
            "burst_ms": chance.choice((1, 250, 1_000)),
            "max_active": self._maybe(0.3, 1, 2, 4),
            "max_admissions": self._maybe(0.1, 3),
            "capacity": self._maybe(0.2, 4),
            "checkout_window_seconds": chance.choice((1, 2)),
            "payment_grace_seconds": chance.choice((0, 1)),
        }
        fields = {
            "priority": chance.choice((0, 0, 10)),
            "keep_place_once": chance.random() < 0.75,
            "joins_per_consumer": chance.choice((1, 1, 2)),
            "opens_at": self._maybe(0.2, START_MS + 300),
            "closes_at": self._maybe(0.2, START_MS + 3_000),
        }
        return raw_path(path_id, distribution=terms, **fields)


def commands_of(act: Act, stage: Stage) -> list[c.Command]:
    """The commands that this act comes to now; none where there is nothing to do it to."""
    path = PATHS[act.which % 2]
    if act.word in CONSUMER_WORDS:
        return [_consumers(act.word, consumer(act.who), path)]
    if act.word in CHECKOUT:
        found = open_window(act, stage)
        return [] if found is None else [CHECKOUT[act.word](SHOP, "", stage.admission(found[1], found[0]))]
    if act.word == "configure":
        return [configure(_changed(stage, act))]
    return _merchants(act, path)


def about(command: c.Command, path: str) -> c.Command:
    """The same command, in ``path``."""
    return structs.replace(command, path=path)


def open_window(act: Act, stage: Stage) -> tuple[str, int] | None:
    """(path, ticket) of the window that a checkout act is about, or None while none is open."""
    found = [(path_id, ticket) for path_id, path in stage.core.paths.items() for ticket in path.windows.open]
    return found[(act.who * 7 + act.which) % len(found)] if found else None


def _consumers(word: str, who: bytes, path: str) -> c.Command:
    kinds: dict[str, c.Command] = {
        "join": c.Join(who, path),
        "implicit": c.Join(who, path, implicit=True),
        "any": c.Join(who),
        "leave": c.Leave(who, path),
        "decline": c.Decline(who, path),
        "rejoin": c.Rejoin(who, path),
        "attach": c.Attach(who),
    }
    return kinds[word]


def _merchants(act: Act, path: str) -> list[c.Command]:
    cap = (None, 0, 1, 2, 4)[act.who % 5]
    limits = {
        "rate": c.Limits(release_rate_per_minute=RATES[act.who % len(RATES)]),
        "caps": c.Limits(max_active=cap) if act.which < 3 else c.Limits(max_admissions=cap),
        "over_all": c.Limits(release_rate_per_minute=(None, 0, 60, 600, 6_000)[act.who % 5]),
    }
    if act.word in limits:
        return [c.SetReleaseRate(ACTOR, "", "" if act.word == "over_all" else path, limits[act.word])]
    kinds: dict[str, c.Command] = {
        "admit": c.AdmitNow(ACTOR, "", path, 1 + act.who % 3),
        "refuse": c.RefuseTicket(ACTOR, "", path, act.who, ""),
        "stock": c.SetStock(ACTOR, "", "ab"[act.which % 2], add=act.who - 5),
        "pause": c.Pause(ACTOR, "", path),
        "resume": c.Resume(ACTOR, "", path),
        "open": c.Open(ACTOR, "", path),
        "close": c.Close(ACTOR, "", path),
        "end": c.End(ACTOR, "", path),
    }
    return [kinds[act.word]]


def _changed(stage: Stage, act: Act) -> Document:
    """The document with something else in it; at times without the second path, or with what is in use changed."""
    told = stage.core.document
    assert told is not None, "a stage is configured"
    terms = {
        "release_rate_per_minute": RATES[act.who % len(RATES)],
        "checkout_window_seconds": 1 + act.who % 3,
        "burst_ms": (1, 500, 1_000)[act.who % 3],
    }
    fields = {"priority": act.who, "closes_at": (None, None, START_MS + 2_000)[act.who % 3]}
    kept = PATHS[: 1 + (act.which > 0)]
    sold = [one.id for product in told.products for one in product.variants]
    variants = sold[: 1 + act.which % 2]
    paths = [raw_path(path_id, distribution=terms, **fields, variants=variants) for path_id in kept]
    products = [raw_product(*(raw_variant(one, stock=5 + act.who) for one in sold))] if sold else []
    return document(paths=paths, products=products)
