"""What will happen in a run: a list of steps, each with its instant, drawn from the seed. A step may be taken out and
the rest still makes sense; that is how a failing run is made small.

A ``Character`` is what a seed is about: how many machines there are, and which kinds of trouble there will be. Most
kinds are absent from most seeds, because trouble of all kinds at once hides what each kind alone would show.

Hands over to: ``people.py`` (the words of people and merchants), ``faults.py`` (the words of trouble).
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import NamedTuple

from protocol.streams import shard_of

JOIN_WORDS = (*("join",) * 10, "newcomer", "newcomer", "any", "implicit")
CONSUMER_WORDS = (*JOIN_WORDS, *("leave", "decline", "rejoin") * 3, "attach")
CHECKOUT_WORDS = ("redeem", "complete", "complete", "release", "extend")
METERING_WORDS = ("admit", "rate", "caps", "over_all", "stock")
STEERING_WORDS = ("refuse", "pause", "resume", "resume", "open", "open", "close", "end", "put", "notice", "again")
CLAIM_WORDS = (*("claim",) * 12, *("offer",) * 2, *("third",) * 6)
DRAW_WORDS = (*("enter",) * 12, *("withdraw",) * 5, "draw", *("beacon",) * 3)
SLOT_WORDS = (*("hold", "book", "book", "cancel", "reschedule", "pay") * 3, "check_in", "no_show", "cancel_booking")
KIND_WORDS = (*CLAIM_WORDS, *DRAW_WORDS, *("bid",) * 14, *SLOT_WORDS, "choose", *("code",) * 3)
WORDS = (*CONSUMER_WORDS * 3, *CHECKOUT_WORDS * 4, *METERING_WORDS * 2, *STEERING_WORDS)

TROUBLES = {
    "kill": ("kill",) * 6,
    "term": ("term",) * 3,
    "stop": ("stop",) * 4,
    "children": ("child",) * 3,
    "rot": ("rot", "rivals") * 3,
    "rivals": ("rivals",) * 3,
    "counter": ("wipe_epoch", "rivals"),
    "gateways": ("gateway_kill",) * 3,
    "engine_links": ("engine_trouble",) * 4,
    "gateway_links": ("gateway_trouble",) * 4,
    "store_down": ("store_down",) * 2,
    "failover": ("failover",) * 3,
    "read_only": ("read_only",) * 2,
    "walls": ("jump_wall",) * 3,
    "steady": ("jump_steady",) * 2,
    "silence": ("silence",),
    "lost_take_overs": ("lost_take_over",) * 4,
    "lost_commands": ("lost_commands",) * 3,
    "poison": ("poison",) * 4,
    "late_pairs": ("late_pair",) * 6,
    "lost_pairs": ("lost_pair",) * 6,
}
"""By kind, the words that a run with this kind of trouble is given."""

LENGTH_MS_MIN, LENGTH_MS_MAX = 4_000, 10_000
STEPS_MIN, STEPS_MAX = 40, 160
RUSH_MS = 300
LIKELY = {"silence": 0.005}
LIKELY_OTHERS = 0.3
COLD_EVERY = 4
KINDS_EVERY, EVERY_KIND_EVERY = 3, 9
CALM_LIKELY = 0.05
EVERY = {"lost_take_overs": 5, "lost_commands": 7, "poison": 11, "late_pairs": 13, "lost_pairs": 17}
"""How many seeds have a kind of trouble, by chance or every so manieth; a silence takes long to simulate."""


NEIGHBOUR = next(name for name in map("drop-{}".format, count()) if shard_of(name) == shard_of("drop"))
"""An experience of the same shard as ``drop``: they share a lease and the counter of epochs."""

assert shard_of("other") != shard_of("drop")


class Step(NamedTuple):
    """``word`` at ``at_ms``; the numbers choose whom it is about, where, and how much."""

    at_ms: int
    word: str
    who: int
    which: int
    size: int

    def __str__(self) -> str:
        return f"{self.at_ms:>8} ms  {self.word:<16} who={self.who:<6} which={self.which:<6} size={self.size}"


class Character(NamedTuple):
    """What a seed is about."""

    engines: int
    gateways: int
    experiences: tuple[str, ...]
    troubles: tuple[str, ...]
    lease_ms: int
    small_steps: bool
    """Whether a step takes so few entries that there is often more than it takes."""
    standby: str
    snapshot_entries: int
    """After so many entries a snapshot is due."""
    archives: bool
    """Whether every log has a registered reader."""
    reader_behind_entries: int
    """So far behind it is struck out."""
    kinds: bool = False
    """Whether there are other distributions than queues."""
    every_kind: bool = False
    """Whether each of them is in every experience."""


class Plan(NamedTuple):
    """A run: everything in it follows from this."""

    seed: int
    character: Character
    steps: tuple[Step, ...]


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = Random(f"plan {seed}")
    character = Character(
        engines=chance.choice((1, 2, 2, 2, 3)),
        gateways=chance.choice((1, 2, 3)),
        experiences=chance.choice((("drop",), ("drop",), ("drop", "other"), ("drop", NEIGHBOUR))),
        troubles=() if chance.random() < CALM_LIKELY else _troubles(seed, chance),
        lease_ms=chance.choice((1_200, 3_000)),
        small_steps=chance.random() < 0.3,
        standby="cold" if seed % COLD_EVERY == 0 else "warm",
        snapshot_entries=chance.choice((6, 12, 25, 60, 1_000_000)),
        archives=chance.random() < 0.3,
        reader_behind_entries=chance.choice((20, 100_000)),
        kinds=seed % KINDS_EVERY == 2,
        every_kind=seed % EVERY_KIND_EVERY == 5,
    )
    length_ms = chance.randrange(LENGTH_MS_MIN, LENGTH_MS_MAX)
    spoken = (*WORDS, *KIND_WORDS * 3) if character.kinds else WORDS
    words = [chance.choice(spoken) for _ in range(chance.randrange(STEPS_MIN, STEPS_MAX))]
    words += [word for kind in character.troubles for word in TROUBLES[kind]]
    steps = [Step(chance.randrange(length_ms), word, *_numbers(chance)) for word in words]
    steps += [Step(chance.randrange(RUSH_MS), "newcomer", *_numbers(chance)) for _ in range(chance.randrange(30))]
    return Plan(seed, character, tuple(sorted(steps)))


def _troubles(seed: int, chance: Random) -> tuple[str, ...]:
    likely = [kind for kind in TROUBLES if kind not in EVERY and chance.random() < LIKELY.get(kind, LIKELY_OTHERS)]
    return (*likely, *(kind for kind, every in EVERY.items() if seed % every == every - 1))


def _numbers(chance: Random) -> tuple[int, int, int]:
    return chance.randrange(1_000), chance.randrange(1_000), chance.randrange(1_000)
