"""Where the lot meets others: who hears what sockets say, and who writes where there is no descriptor."""

from collections.abc import Set
from typing import Protocol

from gateway.edge.parked.backlog import Bytes


class Hearer(Protocol):
    """Who hears what sockets say. It may tell and close, and never waits."""

    def received(self, slot: int, message: str | bytes) -> None: ...

    def closed(self, slot: int, code: int) -> None:
        """Called once for every slot; when it returns, the slot may be another's. 1006: it broke, or went silent."""
        ...


class Handler(Hearer, Protocol):
    """Who hears what the sockets of a process say: one object for all."""

    def missed(self, slot: int, states: Set[str]) -> None:
        """The socket was slow and keeps up again; of ``states``, by their keys, it was not told the latest."""
        ...


class Owner(Hearer, Protocol):
    """Who has one socket for itself until it is parked."""

    def drained(self, slot: int) -> None:
        """The socket was slow and keeps up again."""
        ...


class Port(Protocol):
    """A socket whose bytes somebody else writes. It tells the lot: `Lot.feed`, `Lot.room`, `Lot.lost`."""

    def write(self, data: Bytes) -> int:
        """Take as much of ``data`` as it can now; how much that is."""
        ...

    def shut(self) -> None:
        """Nothing more will be written."""
        ...

    def drop(self) -> None:
        """Be gone at once, whatever is unwritten."""
        ...
