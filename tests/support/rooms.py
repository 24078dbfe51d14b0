"""A room without a store: a log written by hand in, frames at recording lines out."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from gateway import conversations
from gateway.edge.parked.lot import Lot
from gateway.metrics import Metrics
from gateway.pass_keys import PassKeys
from gateway.proofs import Proofs
from gateway.rooms import Room
from gateway.session import ArrivalCommand
from gateway.sockets import Socket, Sockets
from protocol.events import Admitted, Configured, Holding, PhaseChanged
from protocol.sessions import Session
from protocol.states import TicketState
from tests.support.log import START_MS, Log, Read
from tests.support.samples import EXPERIENCE, consumer

KID = "k1"
ADMISSION = bytes(range(16))
NEVER = 2**32 - 1
SOCKETS_MAX = 100


class Recorder:
    """A line that keeps all it is told."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.code: int | None = None

    def tell(self, frame: bytes, state: str | None = None) -> None:
        self.frames.append(json.loads(frame))
        self.keys.append(state)

    def close(self, code: int) -> None:
        self.code = code

    def take(self) -> list[dict[str, Any]]:
        """What it was told since the last time."""
        taken, self.frames = self.frames, []
        return taken

    def kinds(self) -> list[str]:
        """The types of what it was told since the last time."""
        return [frame["type"] for frame in self.take()]


class Stage:
    """A live room of the sample experience. ``writes`` counts how often it asked to have its commands written."""

    def __init__(self, **fields: Any) -> None:
        self.writes = 0
        proofs = Proofs(PassKeys({KID: Ed25519PrivateKey.generate()}), bytes(32), "https://room.example")
        self.metrics = Metrics()
        self.lot = Lot(self, SOCKETS_MAX)
        self.sockets = Sockets(self.lot)
        self.room = Room(EXPERIENCE, self.sockets, proofs, self.metrics, self._want_write)
        self.log = Log()
        self.log.configure(**fields)
        self.catch_up()

    def _want_write(self) -> None:
        self.writes += 1

    def catch_up(self) -> None:
        """The room reads all that is in the log."""
        for entry in self.log.entries:
            self.room.receive(*entry)
        self.room.caught_up()

    def read(self, entry: Read) -> None:
        """The room reads one entry."""
        self.room.receive(*entry)

    def enter(self, number: int, *commands: ArrivalCommand, watched: frozenset[str] | None = None) -> Socket:
        """A socket of consumer ``number``."""
        recorder, session = Recorder(), Session(consumer(number), 0, 0, NEVER)
        tickets = conversations.tickets(self.room, session.consumer)
        recorder.tell(conversations.welcome(self.room, session, None, tickets))
        socket = conversations.enter(self.room, self.lot.add_line(recorder), session, watched, line=True)
        self.room.openings.open(socket, list(commands))
        return socket

    def received(self, slot: int, message: str | bytes) -> None:
        raise AssertionError("nobody hears a lot that is not open")

    def closed(self, slot: int, code: int) -> None:
        self.room.leave(self.sockets.at(slot))

    def missed(self, slot: int, states: Set[str]) -> None:
        self.room.tell_missed(self.sockets.at(slot), states)

    def answer(self, *events: Any, **options: Any) -> None:
        """The engine applies all that was sent so far; these are the events of it."""
        outgoing = self.room.outgoing
        batches = outgoing.to_write(64)
        outgoing.written(batches, [f"1000-{sent.number}" for sent in batches], 0)
        number = outgoing._number
        self.read(self.log.append(*events, applied={outgoing.sender: number}, **options))


def line(socket: Socket) -> Recorder:
    """What a socket was told."""
    recorder = socket._all.lot._lines[socket.slot]
    assert isinstance(recorder, Recorder)
    return recorder


def admitted(*tickets: int, expires_at: int = START_MS + 600_000) -> Admitted:
    return Admitted("general", START_MS, expires_at, KID, list(tickets), ADMISSION * len(tickets), False)


def holding(ticket: int, state: TicketState, **fields: object) -> Holding:
    return Holding("general", ticket, 1, state, **fields)  # type: ignore[arg-type]


def waiting_stage(count: int = 3) -> Stage:
    """Consumers 0, 1, … wait with the tickets of their number; nobody of them is here."""
    stage = Stage()
    stage.read(stage.log.join(0, *range(count)))
    return stage


def with_paths(stage: Stage, revision: int, *ids: str) -> Configured:
    """The document of ``stage`` with these paths."""
    document = stage.room.replica.document
    assert document is not None
    first = document.paths[0]
    return Configured(
        revision, structs.replace(document, paths=[structs.replace(first, id=one) for one in ids]), KID, ""
    )


def extra_opens() -> PhaseChanged:
    return PhaseChanged("extra", "open", START_MS, None, None, "")
