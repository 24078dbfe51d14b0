"""The one shape of what a reader keeps of a kind: which events change it, how it is stored, how it is read again.

What stands here is a kind that tells nothing of its own; it changes what it shares with the others, such as states and
roster, through its path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from protocol.path_replica import PathReplica


class KindReplica:
    """``APPLY``: what each event of the kind's own does; its ``path`` names this one."""

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {}

    def __init__(self, path: PathReplica) -> None:
        self._path = path

    def configured(self) -> None:
        """Other settings hold from now on."""

    def entered(self, phase: str) -> None:
        """The path has come into ``phase``."""

    def lost(self, tickets: list[int]) -> None:
        """These are lost: nothing is kept for them any more."""

    def claim(self, ticket: int) -> None:
        """``ticket``, which has no offer, has claimed."""

    def is_claimed(self, ticket: int) -> bool:
        """Whether ``ticket`` has claimed, and waits for the turn."""
        return ticket in self._path.offers and self._path.offers[ticket].claimed

    def image(self) -> Any:
        """What ``fill`` needs, as plain data."""
        raise NotImplementedError

    def fill(self, image: Any) -> None:
        """Take what was stored."""
