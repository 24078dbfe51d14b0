"""A column: one number for each of many, in an array that grows by doubling, with a numpy view of the same memory.

Single numbers are read and written in the array, which is fast one at a time; a crowd is looked at through the view,
which is fast at once. The view is made anew when the array grows, so nobody keeps one over a `Column.reach`. Pure.
"""

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMN_MIN = 64

_DTYPES = {"b": np.int8, "B": np.uint8, "H": np.uint16, "i": np.int32, "I": np.uint32, "q": np.int64}


class Column:
    """``one[index]`` is a number, ``all`` are all. ``code``: the array's type code; new numbers are ``empty``."""

    __slots__ = ("_code", "_empty", "all", "one")

    def __init__(self, code: str, empty: int = 0) -> None:
        self._code = code
        self._empty = empty
        self._take(array(code, [empty]) * COLUMN_MIN)

    def reach(self, index: int) -> None:
        """Make ``index`` one of the numbers."""
        missing = index + 1 - len(self.one)
        if missing > 0:
            self._take(self.one[:] + array(self._code, [self._empty]) * max(missing, len(self.one)))

    def _take(self, numbers: "array[int]") -> None:
        self.one = numbers
        self.all: NDArray[Any] = np.frombuffer(numbers, _DTYPES[self._code])
