"""What a swarm has seen: counts, latencies, and whatever was out of order. Nothing per frame is kept."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from typing import Any

import msgspec

LATENCY_STEP_MS = 0.1
LATENCY_STEPS = 100_000
NEVER = -1
_WELCOMED, _JOINED = 1, 2
_TYPE_BEGINS = len('{"type":"')


class Told(msgspec.Struct):
    """The fields of a frame that are checked. ``t``: monotonic nanoseconds, ``now``: epoch milliseconds."""

    type: str
    t: int = 0
    now: int = 0
    ahead: int | None = None
    why: str | None = None
    after_ms: int = 0
    ticket: int | None = None


_told = msgspec.json.Decoder(Told)


class Watch(msgspec.Struct):
    """Frames of one type (empty: of any) since somebody began to watch for them: how many, and the instants (monotonic
    ns) at which the first and the last arrived; the latencies since then are theirs alone."""

    type: str = ""
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Seen:
    """``rose``: positions that rose without a reason; ``disordered``: frames before what must come first;
    ``disorder``: the first of them, and why; ``unsaid``: what a client could not say because its socket was gone or
    full; ``strayed``: clients who came back and were told another ticket than before."""

    def __init__(self, sockets: int, *, joining: bool) -> None:
        self.opened = self.refused = self.lost = self.frames = 0
        self.rose = self.disordered = self.unsaid = self.strayed = 0
        self.disorder = ""
        self.types: Counter[str] = Counter()
        self.close_codes: Counter[int] = Counter()
        self.watch = Watch()
        self._joining = joining
        self._flags = bytearray(sockets)
        self._ahead = array("i", [NEVER]) * sockets
        self._ticket = array("i", [NEVER]) * sockets
        self._latest = array("q", [0]) * sockets
        self._latencies = array("Q", [0]) * LATENCY_STEPS

    def begin(self, who: int) -> None:
        """The socket of ``who`` is gone; what comes next comes on another."""
        self._flags[who] = 0
        self._latest[who] = 0

    def watch_for(self, kind: str) -> None:
        """Count and time the frames of this type from here on."""
        self.watch = Watch(kind)
        self._latencies = array("Q", [0]) * LATENCY_STEPS

    def count(self, text: bytes) -> None:
        """Take note of a frame without looking into it: its type comes first."""
        self.frames += 1
        kind = text[_TYPE_BEGINS : text.index(b'"', _TYPE_BEGINS)].decode()
        self.types[kind] += 1
        self._watch(kind)

    def check(self, who: int, text: bytes) -> Told:
        """Take note of a frame."""
        told = _told.decode(text)
        self.frames += 1
        self.types[told.type] += 1
        self._watch(told.type)
        if told.t or told.now:
            self._check_instant(who, told)
        match told.type:
            case "welcome":
                self._flags[who] |= _WELCOMED
            case "joined":
                self._flags[who] |= _JOINED
                self._check_ticket(who, told)
            case "position":
                self._check_position(who, told)
        return told

    def percentile_ms(self, share: float) -> float | None:
        """The latency that ``share`` of the frames with an instant did not exceed."""
        return percentile_ms(self.latencies(), share)

    def latencies(self) -> dict[int, int]:
        """How many frames had a latency of so many steps of ``LATENCY_STEP_MS``, in order."""
        return {step: count for step, count in enumerate(self._latencies) if count}

    def tickets(self) -> list[int]:
        """The ticket that each was told last; ``NEVER`` for none."""
        return list(self._ticket)

    def figures(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "opened": self.opened,
            "refused": self.refused,
            "lost": self.lost,
            "frames": self.frames,
            "types": dict(self.types),
            "close_codes": {str(code): count for code, count in self.close_codes.items()},
            "rose": self.rose,
            "disordered": self.disordered,
            "disorder": self.disorder,
            "unsaid": self.unsaid,
            "strayed": self.strayed,
            "p50_ms": self.percentile_ms(0.5),
            "p99_ms": self.percentile_ms(0.99),
        }

    def _watch(self, kind: str) -> None:
        watch = self.watch
        if not watch.type or watch.type == kind:
            watch.count += 1
            watch.last_ns = time.monotonic_ns()
            if watch.count == 1:
                watch.first_ns = watch.last_ns

    def _check_instant(self, who: int, told: Told) -> None:
        instant = told.t or told.now
        if instant < self._latest[who]:
            self._disordered(who, told, f"{self._latest[who] - instant} older than the one before")
        self._latest[who] = instant
        if self.watch.type in ("", told.type):
            late_ms = (time.monotonic_ns() - told.t) / 1e6 if told.t else time.time() * 1_000 - told.now
            self._latencies[min(max(int(late_ms / LATENCY_STEP_MS), 0), LATENCY_STEPS - 1)] += 1

    def _disordered(self, who: int, told: Told, why: str) -> None:
        self.disordered += 1
        self.disorder = self.disorder or f"client {who}: {why}: {told}"

    def _check_ticket(self, who: int, told: Told) -> None:
        if told.ticket is not None:
            if self._ticket[who] not in (NEVER, told.ticket):
                self.strayed += 1
            self._ticket[who] = told.ticket

    def _check_position(self, who: int, told: Told) -> None:
        if self._joining and not self._flags[who] & _JOINED:
            self._disordered(who, told, "before joined")
        if told.ahead is not None:
            if self._ahead[who] != NEVER and told.ahead > self._ahead[who] and told.why != "returned":
                self.rose += 1
            self._ahead[who] = told.ahead


def percentile_ms(latencies: dict[int, int], share: float) -> float | None:
    """The latency that ``share`` of the counted frames did not exceed; None of none."""
    wanted, seen = share * sum(latencies.values()), 0
    for step, count in sorted(latencies.items()):
        seen += count
        if seen >= wanted:
            return round((step + 1) * LATENCY_STEP_MS, 1)
    return None
