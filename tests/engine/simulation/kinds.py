"""The kinds of distributions in the simulated world: what an experience has beside queues, and what is asked of that.

A seed with kinds has three paths: a queue, a queue or a timed release, and a third of any kind, a waitlist most often.
Words that fit no path are asked all the same: a "no" is an answer, and changes nothing.

Hands over to: ``people.py``, which asks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from protocol import commands as c
from protocol.distributions import kind_of
from protocol.documents import Experience as Document
from protocol.kinds.appointment import AppointmentReplica
from protocol.path_replica import PathReplica
from tests.engine.simulation.plan import Step
from tests.engine.simulation.world import BEGAN_MS

PATHS = ("general", "vip", "third")
OTHERS = ("vip", "third")
"""They may be, or become, something else than a queue."""
THIRD = ("waitlist",) * 4 + ("timed_release", "draw", "english", "dutch", "appointment")
MERCHANT_WORDS = ("offer", "draw", "check_in", "no_show", "cancel_booking")
SLOTS = tuple(f"20270115T08{minute:02}00Z" for minute in range(6))
"""They begin with the world: one of them is over as soon as it is there."""


SLOT_KINDS = ("appointment",)
TAKEN_BY = {
    **dict.fromkeys(("hold", "book", "reschedule", "cancel", "check_in", "no_show", "cancel_booking"), SLOT_KINDS),
    **{"claim": ("timed_release", "waitlist", "auction"), "bid": ("auction",), "offer": ("waitlist",)},
    "draw": ("draw",),
}
"""By word, the kinds that take it."""


def with_kinds(paths: list[dict[str, Any]], chance: Random) -> list[dict[str, Any]]:
    """The queues ``paths``, decoded JSON, with what else a seed with kinds has."""
    general, *others = paths
    if chance.random() < 0.7:
        quick = {"release_rate_per_minute": 60_000, "max_active": None, "max_admissions": None}
        general = general | {"distribution": general["distribution"] | quick}
    vip = [_timed_release(path, chance) if chance.random() < 0.5 else path for path in others]
    kind = chance.choice(THIRD)
    third: dict[str, Any] = {"id": "third", "min_level": "guest", "variants": ["b"]}
    third["distribution"] = _terms(kind, chance)
    if kind == "waitlist":
        third |= {"attached_to": chance.choice(("general", "general", None)), "variants": general["variants"]}
    if kind in ("timed_release", "waitlist", "appointment"):
        third["closes_at"] = BEGAN_MS + 9_000 if chance.random() < 0.2 else None
    return [general, *vip, third]


def _timed_release(path: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The queue ``path`` as a timed release, at times with a lobby."""
    terms = {name: value for name, value in path["distribution"].items() if name != "capacity"}
    terms |= {"kind": "timed_release", "limit": chance.choice((None, 2, 9))}
    lobby = {} if path.get("opens_at") is None else {"lobby_opens_at": BEGAN_MS + 700}
    return path | {"distribution": terms} | lobby


def _terms(kind: str, chance: Random) -> dict[str, Any]:
    windows = {"checkout_window_seconds": chance.choice((1, 2, 6)), "payment_grace_seconds": chance.choice((0, 1))}
    closes_at = BEGAN_MS + chance.choice((1_500, 4_000))
    prices = {"currency": "EUR", "start_price": "10.00"}
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "waitlist": lambda: _waitlist(chance),
        "timed_release": lambda: {"kind": kind, "limit": chance.choice((None, 5)), "burst_rate_per_minute": 600},
        "draw": lambda: {"kind": kind, "winner_count": chance.choice((1, 3)), "closes_at": closes_at},
        "english": lambda: {
            **{"kind": "auction", "ends_at": BEGAN_MS + 5_000, "quantity": chance.choice((1, 2)), **prices},
            **{"extend_window_seconds": 1, "extend_by_seconds": 1, "max_extensions": 3},
            **{"second_chance": chance.random() < 0.7, "claim_window_seconds": 2},
        },
        "dutch": lambda: {
            **{"kind": "auction", "style": "dutch", "floor_price": "5.00", "drop_amount": "1.00", **prices},
            **{"drop_interval_seconds": 1, "quantity": 2},
        },
        "appointment": lambda: {
            **{"kind": kind, "windows": [{"date": "2027-01-15", "from": "08:00", "to": "08:06"}]},
            **{"duration_minutes": 1, "capacity_per_slot": chance.choice((1, 2)), "hold_seconds": 2},
        },
    }
    return kinds[kind]() | windows


def _waitlist(chance: Random) -> dict[str, Any]:
    strategy = chance.choice(("one_by_one", "batch", "all"))
    return {
        "kind": "waitlist",
        "strategy": strategy,
        "batch": 3 if strategy == "batch" else None,
        "claim_window_seconds": chance.choice((1, 3)),
        "max_active": chance.choice((None, None, 2)),
        "release_rate_per_minute": chance.choice((None, None, 60)),
    }


def path_for(step: Step, told: Document, path: str) -> str:
    """The path that the step's word is about: one that takes it, where there is one, else ``path``."""
    fitting = [one.id for one in told.paths if kind_of(one.distribution) in TAKEN_BY.get(step.word, ())]
    return fitting[step.which % len(fitting)] if fitting else path


def of_consumer(step: Step, who: bytes, path: str) -> c.Command | None:
    """What the step's word asks for a consumer, or None where it is no such word."""
    slot = SLOTS[step.size % len(SLOTS)]
    kinds: dict[str, Callable[[], c.Command]] = {
        "claim": lambda: c.Claim(who, path, price=1_000 if step.size % 2 else None),
        "bid": lambda: c.PlaceBid(who, path, maximum=1_000 + 100 * (step.size % 30), id=f"{step.at_ms}/{step.who}"),
        "hold": lambda: c.Hold(who, path, slot=slot),
        "book": lambda: c.Book(who, path, slot=slot if step.size % 3 else ""),
        "reschedule": lambda: c.Reschedule(who, path, slot),
        "cancel": lambda: c.Cancel(who, path),
        "third": lambda: c.Join(who, "third"),
    }
    return kinds[step.word]() if step.word in kinds else None


def of_merchant(step: Step, actor: str, key: str, path: str, known: list[PathReplica]) -> c.Command:
    """What the step's word asks of the merchant; bookings are those that some gateway knows."""
    booked = [one.kind.places.values() for one in known if isinstance(one.kind, AppointmentReplica)]
    codes = [place.confirmation for places in booked for place in places]
    code = codes[step.who % len(codes)] if codes else "NONE"
    kinds: dict[str, Callable[[], c.Command]] = {
        "offer": lambda: c.Offer(actor, key, path, 1 + step.who % 3),
        "draw": lambda: c.Draw(actor, key, path),
        "check_in": lambda: c.CheckIn(actor, key, path, code),
        "no_show": lambda: c.NoShow(actor, key, path, code),
        "cancel_booking": lambda: c.CancelBooking(actor, key, path, code),
    }
    return kinds[step.word]()
