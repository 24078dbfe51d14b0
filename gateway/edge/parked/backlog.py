"""What one slow socket could not take yet. It exists only while the socket is behind. Pure; ticks are arguments.

First stands what is left of a frame that is half written: it must go out whole, whatever is told meanwhile. Behind it
wait whole frames in the order of telling, behind them the close. A state for which there is no room is dropped, and its
key noted: it is to be told as it stands when all is through. A fact is never dropped: one for which there is no room
means that the socket is too slow to be held on to.
"""

from enum import Enum

from gateway.edge.untold import Untold

Bytes = bytes | memoryview


class Kept(Enum):
    """What became of a frame that was told to a slow socket."""

    WAITS = "waits"
    DROPPED = "dropped"
    """A state was dropped: this one, or the one that it replaces."""
    TOO_MUCH = "too much"


class LastWords:
    """The close ``frame`` that ends all; ``shut``: after it nothing of the client is heard any more."""

    __slots__ = ("frame", "shut")

    def __init__(self, frame: bytes, *, shut: bool) -> None:
        self.frame = frame
        self.shut = shut


class Backlog:
    """``since`` and ``progress``: the ticks at which it fell behind and last took a byte. ``drop_at``: when the socket
    is dropped, whatever is through by then; None while there is hope. ``last_words``: follow when all is through, and
    nothing follows them. ``missed``: the keys of the states for which there was no room."""

    __slots__ = ("_bytes_max", "_rest", "_untold", "drop_at", "last_words", "missed", "progress", "since")

    def __init__(self, rest: Bytes, tick: int, bytes_max: int) -> None:
        self._rest = rest
        self._untold = Untold()
        self._bytes_max = bytes_max
        self.since = self.progress = tick
        self.drop_at: int | None = None
        self.last_words: LastWords | None = None
        self.missed: set[str] = set()

    def add(self, frame: bytes, state: str | None) -> Kept:
        """Keep ``frame`` until there is room in the socket. ``state`` None: a fact."""
        untold = self._untold
        replaces = state is not None and untold.drop(state)
        if len(untold) and untold.size + len(frame) > self._bytes_max:
            if state is None:
                return Kept.TOO_MUCH
            self.missed.add(state)
            return Kept.DROPPED
        untold.add(frame, state)
        if state is not None:
            self.missed.discard(state)
        return Kept.DROPPED if replaces else Kept.WAITS

    def next(self) -> Bytes | None:
        """What is to be written now, or None when all is through, the last words too. It stays until `wrote`."""
        if not self._rest:
            self._rest = self._untold.take() or b""
        if not self._rest and self.last_words is not None:
            self._rest, self.last_words.frame = self.last_words.frame, b""
        return self._rest or None

    def wrote(self, count: int, tick: int) -> None:
        """The socket took ``count`` bytes of `next`."""
        if count:
            self.progress = tick
            self._rest = memoryview(self._rest)[count:]

    def end_with(self, words: LastWords) -> None:
        """``words`` are the last ones, unless others are on their way already."""
        if self.last_words is None or self.last_words.frame:
            self.last_words = words
        else:
            self.last_words.shut = self.last_words.shut or words.shut

    def forget(self) -> None:
        """Drop every frame that is not begun."""
        self._untold.clear()
