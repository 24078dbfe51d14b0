"""Whole frames that a client has not taken yet, in order of telling. Pure.

A newer **state** (it comes with the key of what it is the state of) leaves the place of the older one of its key and
goes to the end, so that it never overtakes a **fact** before it. How much may wait its owner decides.
"""


class Untold:
    """``size``: of all frames, in bytes. ``facts``: how many of them there are."""

    __slots__ = ("_frames", "_number", "facts", "size")

    def __init__(self) -> None:
        self._frames: dict[str | int, bytes] = {}
        self._number = self.facts = self.size = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: bytes, state: str | None) -> None:
        """Put ``frame`` at the end; the older one of ``state`` is gone. ``state`` None: a fact."""
        if state is None:
            self._number += 1
            self.facts += 1
            self._frames[self._number] = frame
        else:
            self.drop(state)
            self._frames[state] = frame
        self.size += len(frame)

    def drop(self, state: str) -> bool:
        """Forget the frame of ``state``; whether there was one."""
        older = self._frames.pop(state, None)
        self.size -= len(older or b"")
        return older is not None

    def take(self) -> bytes | None:
        """The oldest frame, or None."""
        if not self._frames:
            return None
        key = next(iter(self._frames))
        frame = self._frames.pop(key)
        self.size -= len(frame)
        self.facts -= isinstance(key, int)
        return frame

    def clear(self) -> None:
        """Forget them all."""
        self._frames.clear()
        self.facts = self.size = 0
