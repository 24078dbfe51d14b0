"""Transcripts that a product person can read, played against the real core and compared as a whole.

A transcript is a text file. Lines that begin with ``#`` and empty lines are for people. The others:

    given rate 60, window 120s          how the queue is set up; one line for each path, with ``path NAME:`` before it
    given stock 10                      how many there are to sell
    at 90s                              time goes on; what happens by itself on the way is told with its instant
    > alice joins                       somebody does something
    < alice has ticket 0                what comes of it, exactly and completely

``play`` plays the lines that are not ``<`` and writes down what really happens, so a transcript is right if it comes
out as it went in. With ``PLAYBOOK_REWRITE=1`` the tests write it back instead, for a person to read. Every transcript
is played twice: once as it is, and once with the core put away as a snapshot and brought back after every step.

Hands over to: ``playbook_words``, which has the words for commands and events.
"""

from __future__ import annotations

import re
from typing import Any

from engine.core.experience import Batch, Experience
from protocol.commands import Command, Configure
from protocol.documents import parse
from protocol.events import WriterChanged
from tests.support.beacons import REAL
from tests.support.cast import Cast, duration_ms, shown_ms
from tests.support.playbook_auctions import OF_AUCTIONS, of_auction
from tests.support.playbook_slots import SETTINGS_OF_SLOTS, opening
from tests.support.playbook_words import command_of, lines_of
from tests.support.samples import EXPERIENCE, raw_auction, raw_document, raw_path, raw_product, raw_variant

START_MS = 1_000_000_000
SECRET = bytes(range(32))
SENDER_SILENT_MS = 600_000
"""After so long a gateway takes a new sender id, because the engine forgets the silent ones."""

_SETTINGS = {
    "rate": "release_rate_per_minute",
    "window": "checkout_window_seconds",
    "grace": "payment_grace_seconds",
    "burst": "burst_ms",
    "capacity": "capacity",
    "active": "max_active",
    "admissions": "max_admissions",
    "kind": "kind",
    "limit": "limit",
    "burst rate": "burst_rate_per_minute",
    "strategy": "strategy",
    "batch": "batch",
    "order": "order",
    "claims": "claim_window_seconds",
    "winners": "winner_count",
    "backfill": "backfill",
}
_OF_PATH = {
    "priority": "priority",
    "joins": "joins_per_consumer",
    "keeps place": "keep_place_once",
    "attached to": "attached_to",
    "selection": "product_selection",
    "audience": "audience",
}
_INSTANTS = {"opens": "opens_at", "closes": "closes_at", "lobby": "lobby_opens_at"}
_INSTANTS_OF_DRAWS = {"draws": "draw_at", "redraw until": "redraw_until"}
_OVER_ALL = {"rate": "release_rate_per_minute", "active": "max_active", "admissions": "max_admissions"}


class Playbook:
    """One transcript on its way through the core."""

    def __init__(self, *, put_away: bool = False) -> None:
        self._core = Experience(EXPERIENCE)
        self._put_away = put_away
        self._cast = Cast(START_MS)
        self._now_ms = START_MS
        self._sender = 1
        self._number = 0
        self._sent_ms = START_MS
        self._last: Batch | None = None
        self._paths: dict[str, dict[str, Any]] = {}
        self._fields: dict[str, Any] = {}
        self._stock: dict[str, int | None] = {}
        self._epoch = 0
        self._is_set_up = False

    def play(self, text: str) -> str:
        """The transcript with what really happens in it."""
        written: list[str] = []
        for line in text.splitlines():
            if line.startswith("<"):
                continue
            written.append(line)
            if line and not line.startswith("#"):
                written += [f"< {told}" for told in self._perform(line)]
        return "\n".join(written) + "\n"

    def _perform(self, line: str) -> list[str]:
        word, _, rest = line.partition(" ")
        match word:
            case "given":
                self._give(rest)
                return []
            case "at":
                return self._set_up() + self._go_on(START_MS + duration_ms(rest))
            case ">":
                return self._set_up() + self._act(rest)
        raise ValueError(f"{line!r} begins with none of: given, at, >, <, #")

    # Setting up

    def _give(self, what: str) -> None:
        if over_all := re.fullmatch(r"over all paths: (.*)", what):
            for name, value in _pairs(over_all[1]):
                self._fields[_OVER_ALL[name]] = _number(value)
        elif what == "one path":
            self._fields["one_path"] = True
        elif stock := re.fullmatch(r"stock (?:of (\S+) )?(\d+)", what):
            self._stock[stock[1] or "shoe"] = int(stock[2])
        else:
            named = re.fullmatch(r"path (\S+): (.*)", what)
            path_id, settings = (named[1], named[2]) if named else ("general", what)
            self._paths[path_id] = self._path(path_id, settings)

    def _path(self, path_id: str, settings: str) -> dict[str, Any]:
        distribution: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for name, value in _pairs(settings):
            if name in _SETTINGS:
                distribution[_SETTINGS[name]] = _number(value)
            elif name in OF_AUCTIONS:
                distribution |= of_auction(name, value, START_MS)
            elif name in _OF_PATH:
                fields[_OF_PATH[name]] = _number(value)
            elif name in SETTINGS_OF_SLOTS:
                distribution[SETTINGS_OF_SLOTS[name]] = _number(value)
            elif name == "opening":
                distribution |= opening(value)
                fields["min_level"] = "guest"
            elif name == "sells":
                fields["variants"] = value.split("+")
            elif name in _INSTANTS_OF_DRAWS:
                distribution[_INSTANTS_OF_DRAWS[name]] = START_MS + duration_ms(value)
            elif name == "beacon":
                distribution["beacon"] = {"source": REAL[value].source, "round": REAL[value].round}
            elif name == "code":
                fields["access_code"] = {"code": value}
            else:
                fields[_INSTANTS[name]] = START_MS + duration_ms(value)
        return _of_kind(path_id, distribution, fields)

    def _set_up(self) -> list[str]:
        if self._is_set_up:
            return []
        self._is_set_up = True
        return self._act_as(self._configure())

    def _configure(self) -> Configure:
        variants = [raw_variant(variant, stock=stock) for variant, stock in self._stock.items()]
        raw = raw_document(
            paths=list(self._paths.values()) or [raw_path()],
            products=[raw_product(*variants)] if variants else [],
            **self._fields,
        )
        return Configure("merchant", "", parse(raw, EXPERIENCE), SECRET, "k1")

    # Playing

    def _act(self, what: str) -> list[str]:
        if what == "the last message comes again":
            assert self._last is not None, "nothing was sent before"
            return self._step(self._now_ms, self._last)
        if outage := re.fullmatch(r"the engine is away for (\S+)", what):
            return self._lose_engine(duration_ms(outage[1]))
        if changed := re.fullmatch(r"the merchant sets up (.*)", what):
            self._give(changed[1])
            return self._act_as(self._configure())
        if with_key := re.fullmatch(r"(.*) \[key (\S+)\]", what):
            return self._act_as(*command_of(with_key[1], self._cast, list(self._paths), with_key[2]))
        return self._act_as(*command_of(what, self._cast, list(self._paths), ""))

    def _act_as(self, *commands: Command) -> list[str]:
        if self._now_ms - self._sent_ms > SENDER_SILENT_MS:
            self._sender, self._number = self._sender + 1, 0
        self._number, self._sent_ms = self._number + 1, self._now_ms
        self._last = Batch(self._sender.to_bytes(8, "big"), self._number, list(commands))
        return self._step(self._now_ms, self._last)

    def _go_on(self, until_ms: int) -> list[str]:
        """Let time pass as a writer that is never late does: one step at every deadline."""
        told: list[str] = []
        while (deadline := self._core.next_deadline_ms()) is not None and deadline <= until_ms:
            self._now_ms = deadline
            happened = self._step(deadline)
            told += [f"at {shown_ms(deadline - START_MS)}: {what}" for what in happened]
        self._now_ms = until_ms
        return told + self._step(until_ms)

    def _lose_engine(self, gap_ms: int) -> list[str]:
        self._epoch += 1
        self._now_ms += gap_ms
        self._core.take_over(WriterChanged(self._epoch, bytes(16), "0-0", bytes(32)), self._now_ms)
        return self._step(self._now_ms)

    def _step(self, now_ms: int, *batches: Batch) -> list[str]:
        events, _ = self._core.step(now_ms, batches)
        if self._put_away:
            before = self._core.digest()
            self._core = Experience.restore(EXPERIENCE, self._core.snapshot())
            assert self._core.digest() == before, "a snapshot gives back another state"
        return lines_of(events, self._cast, many_paths=len(self._paths) > 1)


def _of_kind(path_id: str, distribution: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A path of a document, as its kind has it."""
    if distribution.get("kind") == "draw":
        distribution["closes_at"] = fields.pop("closes_at")
    if distribution.get("kind", "queue") == "queue":
        return raw_path(path_id, distribution=distribution, **fields)
    if distribution["kind"] == "auction":
        return raw_auction(path_id, **distribution) | fields
    return {"id": path_id, "distribution": distribution} | fields


def _pairs(text: str) -> list[tuple[str, str]]:
    """``rate 60, window 120s`` → [("rate", "60"), ("window", "120s")]."""
    return [(pair.rsplit(" ", 1)[0], pair.rsplit(" ", 1)[1]) for pair in text.split(", ")]


def _number(text: str) -> int | bool | str | None:
    """A number, a duration in whole seconds, ``none``, ``yes``, ``no``; any other word as it stands."""
    words: dict[str, bool | None] = {"none": None, "yes": True, "no": False}
    if text in words:
        return words[text]
    if not text[:1].isdigit():
        return text
    if text.endswith("ms"):
        return int(text.removesuffix("ms"))
    return duration_ms(text) // 1_000 if text.endswith(("s", "m", "h")) else int(text)
