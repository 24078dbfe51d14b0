"""A gate between an engine and its store: it lets everything through, and writes down what became of every commit.

It can hold one commit at either side: before the store has seen it, or after the store has done it and before the
engine has heard so. Whatever is done to the engine meanwhile is done at exactly that instant. The journal is evidence
of its own: it was written down on the wire, by nobody who could be wrong about who wrote what.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from enum import Enum
from typing import Any, NamedTuple

import hiredis

from loadtests.ports import HOST
from loadtests.report import progress

CHUNK_BYTES = 256 * 1_024
COMMIT, READ = b"EVALSHA", b"XREAD"
KEYS_AT = 2
LOOK_S = 0.01
APPEND, TAKE_OVER = "append", "take_over"

Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Side(Enum):
    """Where a commit is held: ``REQUEST``: the store has not seen it; ``ANSWER``: the store has done it, the engine
    does not know."""

    REQUEST = "request"
    ANSWER = "answer"


class Attempt(NamedTuple):
    """One commit: whose, of what kind, of which entry and writer, and what the store answered."""

    engine: int
    kind: str
    entry_id: str
    writer: bytes
    answer: str


class Journal:
    """``attempts``: every commit that the store answered, in order; ``engines``: who asked as which writer, noted
    before the store has seen it."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.engines: dict[bytes, int] = {}


class Hold:
    """A commit of one of ``kinds`` that is to be held. ``attempts``: what the store has answered, if it has."""

    def __init__(self, kinds: Sequence[str], side: Side) -> None:
        self.kinds, self.side = kinds, side
        self.there = asyncio.Event()
        self.answered = asyncio.Event()
        self.attempts: list[Attempt] = []
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let it go on its way."""
        self._released.set()

    async def keep(self) -> None:
        """It is there; return when it may go on."""
        self.there.set()
        await self._released.wait()


class Gate:
    """The way of engine ``engine`` to the store at ``store_port``; ``journal`` takes every commit. ``read``: the newest
    entry that the engine was given of each stream that it reads."""

    def __init__(self, engine: int, store_port: int, journal: Journal) -> None:
        self.engine, self.journal = engine, journal
        self.port = 0
        self.read: dict[str, str] = {}
        self._store_port = store_port
        self._hold: Hold | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._pumps: set[asyncio.Future[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; ``port`` says where."""
        self._server = await asyncio.start_server(self._welcome, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut every line."""
        assert self._server is not None, "it was opened"
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._lines)

    def hold(self, side: Side, *kinds: str) -> Hold:
        """Hold the next commit of one of ``kinds`` at ``side``."""
        self._hold = Hold(kinds, side)
        return self._hold

    def withdraw(self, hold: Hold) -> None:
        """Hold nothing on its account any more."""
        if self._hold is hold:
            self._hold = None

    def taken(self, side: Side, kinds: Sequence[str]) -> Hold | None:
        """The hold that commits of ``kinds`` run into at ``side``, if any; it is used up."""
        hold = self._hold
        if hold is None or hold.side is not side or not set(kinds) & set(hold.kinds):
            return None
        self._hold = None
        return hold

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.ensure_future(self._line((reader, writer)))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _line(self, engine: Way) -> None:
        with closing(engine[1]):
            try:
                store = await asyncio.open_connection(HOST, self._store_port)
            except OSError as error:
                progress.print(f"gate {self.engine}: {error}", markup=False)  # the store is away, so nobody is here
                return
            with closing(store[1]):
                await self._pump(Line(self), engine, store)

    async def _pump(self, line: Line, engine: Way, store: Way) -> None:
        """Let both ways flow until one ends; then the other does. An engine that waits no more leaves nothing open:
        what became of its last commit is still written down."""
        pumps = [
            asyncio.ensure_future(line.requests(engine[0], store[1])),
            asyncio.ensure_future(line.answers(store[0], engine[1])),
        ]
        self._pumps.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        while line.owes and not pumps[1].done():
            await asyncio.sleep(LOOK_S)
        for pump in pumps:
            pump.cancel()
        for ended in await asyncio.gather(*pumps, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, OSError):
                raise ended
        self._pumps.difference_update(pumps)


class Line:
    """One connection through a gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._requests = hiredis.Reader()
        self._answers = hiredis.Reader()
        self._asked: deque[list[Any]] = deque()
        self._holding: Hold | None = None

    @property
    def owes(self) -> bool:
        """Whether the store has not answered a commit yet."""
        return any(_commit(request) for request in self._asked)

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the engine to the store, to the end. What completes a commit is what is held."""
        while data := await reader.read(CHUNK_BYTES):
            self._requests.feed(data)
            kinds = []
            while (request := self._requests.gets()) is not False:
                self._asked.append(request)
                commit = _commit(request)
                if commit is not None:
                    kinds.append(commit.kind)
                    self._gate.journal.engines[commit.writer] = self._gate.engine
            self._holding = self._gate.taken(Side.REQUEST, kinds) or self._holding
            if self._holding is not None and not self._holding.there.is_set():
                await self._holding.keep()
            writer.write(data)
            await writer.drain()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the store to the engine, to the end."""
        while data := await reader.read(CHUNK_BYTES):
            attempts = self._read(data)
            hold = self._gate.taken(Side.ANSWER, [attempt.kind for attempt in attempts])
            if attempts:
                told, self._holding = hold or self._holding, None
                if told is not None:
                    told.attempts += attempts
                    told.answered.set()
            if hold is not None:
                await hold.keep()
            writer.write(data)
            await writer.drain()

    def _read(self, data: bytes) -> list[Attempt]:
        """The commits that these bytes answer; they are written down."""
        self._answers.feed(data)
        attempts = []
        while (answer := self._answers.gets()) is not False:
            if isinstance(answer, hiredis.PushNotification):
                continue
            request = self._asked.popleft()
            if request[0] == READ and isinstance(answer, list):
                self._gate.read |= {key.decode(): entries[-1][0].decode() for key, entries in answer}
            commit = _commit(request)
            if commit is not None:
                text = answer.decode() if isinstance(answer, bytes) else str(answer)
                attempts.append(commit._replace(engine=self._gate.engine, answer=text))
        self._gate.journal.attempts += attempts
        return attempts


def _commit(request: Any) -> Attempt | None:
    """What is asked for, if it is a commit; not answered yet."""
    if not isinstance(request, list) or request[0] != COMMIT:
        return None
    kind, entry_id, writer = request[KEYS_AT + 1 + int(request[KEYS_AT]) :][:3]
    return Attempt(0, kind.decode(), entry_id.decode(), writer, "")
