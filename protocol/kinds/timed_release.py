"""What a reader keeps of a timed release: who has claimed and waits for the turn.

A missed turn that is taken back is in line as well, in front of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocol.kinds.base import KindReplica
from protocol.states import TicketState

if TYPE_CHECKING:
    from protocol.path_replica import PathReplica


class TimedReleaseReplica(KindReplica):
    """One byte a ticket up to the last that claimed: whether it ever did."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self._claims = bytearray()

    def claim(self, ticket: int) -> None:
        self._claims.extend(bytes(max(0, ticket + 1 - len(self._claims))))
        self._claims[ticket] = 1

    def is_claimed(self, ticket: int) -> bool:
        has = (ticket < len(self._claims) and bool(self._claims[ticket])) or ticket in self._path.forgiven
        return has and self._path.states[ticket] == TicketState.WAITING

    def image(self) -> Any:
        """The bytes."""
        return bytes(self._claims)

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        self._claims = bytearray(image)
