"""How long people wait in a path, from the log alone: when each ticket joined, and the waits of those admitted lately.

Tickets join in batches, so the instants are kept as runs (first ticket, instant): a million tickets that came in
10,000 batches cost 10,000 pairs of 8 bytes each, and finding one is a bisection.
"""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise

RECENT_MAX = 10_000


class Waits:
    """The joins of one path and the last ``RECENT_MAX`` waits. Instants are the log's, in ms."""

    def __init__(self) -> None:
        self._firsts = array("q")
        self._joined_ms = array("q")
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_MAX)

    @property
    def runs(self) -> tuple[list[int], list[int]]:
        """First ticket and instant of each run, as differences to the run before: most of them are small."""
        return _differences(self._firsts), _differences(self._joined_ms)

    @property
    def recent(self) -> list[tuple[int, int]]:
        """(admitted at, waited ms) of those admitted lately."""
        return list(self._recent)

    @classmethod
    def of(cls, runs: tuple[list[int], list[int]], recent: Sequence[tuple[int, int]]) -> "Waits":
        """The waits that ``runs`` and ``recent`` tell of. Raises OverflowError for what is no instant."""
        waits = cls()
        waits._firsts, waits._joined_ms = (array("q", accumulate(column)) for column in runs)
        waits._recent.extend(recent)
        return waits

    def joined(self, first: int, now_ms: int) -> None:
        """Tickets from ``first`` on joined at ``now_ms``."""
        if not self._joined_ms or self._joined_ms[-1] != now_ms:
            self._firsts.append(first)
            self._joined_ms.append(now_ms)

    def joined_ms(self, ticket: int) -> int:
        """When a ticket that exists joined."""
        return self._joined_ms[bisect_right(self._firsts, ticket) - 1]

    def admitted(self, ticket: int, at: int) -> None:
        """``ticket`` was admitted for the first time."""
        self._recent.append((at, at - self.joined_ms(ticket)))

    def percentiles(self, since_ms: int, parts: tuple[int, ...]) -> list[int] | None:
        """The waits (ms) of which ``parts`` percent of those admitted since then had none longer; None for nobody."""
        waits = sorted(wait for at, wait in self._recent if at >= since_ms)
        if not waits:
            return None
        return [waits[max(0, -(-len(waits) * part // 100) - 1)] for part in parts]


def _differences(column: Sequence[int]) -> list[int]:
    return [*column[:1], *(later - sooner for sooner, later in pairwise(column))]
