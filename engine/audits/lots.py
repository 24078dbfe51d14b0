"""The audit of a lottery: the roster is fixed before the order can be known, and the order is the one that follows.

The order is drawn again here, by the rule as it is written down (``SHA-256(seed ‖ ticket ‖ lot)``, the smallest of a
ticket's lots, ascending), without the code that the engine draws with.

Hands over to: the kinds, which know what the order is for.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import kind_events as k
from protocol.documents import Path
from protocol.kinds.base import KindReplica
from protocol.kinds.lots import LotsReplica
from protocol.states import TicketState

_TICKET_BYTES = 4


class AuditedLots(AuditedPath):
    """``root`` b"": nothing is fixed. ``order`` None: not drawn."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.commitment = b""
        self.root = b""
        self.entered: list[int] = []
        self.beacon = b""
        self.order: list[int] | None = None

    def resume_promise(self, seen: KindReplica) -> None:
        assert isinstance(seen, LotsReplica), "a reader keeps the lottery of what has one"
        self.commitment = seen.commitment

    def in_order(self) -> list[int]:
        """Those of the order who wait."""
        return [ticket for ticket in self.order or () if self.states[ticket] == TicketState.WAITING]

    def may_be_fixed(self) -> bool:
        """Whether it is time for the root."""
        raise NotImplementedError

    def may_be_drawn(self) -> bool:
        """Whether it is time for the order."""
        return True

    def winners(self) -> list[int]:
        """Who has won by the order that was just drawn."""
        return []

    def committed(self, event: k.DrawCommitted) -> None:
        """What the secret is held to, before anybody joins."""
        if self.states:
            raise Broken("the secret was committed to after somebody had joined")
        self.commitment = event.commitment

    def entries_closed(self, event: k.EntriesClosed) -> None:
        """The hats of all who wait, fixed; once."""
        waiting = zip(self.states, self.hats, strict=True)
        self.entered = [hats if state == TicketState.WAITING else 0 for state, hats in waiting]
        root = sha256(len(self.entered).to_bytes(8, "big") + bytes(self.entered)).digest()
        if self.root or not self.may_be_fixed() or event.root != root or event.tickets != len(self.entered):
            raise Broken(f"the root {event.root.hex()} is not that of the roster at its time")
        self.root = root

    def drawn(self, event: k.Drawn) -> None:
        """The order, the winners and the seed follow from what was fixed before."""
        if not self.root or self.order is not None or not self.may_be_drawn():
            raise Broken("it was drawn, but its time had not come")
        if self.commitment and sha256(event.secret).digest() != self.commitment:
            raise Broken("the secret is not the one that was committed to")
        if event.seed != sha256(event.secret + self.beacon + self.root).digest():
            raise Broken("the seed does not follow from secret, beacon and root")
        self.order = _order(event.seed, self.entered)
        if event.order_digest != sha256(b"".join(ticket.to_bytes(8, "big") for ticket in self.order)).digest():
            raise Broken("the order is not the one that the seed gives")
        if event.winners != self.winners():
            raise Broken(f"{event.winners} are not the first of the order that wait")

    CHECKS: ClassVar[dict[type, Any]] = {
        k.DrawCommitted: lambda path, event: path.committed(event),
        k.EntriesClosed: lambda path, event: path.entries_closed(event),
        k.Drawn: lambda path, event: path.drawn(event),
    }


def tickets_of(data: bytes) -> list[int]:
    """The tickets of an order that was stored or told, 4 little-endian bytes each."""
    parts = range(0, len(data), _TICKET_BYTES)
    return [int.from_bytes(data[start : start + _TICKET_BYTES], "little") for start in parts]


def _order(seed: bytes, hats: list[int]) -> list[int]:
    """Tickets by the smallest key of their lots; ties by ticket."""

    def key(ticket: int) -> bytes:
        start = seed + ticket.to_bytes(8, "big")
        return min(sha256(start + lot.to_bytes(1, "big")).digest() for lot in range(hats[ticket]))

    return sorted((ticket for ticket, own in enumerate(hats) if own), key=key)
