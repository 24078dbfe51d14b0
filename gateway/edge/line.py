"""A line: the way to one client as the hub sees it. The hub tells and never waits.

A **fact** is kept until it is through. A **state** (it comes with the key of what it is the state of) replaces the
state of the same key that is not through yet: a slow client gets the newest one later, never a backlog.
"""

from typing import Protocol


class Line(Protocol):
    """What every edge offers: a socket, an event stream, a poll."""

    def tell(self, frame: bytes, state: str | None = None) -> None:
        """Pass on ``frame`` (JSON text) when the client can take it. ``state`` None: a fact."""
        ...

    def close(self, code: int) -> None:
        """End it with a WebSocket close code once everything told before is through. Idempotent."""
        ...
