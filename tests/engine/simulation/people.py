"""Consumers and merchants: what they ask of the gateways, and that they ask again until they are told.

Whoever is told ``engine_away``, or whose gateway died, asks again at another; a merchant then repeats the same
Idempotency-Key. Without a key nothing is asked twice by the merchant.

Hands over to: ``gateways.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from gateway.outgoing import Answer
from protocol import commands as c
from protocol.documents import Experience as Document
from protocol.path_replica import PathReplica
from protocol.refusals import Reason
from tests.engine.simulation import kinds
from tests.engine.simulation.gateways import Gateway, Request
from tests.engine.simulation.plan import Step
from tests.engine.simulation.terms import STARTS
from tests.engine.simulation.world import BEGAN_MS, US_PER_MS, World
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant, with_slots

PATHS = ("general", "vip")
REGULARS = 14
NEWCOMERS_FROM = 1_000
SECRET = bytes(range(32))
KID = "k1"
MERCHANT = "control"
AddKinds = Callable[[list[dict[str, Any]], Random], list[dict[str, Any]]]
"""Makes of the queues of a document, decoded JSON, what else it has (``terms.py``)."""
RATES = (600, 60, 1_000, 6_000, 7, 60_000, 0)
ASK_AGAIN_MS_MAX = 1_000
NOT_YET_TRIES_MAX = 8
CHECKOUT: dict[str, Callable[..., c.Command]] = {
    "redeem": c.Redeem,
    "complete": c.Complete,
    "release": c.Release,
    "extend": c.Extend,
}


class Asked:
    """One thing that somebody wants; ``answer`` is None until they are told."""

    def __init__(self, experience: str, command: c.Command, *, repeats: bool) -> None:
        self.experience = experience
        self.command = command
        self.repeats = repeats
        self.answer: Answer | None = None
        self.chain = b""
        """Of the entry that answered."""
        self.given_up = False
        self.tries = 0

    @property
    def done(self) -> bool:
        return self.answer is not None or self.given_up


class People:
    """Everybody outside. ``asked`` is all that was ever wanted."""

    def __init__(
        self,
        world: World,
        gateways: list[Gateway],
        experiences: list[str],
        add_kinds: AddKinds | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self._world = world
        self._gateways = gateways
        self._experiences = experiences
        self._newcomers = NEWCOMERS_FROM
        self._add_kinds = add_kinds
        self._documents = {one: document_of(one, world.chance, add_kinds=add_kinds) for one in experiences}

    def configure(self) -> None:
        """The merchant puts the documents up."""
        for experience, told in self._documents.items():
            self.want(experience, c.Configure(MERCHANT, self._key(), told, SECRET, KID))

    def drain(self) -> None:
        """The merchant lets everybody in: no limits, no pause, stock without end. The documents were put up before.
        Draws and auctions come to their winners."""
        for experience, told in self._documents.items():
            unlimited = c.Limits(release_rate_per_minute=None, max_active=None, max_admissions=None)
            self.want(experience, c.SetReleaseRate(MERCHANT, self._key(), "", unlimited))
            for variant in (one.id for product in told.products for one in product.variants):
                self.want(experience, c.SetStock(MERCHANT, self._key(), variant))
            for path in told.paths:
                fast = c.Limits(release_rate_per_minute=600_000, max_active=None, max_admissions=None)
                self.want(experience, c.SetReleaseRate(MERCHANT, self._key(), path.id, fast))
                self.want(experience, c.Resume(MERCHANT, self._key(), path.id))
            if self._add_kinds is not None:
                for command in kinds.to_the_end(told, MERCHANT, self._key):
                    self.want(experience, command)

    def end(self) -> None:
        """The merchant ends every path but the queues, where waiting is enough for a turn."""
        for experience, told in self._documents.items():
            for path in told.paths:
                if self._add_kinds is not None and path.id != PATHS[0]:
                    self.want(experience, c.End(MERCHANT, self._key(), path.id))

    def want(self, experience: str, command: c.Command) -> None:
        """Ask until told. A merchant's command without a key is asked once."""
        repeats = not isinstance(command, c.MerchantCommand) or bool(command.key)
        asked = Asked(experience, command, repeats=repeats)
        self.asked.append(asked)
        self._ask(asked)

    def _ask(self, asked: Asked) -> None:
        asked.tries += 1
        gateway = self._gateways[self._world.chance.randrange(len(self._gateways))]
        if not gateway.ask(Request(asked.experience, asked.command, partial(self._hear, asked))):
            self._ask_again(asked)

    def _hear(self, asked: Asked, answer: Answer | None, chain: bytes) -> None:
        if answer is not None and not self._is_temporary(asked, answer):
            asked.answer, asked.chain = answer, chain
        elif asked.repeats:
            self._ask_again(asked)
        else:
            asked.given_up = True

    def _is_temporary(self, asked: Asked, answer: Answer) -> bool:
        """Nobody can do it now. What has kinds is over in seconds: there people wait for what is not configured yet."""
        refusal = answer.refusal
        if refusal is None:
            return False
        waits = self._add_kinds is not None and asked.tries < NOT_YET_TRIES_MAX and "experience" in refusal.detail
        return refusal.reason is Reason.ENGINE_AWAY or waits

    def _ask_again(self, asked: Asked) -> None:
        later_us = self._world.chance.randrange(1, ASK_AGAIN_MS_MAX) * US_PER_MS
        self._world.after(later_us, lambda: self._ask(asked))

    # Words

    def act(self, step: Step) -> None:
        """Do what a step of the plan says."""
        experience = self._experiences[step.size % len(self._experiences)]
        step = kinds.fitting(step, self._documents[experience]) if self._add_kinds is not None else step
        for command in self._commands(step, experience):
            if self._add_kinds is not None:
                command = kinds.bringing(step, command, self._documents[experience])
            self._world.note("people", f"{experience}: {type(command).__name__} {step.who % REGULARS} {step.which}")
            self.want(experience, command)

    def _commands(self, step: Step, experience: str) -> Iterator[c.Command]:
        paths = [path.id for path in self._documents[experience].paths]
        path, who = paths[step.which % len(paths)], consumer(step.who % REGULARS)
        if self._add_kinds is not None:
            path = kinds.path_for(step, self._documents[experience], path)
            fixed = [one for one in paths if any(map(kinds.is_fixed, self._known(experience, one)))]
            path = fixed[step.which % len(fixed)] if fixed and step.word == "withdraw" else path
            who = self._insider(step, experience, path) or who
        consumers: dict[str, c.Command] = {
            "join": c.Join(who, path),
            "any": c.Join(who),
            "implicit": c.Join(who, path, implicit=True),
            "leave": c.Leave(who, path),
            "decline": c.Decline(who, path),
            "rejoin": c.Rejoin(who, path),
            "attach": c.Attach(who),
        }
        if step.word in consumers:
            yield consumers[step.word]
        elif step.word == "newcomer":
            for _ in range(1 + step.who % 3):
                self._newcomers += 1
                yield c.Join(consumer(self._newcomers), path)
        elif step.word in CHECKOUT:
            yield from self._checkout(step, experience, paths)
        elif step.word == "pay":
            yield from self._checkout(step._replace(word="complete"), experience, [path])
        elif step.word == "again":
            yield from self._again(step, experience)
        elif (command := kinds.of_consumer(step, who, path)) is not None:
            yield command
        elif step.word in kinds.MERCHANT_WORDS:
            known = self._known(experience, path)
            yield kinds.of_merchant(step, MERCHANT, self._key() if step.size % 3 else "", path, known)
        else:
            yield self._merchants(step, experience, path)

    def _checkout(self, step: Step, experience: str, paths: list[str]) -> Iterator[c.Command]:
        """About an admission that some gateway knows: an open one, on one of ``paths``, most of the time."""
        rooms = [gateway.rooms[experience] for gateway in self._gateways if gateway.alive]
        known = [one for room in rooms for one in room.replica.admissions]
        there = [room.replica.paths[path] for room in rooms for path in room.replica.paths if path in paths]
        windows = [window.admission for path in there for window in path.windows.values()]
        found = windows if windows and step.size % 5 else known
        if found:
            yield CHECKOUT[step.word](MERCHANT, self._key() if step.size % 3 else "", found[step.who % len(found)])

    def _known(self, experience: str, path: str) -> list[PathReplica]:
        """The path, as each gateway knows it that does."""
        rooms = [gateway.rooms[experience] for gateway in self._gateways if gateway.alive]
        return [room.replica.paths[path] for room in rooms if path in room.replica.paths]

    def _insider(self, step: Step, experience: str, path: str) -> bytes | None:
        """Somebody who has asked for a ticket on that path, if the step's word is one of theirs."""
        asked = [one.command for one in self.asked if one.experience == experience] if kinds.is_inside(step) else []
        wanted = [one.consumer for one in asked if isinstance(one, c.Join | c.TicketCommand) and one.path == path]
        return wanted[step.who % len(wanted)] if wanted else None

    def _again(self, step: Step, experience: str) -> Iterator[c.Command]:
        """The merchant repeats what was asked before, with the same key."""
        keyed = [
            one.command
            for one in self.asked
            if one.experience == experience and isinstance(one.command, c.MerchantCommand) and one.command.key
        ]
        if keyed:
            yield keyed[step.who % len(keyed)]

    def _merchants(self, step: Step, experience: str, path: str) -> c.Command:
        key = self._key() if step.size % 4 else ""
        cap = (None, 0, 1, 2, 4)[step.who % 5]
        rate = RATES[step.who % len(RATES)]
        caps = c.Limits(max_active=cap) if step.size % 2 else c.Limits(max_admissions=cap)
        over_all = c.Limits(release_rate_per_minute=(None, 0, 60, 600, 6_000)[step.who % 5])
        kinds: dict[str, Callable[[], c.Command]] = {
            "rate": lambda: c.SetReleaseRate(MERCHANT, key, path, c.Limits(release_rate_per_minute=rate)),
            "caps": lambda: c.SetReleaseRate(MERCHANT, key, path, caps),
            "over_all": lambda: c.SetReleaseRate(MERCHANT, key, "", over_all),
            "admit": lambda: c.AdmitNow(MERCHANT, key, path, 1 + step.who % 3),
            "refuse": lambda: c.RefuseTicket(MERCHANT, key, path, step.who % 30, ""),
            "stock": lambda: c.SetStock(MERCHANT, key, "ab"[step.which % 2], add=step.who % 9 - 3),
            "pause": lambda: c.Pause(MERCHANT, key, path),
            "resume": lambda: c.Resume(MERCHANT, key, path),
            "open": lambda: c.Open(MERCHANT, key, path),
            "close": lambda: c.Close(MERCHANT, key, path),
            "end": lambda: c.End(MERCHANT, key, path),
            "notice": lambda: c.PostNotice(MERCHANT, key, "Hello", "info", None),
            "put": lambda: c.Configure(MERCHANT, key, self._changed(experience, step), SECRET, KID),
        }
        return kinds[step.word]()

    def _changed(self, experience: str, step: Step) -> Document:
        """Another document: at times without the second path, or with what is in use changed."""
        chance = Random(step.who * 1_000 + step.which)
        return document_of(experience, chance, paths=PATHS[: 1 + (step.who % 4 > 0)], add_kinds=self._add_kinds)

    def _key(self) -> str:
        return self._world.chance.randbytes(8).hex()


def document_of(
    experience: str, chance: Random, paths: tuple[str, ...] = PATHS, *, add_kinds: AddKinds | None = None
) -> Document:
    """A document with two queues that meter in every way, and at times with other kinds. A path sells one variant, or
    nothing that is counted."""

    def maybe(likely: float, *values: int) -> int | None:
        return chance.choice(values) if chance.random() < likely else None

    def path_of(path_id: str, sells: str) -> dict[str, Any]:
        terms = {
            "release_rate_per_minute": chance.choice(RATES),
            "burst_ms": chance.choice((1, 250, 1_000)),
            "max_active": maybe(0.3, 1, 2, 4),
            "max_admissions": maybe(0.1, 3, 8),
            "capacity": maybe(0.2, 4, 12),
            "checkout_window_seconds": chance.choice((1, 2, 6)),
            "payment_grace_seconds": chance.choice((0, 1)),
        }
        fields = {
            "priority": chance.choice((0, 0, 10)),
            "keep_place_once": chance.random() < 0.75,
            "joins_per_consumer": chance.choice((1, 1, 2)),
            "opens_at": maybe(0.2, BEGAN_MS + 2_000),
            "closes_at": maybe(0.2, BEGAN_MS + 8_000),
            "variants": [sells],
        }
        return raw_path(path_id, distribution=terms, **fields)

    variants = [raw_variant(one, stock=maybe(0.5, 0, 2, 5, 20)) for one in ("a", "b")]
    over_all = {
        "release_rate_per_minute": maybe(0.3, 60, 600, 3_000),
        "max_active": maybe(0.2, 2, 5),
        "max_admissions": maybe(0.1, 9),
    }
    shared = chance.random() < 0.5
    sold = [path_of(path_id, "a" if shared else "ab"[index]) for index, path_id in enumerate(paths)]
    one_path = False
    if add_kinds is not None:
        sold, one_path = add_kinds(sold, chance), chance.random() < 0.2
    return with_slots(
        document(id=experience, paths=sold, products=[raw_product(*variants)], one_path=one_path, **over_all), STARTS
    )
