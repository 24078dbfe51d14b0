"""Random workloads of auctions: an English and a Dutch one, or two of the same, and a waitlist that may be attached.

Like ``kinds_workload``, with bids beside claims; maxima lie close together, so that ties, reserves and late bids are
frequent, and the end is never far.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.documents import Experience as Document
from tests.engine import kinds_workload
from tests.engine.kinds_workload import KindsWorkload
from tests.engine.stage import START_MS, Stage
from tests.engine.workload import Act
from tests.support.samples import consumer, document, raw_auction, raw_product, raw_variant

PATHS = kinds_workload.PATHS
BID_WORDS = (*("bid",) * 10, *("take",) * 3)
WORDS = (*kinds_workload.WORDS, *BID_WORDS * 8)
LADDERS = ([("0", "0.01")], [("0", "0.05"), ("1.20", "0.10")])


class AuctionsWorkload(KindsWorkload):
    """A document with two auctions and a waitlist, and some seconds of things happening."""

    WORDS = WORDS

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        if act.word not in BID_WORDS:
            return super().commands_of(act, stage)
        who, path, amount = consumer(act.who), PATHS[act.which % 2], 60 + (act.who * 31 + stage.now_ms * 7) % 140
        if act.word == "take":
            return [c.Claim(who, path, price=amount * 2 if act.who else None)]
        return [c.PlaceBid(who, path, maximum=amount, id=("", f"{amount % 4}")[act.which % 2])]

    def _document(self) -> Document:
        chance = self._chance
        stock = {one: self._maybe(0.5, 0, 1, 3, 6) for one in ("a", "b")}
        products = [raw_product(*(raw_variant(one, stock=left) for one, left in stock.items()))]
        paths = [self._auction("general"), self._auction("vip"), self._waitlist()]
        chance.shuffle(paths)
        return document(paths=paths, products=products, max_active=self._maybe(0.2, 2, 5))

    def _auction(self, path_id: str) -> dict[str, Any]:
        chance = self._chance
        opens_at, quantity = self._maybe(0.3, START_MS + 300), chance.choice((1, 1, 2, 3))
        terms: dict[str, Any] = {
            "start_price": "1.00",
            "quantity": quantity,
            "ends_at": START_MS + chance.choice((1_000, 2_000, 4_000)),
            "checkout_window_seconds": chance.choice((1, 2)),
            "release_rate_per_minute": self._maybe(0.2, 60, 600),
            "max_active": self._maybe(0.2, 1, 2),
            "max_admissions": self._maybe(0.1, quantity, quantity + 1),
        }
        terms |= self._english() if chance.random() < 0.65 else self._dutch()
        raw = raw_auction(path_id, **terms) | {"opens_at": opens_at, "priority": chance.choice((0, 0, 10))}
        if opens_at is not None:
            raw["lobby_opens_at"] = self._maybe(0.5, START_MS + 100)
        return raw | self._entry() | {"joins_per_consumer": chance.choice((1, 1, 2))}

    def _english(self) -> dict[str, Any]:
        chance = self._chance
        return {
            "reserve_price": chance.choice((None, None, "1.00", "1.40")),
            "increments": [{"from": start, "step": step} for start, step in chance.choice(LADDERS)],
            "extend_window_seconds": chance.choice((1, 2)),
            "extend_by_seconds": chance.choice((1, 2)),
            "max_extensions": self._maybe(0.3, 0, 1, 3),
            "second_chance": chance.random() < 0.6,
            "claim_window_seconds": chance.choice((1, 2, 30)),
        }

    def _dutch(self) -> dict[str, Any]:
        chance = self._chance
        return {
            "style": "dutch",
            "start_price": "3.00",
            "floor_price": chance.choice(("0.00", "1.50", "3.00")),
            "drop_amount": chance.choice(("0.40", "1.00")),
            "drop_interval_seconds": chance.choice((1, 2)),
            "ends_at": self._maybe(0.6, START_MS + 4_000),
        }
