"""Which paths are watched, by a number: sockets that watch the same share one entry of a table. Pure.

Number 0 is every path that a socket may see, which is what most of them watch. An entry that nobody uses any more is
given to the next that is new, so that the table is no longer than there are sockets, whatever they ask for.
"""

import numpy as np
from numpy.typing import NDArray

EVERYTHING = 0


class Watchings:
    """Sets of paths by number, counted."""

    def __init__(self) -> None:
        self._sets: list[frozenset[str]] = [frozenset()]
        self._uses = [0]
        self._numbers: dict[frozenset[str], int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self, paths: frozenset[str] | None) -> int:
        """The number of ``paths`` for one more socket."""
        if paths is None:
            return EVERYTHING
        number = self._numbers.get(paths)
        if number is None:
            number = self._numbers[paths] = self._free.pop() if self._free else len(self._sets)
            if number == len(self._sets):
                self._sets.append(paths)
                self._uses.append(0)
            self._sets[number] = paths
        self._uses[number] += 1
        return number

    def free(self, number: int) -> None:
        """One socket less watches ``number``."""
        if number == EVERYTHING:
            return
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._numbers[self._sets[number]]
            self._sets[number] = frozenset()
            self._free.append(number)

    def paths(self, number: int) -> frozenset[str] | None:
        """What is watched; None: everything."""
        return None if number == EVERYTHING else self._sets[number]

    def watching(self, path: str) -> NDArray[np.bool_]:
        """By number: whether ``path`` is watched."""
        return np.array([number == EVERYTHING or path in paths for number, paths in enumerate(self._sets)], np.bool_)
