"""Random workloads over the kinds of distributions: paths that feed one another, and whoever joins, claims and chooses.

Like ``workload``, whose words they share; ``Words`` of the kinds are added there, so a seed here is a workload of its
own. Two paths are queues or timed releases, the third is a waitlist, attached to the first or alone.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.commands import Credentials
from protocol.documents import Experience as Document
from tests.engine import workload
from tests.engine.stage import ACTOR, START_MS, Stage, configure
from tests.engine.workload import CHECKOUT_WORDS, Act, Workload
from tests.support.samples import consumer, document, raw_product, raw_variant

PATHS = ("general", "vip", "waitlist")
KIND_WORDS = (*("claim",) * 8, *("offer", "choose", "credentials", "code") * 2, "decline", "decline")
WORDS = (*workload.WORDS, *KIND_WORDS * 4)
CODE = "OPEN"
AUDIENCE = "members"


class KindsWorkload(Workload):
    """A document with three paths, and some seconds of things happening."""

    WORDS = WORDS

    def commands_of(self, act: Act, stage: Stage) -> list[c.Command]:
        path = PATHS[act.which % 3]
        if act.word in KIND_WORDS and act.word != "decline":
            return [_of_kinds(act, path, stage)]
        if act.word == "configure":
            return [configure(self._changed(stage, act))]
        if act.word in CHECKOUT_WORDS:
            return workload.commands_of(act, stage)
        return [_in_path(command, path) for command in workload.commands_of(act, stage)]

    def _document(self) -> Document:
        chance = self._chance
        stock = {one: self._maybe(0.7, 0, 1, 3, 6) for one in ("a", "b")}
        products = [raw_product(*(raw_variant(one, stock=left) for one, left in stock.items()))]
        products = products if chance.random() < 0.8 else []
        paths = [self._main_path(path_id) for path_id in PATHS[:2]] + [self._waitlist()]
        if not products:
            paths = [path | {"product_selection": "checkout"} for path in paths]
        over_all = {"release_rate_per_minute": self._maybe(0.3, 60, 600), "max_active": self._maybe(0.2, 2, 5)}
        over_all["one_path"] = chance.random() < 0.2
        chance.shuffle(paths)
        return document(paths=paths, products=products, **over_all)

    def _main_path(self, path_id: str) -> dict[str, Any]:
        raw = self._path(path_id)
        if self._chance.random() < 0.6:
            terms = raw["distribution"]
            del terms["capacity"]
            terms |= {"kind": "timed_release", "limit": self._maybe(0.4, 1, 3, 7)}
            if self._chance.random() < 0.5:
                del terms["release_rate_per_minute"]
                terms["burst_rate_per_minute"] = self._maybe(0.7, 60, 600, 6_000)
        if raw.get("opens_at") is not None:
            raw["lobby_opens_at"] = self._maybe(0.7, START_MS + 100)
        return raw | self._entry()

    def _waitlist(self) -> dict[str, Any]:
        chance = self._chance
        strategy = chance.choice(("one_by_one", "batch", "all"))
        terms = {
            "kind": "waitlist",
            "strategy": strategy,
            "batch": chance.choice((1, 2, 5)) if strategy == "batch" else None,
            "order": "arrival" if strategy == "all" else chance.choice(("arrival", "arrival", "lottery")),
            "claim_window_seconds": chance.choice((1, 2, 30)),
            "checkout_window_seconds": chance.choice((1, 2)),
            "capacity": self._maybe(0.2, 4),
            "max_active": self._maybe(0.2, 1, 2),
            "max_admissions": self._maybe(0.1, 3),
            "release_rate_per_minute": self._maybe(0.3, 60, 600),
        }
        fields: dict[str, Any] = {"closes_at": self._maybe(0.2, START_MS + 3_000)}
        fields["attached_to"] = chance.choice(("general", "general", None))
        return {"id": "waitlist", "distribution": terms} | fields | self._entry()

    def _entry(self) -> dict[str, Any]:
        """Who may come in, and what they may choose."""
        chance = self._chance
        code = {"code": CODE, "max_uses": self._maybe(0.5, 1, 5), "expires_at": self._maybe(0.3, START_MS + 2_000)}
        return {
            "product_selection": chance.choice(("checkout", "checkout", "consumer", "system")),
            "access_code": code if chance.random() < 0.15 else None,
            "audience": AUDIENCE if chance.random() < 0.15 else None,
        }

    def _changed(self, stage: Stage, act: Act) -> Document:
        """Another document of the same kind, with the same paths in another order or with other settings."""
        told = stage.core.document
        assert told is not None, "a stage is configured"
        return told if act.who % 3 == 0 else type(self)(100 + act.who * 6 + act.which).document


def _of_kinds(act: Act, path: str, stage: Stage) -> c.Command:
    who, variant = consumer(act.who), ("", "a", "b", "z")[act.who % 4]
    brought = Credentials((AUDIENCE,) if act.who % 3 else (), CODE if act.who % 2 else "SHUT", variant)
    offers = stage.core.paths[path].offers.open if path in stage.core.paths else {}
    offer = next(iter(offers.values())).offer if offers and act.who % 5 == 0 else b""
    kinds: dict[str, c.Command] = {
        "claim": c.Claim(who, path, credentials=brought if act.who % 2 else None, offer=offer),
        "offer": c.Offer(ACTOR, "", path, act.who % 4),
        "choose": c.Choose(who, path, variant),
        "credentials": c.Join(who, path, credentials=brought),
        "code": c.EnterCode(who, credentials=brought),
    }
    return kinds[act.word]


def _in_path(command: c.Command, path: str) -> c.Command:
    """The same command about another path, where it names one."""
    return workload.about(command, path) if getattr(command, "path", "") else command
