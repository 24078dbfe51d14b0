"""Random workloads over draws: two of them, with a waitlist that takes what nobody in reserve would.

Like ``workload``, whose words they share. Time is short: entries close within a second, so most of a workload is the
draw and what becomes of its winners.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.documents import Experience as Document
from tests.engine import workload
from tests.engine.stage import ACTOR, START_MS, Stage, configure
from tests.engine.workload import PATHS, Act, Workload
from tests.support.beacons import REAL
from tests.support.samples import consumer, document, raw_product, raw_variant

DRAW_WORDS = (*("enter",) * 8, *("draw", "beacon", "beacon") * 2, "invented", "choose")
WORDS = (*workload.WORDS, *DRAW_WORDS * 4, *("rejoin",) * 12)
BEACON = REAL["quicknet"]


class DrawsWorkload(Workload):
    """A document with two draws, and some seconds of things happening."""

    WORDS = WORDS

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        if act.word in DRAW_WORDS:
            return [_of_draws(act, PATHS[act.which % 2])]
        if act.word == "configure":
            told = stage.core.document if act.who % 3 == 0 else DrawsWorkload(100 + act.who * 6 + act.which).document
            assert told is not None, "a stage is configured"
            return [configure(told)]
        return workload.commands_of(act, stage)

    def _document(self) -> Document:
        chance = self._chance
        stock = {one: self._maybe(0.7, 0, 1, 3, 6) for one in ("a", "b")}
        products = [raw_product(*(raw_variant(one, stock=left) for one, left in stock.items()))]
        products = products if chance.random() < 0.7 else []
        paths = [self._draw(path_id) for path_id in PATHS]
        if chance.random() < 0.5:
            terms = {"kind": "waitlist", "claim_window_seconds": 1, "checkout_window_seconds": 1}
            paths.append({"id": "waitlist", "distribution": terms, "attached_to": "general"})
        if not products:
            paths = [path | {"product_selection": "checkout"} for path in paths]
        chance.shuffle(paths)
        return document(paths=paths, products=products)

    def _draw(self, path_id: str) -> dict[str, Any]:
        chance = self._chance
        closes_at = START_MS + chance.choice((300, 900, 1_500))
        draw_at = self._maybe(0.6, closes_at, closes_at + 1, closes_at + 400)
        winners = chance.choice((1, 2, 4, 20))
        terms = {
            "kind": "draw",
            "winner_count": winners,
            "closes_at": closes_at,
            "draw_at": draw_at,
            "redraw_until": self._maybe(0.3, closes_at + 401, closes_at + 1_500, closes_at + 2_500),
            "backfill": chance.random() < 0.8,
            "capacity": self._maybe(0.2, 4),
            "release_rate_per_minute": self._maybe(0.5, 60, 600, 6_000),
            "max_active": self._maybe(0.2, 1, 2),
            "max_admissions": self._maybe(0.1, winners, winners + 3),
            "beacon": {"source": BEACON.source, "round": BEACON.round} if chance.random() < 0.4 else None,
            "checkout_window_seconds": 1,
            "payment_grace_seconds": chance.choice((0, 1)),
        }
        selection = chance.choice(("checkout", "checkout", "consumer", "system"))
        fields = {"priority": chance.choice((0, 10)), "opens_at": self._maybe(0.2, START_MS + 50)}
        return {"id": path_id, "distribution": terms, "product_selection": selection} | fields


def _of_draws(act: Act, path: str) -> c.Command:
    who, signature = consumer(act.who), bytes.fromhex(BEACON.signature)
    given = bytes.fromhex(BEACON.randomness)
    kinds: dict[str, c.Command] = {
        "enter": c.Join(who, path, hats=1 + act.who % 3),
        "draw": c.Draw(ACTOR, "", path),
        "beacon": c.DrawBeacon(ACTOR, "", path, BEACON.source, BEACON.round, given, signature),
        "invented": c.DrawBeacon(ACTOR, "", path, BEACON.source, BEACON.round, bytes(32), signature),
        "choose": c.Choose(who, path, ("a", "b", "z")[act.which % 3]),
    }
    return kinds[act.word]
