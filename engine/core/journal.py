"""The events of one step, in the order in which they happened. Joins that follow one another become one event."""

from protocol.events import AnyEvent, Joined


class Journal:
    """Collects events; ``take`` gives them and starts anew."""

    def __init__(self) -> None:
        self._events: list[AnyEvent] = []
        self._path = ""
        self._first = 0
        self._consumers = bytearray()
        self._hats = bytearray()

    def add(self, event: AnyEvent) -> None:
        """One event, behind the joins collected so far."""
        if self._hats:
            self._end_joins()
        self._events.append(event)

    def joined(self, path: str, first: int, consumers: bytes | bytearray, hats: bytes | bytearray) -> None:
        """Joins, one a byte of ``hats``, 16 bytes of ``consumers`` each; tickets of a path come in order."""
        if path != self._path and self._hats:
            self._end_joins()
        if not self._hats:
            self._path, self._first = path, first
        self._consumers += consumers
        self._hats += hats

    def _end_joins(self) -> None:
        self._events.append(Joined(self._path, self._first, bytes(self._consumers), bytes(self._hats)))
        self._consumers.clear()
        self._hats.clear()

    def take(self) -> list[AnyEvent]:
        """All events since the last call."""
        if self._hats:
            self._end_joins()
        events, self._events = self._events, []
        return events
