"""People who race for the places of an appointment, thousands in one process: they hold, confirm or let the hold run
out, change their time, give it back, and try again. ``python -m loadtests.appointment_people JOB``, JOB as JSON.

It says "ready" when all are connected, begins when it is told a line, and ends with what each was told, as JSON. One in
``WATCHING`` keeps the free places that it is told, to be held against the log.
"""

from __future__ import annotations

import heapq
import random
import select
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from loadtests.swarm import Swarm, raise_file_limit
from loadtests.swarm_member import tokens
from loadtests.swarm_target import Target

WATCHING = 50
CONNECT_S = 300.0
SETTLE_S = 30.0
MS = 1_000
CONFIRMS, MOVES, CANCELS = 0.6, 0.5, 0.15
"""Of a hundred holds so many are confirmed; of the bookings so many are moved, or given back."""
HOLD_AGAIN_S = (1.0, 6.0)
NEXT_S = (0.5, 4.0)
_SLOTS = b'{"type":"slots"'


class Race(Struct):
    """``count`` consumers from number ``first`` on, at ``url``, for ``seconds``, in path ``path`` for ``slots``, whose
    holds last ``hold_s``. ``key_file``: what sessions are signed with."""

    url: str
    path: str
    count: int
    first: int
    first_source: int
    key_file: str
    seconds: float
    hold_s: float
    slots: list[str]
    seed: int


class Run(Struct):
    """``booked``: the slot that each was told last to have booked, "" for none; ``answers_ms``: from each hold or move
    that was asked for to its answer; ``free``: what each of some was told of the free places; ``lost``: sockets."""

    booked: list[str]
    answers_ms: list[float]
    free: list[dict[str, int]]
    lost: int
    frames: int
    unanswered: int


class Told(Struct):
    """The fields of a frame that matter here."""

    type: str
    slot: str = ""
    reason: str = ""
    ref: int = 0
    slots: list[dict[str, Any]] = []


_told = msgspec.json.Decoder(Told)


class People(Swarm):
    """All of them. An action is due at its time; while one waits for its answer, no other begins."""

    def __init__(self, race: Race) -> None:
        sessions = list(tokens(Path(race.key_file), race.first, race.count))
        super().__init__(Target.of(race.url), race.count, session=sessions.__getitem__, first_source=race.first_source)
        self.run = Run([""] * race.count, [], [], 0, 0, 0)
        self._race = race
        self._random = random.Random(race.seed)
        self._held = [""] * race.count
        self._waiting: dict[int, tuple[int, float]] = {}
        self._ref = 0
        self._plans: list[tuple[float, int]] = []
        self._until = 0.0
        self._free: dict[int, dict[str, int]] = {who: {} for who in range(0, race.count, WATCHING)}

    def race(self) -> Run:
        """Race until the time is over, and then until every hold has ended and every answer has come."""
        self._until = time.monotonic() + self._race.seconds
        for who in range(self._race.count):
            self._plan(who, (0.0, HOLD_AGAIN_S[1]))
        while time.monotonic() < self._until:
            self._act()
            self.turn()
        settled = time.monotonic() + SETTLE_S + self._race.hold_s
        quiet = time.monotonic() + self._race.hold_s + 2.0
        while time.monotonic() < settled and (self._waiting or any(self._held) or time.monotonic() < quiet):
            self.turn()
        self.run.unanswered, self.run.free = len(self._waiting), list(self._free.values())
        self.run.lost, self.run.frames = self.seen.lost, self.seen.frames
        return self.run

    def _plan(self, who: int, within_s: tuple[float, float]) -> None:
        heapq.heappush(self._plans, (time.monotonic() + self._random.uniform(*within_s), who))

    def _act(self) -> None:
        now = time.monotonic()
        while self._plans and self._plans[0][0] <= now:
            who = heapq.heappop(self._plans)[1]
            if who not in self._waiting:
                self._do(who, now)

    def _do(self, who: int, now: float) -> None:
        slot = self._random.choice(self._race.slots)
        if self._held[who]:
            self._ask_for(who, now, {"type": "book"})
        elif not self.run.booked[who]:
            self._ask_for(who, now, {"type": "hold", "slot": slot})
        elif self._random.random() < CANCELS:
            self._ask_for(who, now, {"type": "cancel"})
        elif slot != self.run.booked[who]:
            self._ask_for(who, now, {"type": "reschedule", "slot": slot})

    def _ask_for(self, who: int, now: float, frame: dict[str, Any]) -> None:
        self._ref += 1
        self._waiting[who] = (self._ref, now)
        self._say(who, masked(msgspec.json.encode(frame | {"path": self._race.path, "ref": self._ref})))

    def _told(self, who: int, text: bytes) -> None:
        self.seen.frames += 1
        if text.startswith(_SLOTS):
            if who in self._free:
                self._free[who] |= {one["id"]: one["free"] for one in _told.decode(text).slots}
            return
        told = _told.decode(text)
        ref, asked_at = self._waiting.get(who, (0, 0.0))
        if told.ref == ref != 0:
            del self._waiting[who]
            self.run.answers_ms.append((time.monotonic() - asked_at) * MS)
        self._go_on(who, told)

    def _go_on(self, who: int, told: Told) -> None:
        match told.type:
            case "held":
                self._held[who] = told.slot
                if self._random.random() < CONFIRMS:
                    self._plan(who, (0.0, self._race.hold_s * 0.9))
            case "booked":
                self._held[who], self.run.booked[who] = "", told.slot
                if self._random.random() < MOVES:
                    self._plan(who, NEXT_S)
            case "cancelled":
                self._held[who] = self.run.booked[who] = ""
                self._plan(who, HOLD_AGAIN_S)
            case "error":
                self._plan(who, NEXT_S if self.run.booked[who] else HOLD_AGAIN_S)


def masked(text: bytes) -> bytes:
    """A text frame of a client (RFC 6455 §5.2), shorter than 64 KiB; the mask is zero."""
    head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else b"\x81\xfe" + len(text).to_bytes(2, "big")
    return head + bytes(4) + text


def main(job: str) -> None:
    """Connect, wait to be told to begin, race, and say how it went."""
    race = msgspec.json.decode(job, type=Race)
    raise_file_limit(race.count)
    people = People(race)
    people.connect(timeout_s=CONNECT_S)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        people.turn()
    sys.stdout.write(msgspec.json.encode(people.race()).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
