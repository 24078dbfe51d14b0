"""A failover under Sentinel that loses writes, and what consumers saw of it, frame by frame.

A partition parts those who use the store from those who keep it: the waiting room goes on with a primary that Sentinel
and the replica have lost. Sentinel makes the replica the primary; the partition heals; what was written in between is
gone. Three consumers' frames are written down, and a crowd's tickets are counted: whoever was told a ticket that the
log does not have must be told that as well. Once with a replica that follows, once with ``STANCHION_WAIT_REPLICAS``.

Hands over to: ``loadtests.room`` (the stack), the store of ``loadtests.parts``, whose partition this is.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from loadtests.parts import PartedStore, Parts
from loadtests.ports import HOST, free_ports
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.workload import PATH

EXPERIENCE = "failover"
TRANSCRIPT = "failover-transcript.txt"
STORE_PORTS = 3
SETTLED_S = 60.0
LOOK_S = 0.05
SHOWN_CHARS = 12
LONG = ("receipt", "pass", "session", "checkout_url")
JOIN = json.dumps({"type": "join", "path": PATH})

Frame = dict[str, Any]


class Transcript:
    """What happened, with the seconds since it began."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._began_s = time.monotonic()

    def title(self, text: str) -> None:
        self._began_s = time.monotonic()
        self.lines += ["", f"== {text}", ""]

    def step(self, text: str) -> None:
        progress.print(text)
        self.lines.append(f"{self._passed()}  -- {text}")

    def frame(self, name: str, frame: Frame) -> None:
        shown = {key: _shortened(key, value) for key, value in frame.items() if key != "experience"}
        self.lines.append(f"{self._passed()}  {name:<6} ◀ {json.dumps(shown, ensure_ascii=False)}")

    def says(self, name: str, text: str) -> None:
        self.lines.append(f"{self._passed()}  {name:<6} ▶ {text}")

    def _passed(self) -> str:
        return f"{time.monotonic() - self._began_s:7.2f} s"


def _shortened(key: str, value: Any) -> Any:
    return f"{value[:SHOWN_CHARS]}…" if key in LONG else value


class Person:
    """A consumer with one socket. ``ticket``: the last that it was told and was not told to be lost."""

    def __init__(self, name: str, token: str, transcript: Transcript | None) -> None:
        self.name, self.token = name, token
        self.frames: list[Frame] = []
        self.ticket: int | None = None
        self._transcript = transcript
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def come(self, address: str) -> None:
        self._socket = await connect(
            address, additional_headers={"Authorization": f"Bearer {self.token}"}, compression=None, proxy=None
        )
        self._reading = asyncio.create_task(self._read(self._socket))

    async def join(self) -> None:
        assert self._socket is not None, "who joins has come"
        if self._transcript is not None:
            self._transcript.says(self.name, JOIN)
        await self._socket.send(JOIN)

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            self.frames.append(frame)
            if self._transcript is not None:
                self._transcript.frame(self.name, frame)
            if frame["type"] == "joined":
                self.ticket = frame["ticket"]
            elif frame["type"] == "ticket" and frame["state"] == "lost":
                self.ticket = None

    def told(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == kind]

    @property
    def paused(self) -> bool:
        """Whether the last word is that the room is interrupted."""
        phases = self.told("phase")
        return bool(phases) and "paused" in phases[-1]

    async def go(self) -> None:
        assert self._socket is not None and self._reading is not None, "who goes has come"
        await self._socket.close()
        await self._reading


def bench_failover(parts: Parts, report: Report, *, crowd: int, folder: Path | None) -> None:
    """Both ways, with a crowd of ``crowd`` that joins during the partition. The transcript goes into ``folder``."""
    transcript = Transcript()
    for replicas, words in ((0, "replicas follow, nobody waits for them"), (1, "STANCHION_WAIT_REPLICAS=1")):
        with (
            tempfile.TemporaryDirectory(prefix="stanchion-bench-") as data,
            parts.parted_store(Path(data), free_ports(STORE_PORTS)) as store,
            Room(parts, 1, REDIS_URL=store.url, STANCHION_WAIT_REPLICAS=str(replicas)) as room,
        ):
            room.configure(EXPERIENCE, release_rate_per_minute=0)
            transcript.title(words)
            lost, wrong = asyncio.run(_Drill(room, store, transcript, crowd).run(waits=replicas > 0))
        detail = {"crowd": crowd, "store": words}
        report.add("tickets_told_and_lost", "tickets", "≤ 0" if replicas else "-", [lost], detail=detail)
        report.add("consumers_who_believe_what_is_not_so", "consumers", "≤ 0", [wrong], detail=detail)
    if folder is not None:
        (folder / TRANSCRIPT).write_text("\n".join(transcript.lines).strip() + "\n")


class _Drill:
    def __init__(self, room: Room, store: PartedStore, transcript: Transcript, crowd: int) -> None:
        self._room, self._store, self._transcript = room, store, transcript
        self._origin = f"http://{HOST}:{room.port}"
        self._crowd_size = crowd

    async def run(self, *, waits: bool) -> tuple[int, int]:
        """How many were told a ticket that was lost, and how many believe at the end what is not so."""
        alice, bob, carol = [await self._person(name, shown=True) for name in ("alice", "bob", "carol")]
        crowd = [await self._person(f"{number}", shown=False) for number in range(self._crowd_size)]
        everybody = [alice, bob, carol, *crowd]
        step, store = self._transcript.step, self._store
        for one in (alice, bob):
            await one.join()
            await self._until(lambda: bool(one.told("position")), one.name)  # noqa: B023 - called at once
        step("the partition: Sentinel and the replica lose the primary, the waiting room does not")
        await asyncio.to_thread(store.cut)
        for one in (carol, *crowd):
            await one.join()
        await self._until(lambda: self._room.stats(EXPERIENCE)["paths"][0]["joined"] >= len(everybody), "the joins")
        step("the merchant lets one in")
        admitting = asyncio.create_task(self._admit())
        if not waits:
            await self._until(lambda: bool(alice.told("admitted")), "alice")
        step("Sentinel makes the replica the primary: nobody of the waiting room is told")
        await asyncio.to_thread(store.wait_for_failover)
        step("the partition heals: Sentinel makes the old primary a replica; what only it had is gone")
        await asyncio.to_thread(store.heal)
        await admitting
        await self._until(lambda: self._all_told(everybody, waits=waits), "everybody to be told")
        lost = [one for one in everybody if one.ticket is None]
        step(f"{len(lost)} of {len(everybody)} were told a ticket that is lost, and that it is")
        for one in lost:
            await one.join()
        await self._until(lambda: all(one.ticket is not None for one in everybody), "who lost to join again")
        wrong = [one.name for one in everybody if await self._held(one) != one.ticket]
        step(f"{len(wrong)} of {len(everybody)} believe in a ticket that the log does not give them")
        for one in everybody:
            await one.go()
        return len(lost), len(wrong)

    def _all_told(self, everybody: Sequence[Person], *, waits: bool) -> bool:
        """The room goes on, and everybody was told of a ticket what there is to tell."""
        if any(one.paused for one in everybody):
            return False
        if waits:
            return all(one.ticket is not None for one in everybody) and bool(everybody[0].told("admitted"))
        kept, others = everybody[:2], everybody[2:]
        return all(len(one.told("joined")) == 2 for one in kept) and all(one.ticket is None for one in others)

    async def _person(self, name: str, *, shown: bool) -> Person:
        async with httpx.AsyncClient(base_url=self._origin, trust_env=False) as client:
            answer = await client.post("/v1/session")
        one = Person(name, answer.json()["session"], self._transcript if shown else None)
        await one.come(self._room.live(EXPERIENCE))
        return one

    async def _admit(self) -> None:
        answer = await asyncio.to_thread(self._room.admit, EXPERIENCE, 1)
        self._transcript.step(f"the merchant's request is answered: {answer}")

    async def _held(self, one: Person) -> int | None:
        """The ticket that the waiting room says is theirs, asked anew."""
        headers = {"Authorization": f"Bearer {one.token}"}
        async with httpx.AsyncClient(base_url=self._origin, headers=headers, trust_env=False) as client:
            answer = await client.get(f"/v1/experiences/{EXPERIENCE}/status")
        joined = [frame["ticket"] for frame in answer.json()["frames"] if frame["type"] == "joined"]
        return joined[0] if joined else None

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + SETTLED_S
        while not await asyncio.to_thread(holds):
            if time.monotonic() > until_s:
                raise RuntimeError(f"waited {SETTLED_S:g} s for {what}")
            await asyncio.sleep(LOOK_S)
