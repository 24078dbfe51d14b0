"""Who waits until a replica has come so far as an entry."""

from collections.abc import Callable

from protocol.streams import parse_entry_id


class Waiters:
    """Those of one room. An entry is named by the number in its ID, which counts on through all writers."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Callable[[], None]]] = []

    def add(self, entry_id: str, then: Callable[[], None]) -> None:
        """``then`` is called by the `wake` that names ``entry_id`` or a later one. Raises ValueError for no ID."""
        self._waiting.append((parse_entry_id(entry_id)[1], then))

    def forget(self, then: Callable[[], None]) -> None:
        """``then`` waits no more."""
        self._waiting = [waiter for waiter in self._waiting if waiter[1] != then]

    def wake(self, entry_id: str) -> None:
        """The replica is at ``entry_id``."""
        if self._waiting:
            seq = parse_entry_id(entry_id)[1]
            due = [then for wanted, then in self._waiting if wanted <= seq]
            self._waiting = [waiter for waiter in self._waiting if waiter[0] > seq]
            for then in due:
                then()
