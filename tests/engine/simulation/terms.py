"""The settings of the kinds in the simulated world: small, short, and of each sort that the rules of a kind tell apart.

Hands over to: ``people.py``, which puts them into documents; ``tests/engine/recorded``, which wants rare ones.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from protocol.beacons import CHAINS, SOURCE_PREFIX
from tests.engine.simulation.world import BEGAN_MS
from tests.support.beacons import QUICKNET

BEACON = SOURCE_PREFIX + QUICKNET
ROUND = (BEGAN_MS // 1_000 + 120 - CHAINS[QUICKNET].genesis) // CHAINS[QUICKNET].period
"""Of the round that draws name: it begins more than a minute after any of them closes."""
AUDIENCE, CODE = "members", "OPEN"
"""Of whom, and of what, some paths are."""
STARTS = [BEGAN_MS + second * 1_000 for second in (0, 3, 6, 9, 20, 45)]
"""When slots begin: the first of them with the world."""
METHODS = ("timed_release", "draw", "english", "dutch", "appointment")
SECOND = ("queue", *METHODS, "draw", "english", "appointment")
THIRD = ("waitlist",) * 7 + METHODS
FOR_ALL = {"min_level": "guest", "audience": None, "access_code": None, "product_selection": "consumer"}
RARE: dict[str, dict[str, Any]] = {
    "draw": {"backfill": False, "redraw_until": None, "beacon": {"source": BEACON, "round": ROUND}},
    "appointment": {"checkout": True},
    "third": {"strategy": "all", "batch": None, "order": "arrival"},
}
"""By path, terms that together no seed has: a draw of a beacon's round in which nobody moves up, places to be paid for,
and a waitlist that is offered what is free all at once."""


def with_kinds(paths: list[dict[str, Any]], chance: Random) -> list[dict[str, Any]]:
    """The queues ``paths``, decoded JSON, with what else a seed with kinds has."""
    general, *others = paths
    general = _queue(general, chance)
    second = [_path(chance.choice(SECOND), path, chance) for path in others]
    source, method = chance.choice((general, *second, *second, {})), chance.choice(THIRD)
    third = _path(method, {"id": "third", "variants": ["b"]}, chance)
    if method == "waitlist":
        third |= {"attached_to": source.get("id"), "variants": source.get("variants", general["variants"])}
    return [general, *second, third]


def every_kind(paths: list[dict[str, Any]], chance: Random) -> list[dict[str, Any]]:
    """One path of each kind, named by what runs it, and a waitlist for one of them; of ``paths`` the first is kept."""
    general = _queue(paths[0], chance)
    sold = [general]
    for method in METHODS:
        sold.append(_path(method, {"id": method.replace("_", "-"), "variants": ["b"]}, chance))
    source = chance.choice((*sold, *(sold[-1],) * 4))
    waitlist = _path("waitlist", {"id": "third", "variants": source["variants"]}, chance)
    return [*sold, waitlist | {"attached_to": source["id"]}]


def rare_terms(paths: list[dict[str, Any]], chance: Random) -> list[dict[str, Any]]:
    """As ``every_kind``, but of the terms ``RARE``, and everybody may come in everywhere and choose."""
    sold = every_kind(paths, chance)
    return [path | FOR_ALL | {"distribution": path["distribution"] | RARE.get(path["id"], {})} for path in sold]


def _queue(path: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The queue ``path``, often a quick one, at times with a lobby."""
    if chance.random() < 0.7:
        quick = {"release_rate_per_minute": 60_000, "max_active": None, "max_admissions": None}
        path = path | {"distribution": path["distribution"] | quick}
    return path | ({"opens_at": BEGAN_MS + 3_000, "lobby_opens_at": BEGAN_MS + 500} if chance.random() < 0.35 else {})


def _path(method: str, path: dict[str, Any], chance: Random) -> dict[str, Any]:
    """The queue ``path``, or what is known of a path without one, as one of the kind that ``method`` runs."""
    path = path | _door(chance)
    if method == "queue":
        return path
    terms: dict[str, Any] = {
        "checkout_window_seconds": chance.choice((1, 2, 6)),
        "payment_grace_seconds": chance.choice((0, 1)),
        "release_rate_per_minute": chance.choice((None, None, 60, 6_000)),
        "max_active": chance.choice((None, None, None, 2)),
    }
    path = path | {"distribution": terms | _TERMS[method](chance)}
    path["product_selection"] = chance.choice(("checkout", "checkout", "consumer", "system"))
    if method in ("draw", "english", "dutch"):
        path |= {"closes_at": None, "opens_at": chance.choice((None, None, BEGAN_MS + 900))}
    if method in ("timed_release", "dutch") and path.get("opens_at") is not None:
        path["lobby_opens_at"] = BEGAN_MS + 700
    if method in ("waitlist", "appointment"):
        path["closes_at"] = BEGAN_MS + 9_000 if chance.random() < 0.2 else None
    return path


def _door(chance: Random) -> dict[str, Any]:
    """Who may come in: most often everybody."""
    over_at = chance.choice((None, None, BEGAN_MS + 4_000))
    code = {"code": CODE, "max_uses": chance.choice((None, 2, 5)), "expires_at": over_at}
    return {
        "min_level": "registered" if chance.random() < 0.1 else "guest",
        "audience": AUDIENCE if chance.random() < 0.15 else None,
        "access_code": code if chance.random() < 0.25 else None,
    }


def _timed_release(chance: Random) -> dict[str, Any]:
    burst = chance.choice((None, 600))
    return {"kind": "timed_release", "limit": chance.choice((None, 2, 9)), "burst_rate_per_minute": burst}


def _draw(chance: Random) -> dict[str, Any]:
    closes_at = BEGAN_MS + chance.choice((3_000, 4_500, 6_000))
    draw_at = chance.choice((None, closes_at + 1_000, closes_at + 3_000, closes_at + 3_000))
    return {
        "kind": "draw",
        "winner_count": chance.choice((1, 2, 5)),
        "closes_at": closes_at,
        "draw_at": draw_at,
        "backfill": chance.random() < 0.8,
        "redraw_until": chance.choice((None, None, (draw_at or closes_at) + 1_500)),
        "beacon": {"source": BEACON, "round": ROUND} if chance.random() < 0.4 else None,
    }


def _prices(chance: Random) -> dict[str, Any]:
    return {"kind": "auction", "currency": "EUR", "start_price": "10.00", "quantity": chance.choice((1, 2, 3))}


def _english(chance: Random) -> dict[str, Any]:
    return _prices(chance) | {
        "ends_at": BEGAN_MS + chance.choice((3_000, 6_000)),
        "increments": [{"from": "0.00", "step": "1.00"}, {"from": "20.00", "step": "2.00"}],
        "reserve_price": chance.choice((None, None, "18.00")),
        "extend_window_seconds": chance.choice((1, 2)),
        "extend_by_seconds": chance.choice((1, 2)),
        "max_extensions": chance.choice((None, 3)),
        "second_chance": chance.random() < 0.7,
        "claim_window_seconds": 2,
    }


def _dutch(chance: Random) -> dict[str, Any]:
    return _prices(chance) | {
        "style": "dutch",
        "floor_price": chance.choice(("5.00", "8.50")),
        "drop_amount": "1.00",
        "drop_interval_seconds": 1,
        "ends_at": chance.choice((None, BEGAN_MS + 7_000)),
    }


def _appointment(chance: Random) -> dict[str, Any]:
    return {
        "kind": "appointment",
        "windows": [{"date": "2027-01-15", "from": "08:00", "to": "08:06"}],
        "duration_minutes": 1,
        "capacity_per_slot": chance.choice((1, 2)),
        "hold_seconds": chance.choice((1, 2)),
        "checkout": chance.random() < 0.4,
    }


def _waitlist(chance: Random) -> dict[str, Any]:
    strategy = chance.choice(("one_by_one", "batch", "all"))
    return {
        "kind": "waitlist",
        "strategy": strategy,
        "batch": 3 if strategy == "batch" else None,
        "order": "arrival" if strategy == "all" else chance.choice(("arrival", "lottery")),
        "claim_window_seconds": chance.choice((1, 3)),
    }


_TERMS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "timed_release": _timed_release,
    "draw": _draw,
    "english": _english,
    "dutch": _dutch,
    "appointment": _appointment,
    "waitlist": _waitlist,
}
