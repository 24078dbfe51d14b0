"""Which entries of a log are safe, as its writer knows it: those that enough replicas of the store have.

Without replicas to wait for, an entry is safe when it can be read, and none says anything else. With them each entry
names the last one that is known to be safe (``Entry.durable``); gateways tell what lies behind it only later. So an
entry that says something is followed by another, an empty one if nothing else is due. Where replicas do not answer,
such an empty one asks again every ``ASK_AGAIN_MS``, and states run ahead meanwhile.

Hands over to: ``engine.writer``, which asks it what to write and when.
"""

from engine.io.append import LogEnd, Outcome
from protocol.streams import parse_entry_id

CONFIRM_MS = 10
"""So long after an entry that replicas have, the next one says so."""
ASK_AGAIN_MS = 500

assert CONFIRM_MS < ASK_AGAIN_MS


class Durability:
    """What is safe of the log that a take-over made end at ``end``. ``waits``: replicas must have it."""

    def __init__(self, end: LogEnd, *, waits: bool) -> None:
        self._waits = waits
        self._confirmed_id = end.durable
        self._told_id = end.entry_id
        """The last entry that says something."""
        self._doubtful = False

    @property
    def said(self) -> str:
        """``durable`` of the next entry."""
        return self._confirmed_id if self._waits else ""

    def appended(self, entry_id: str, outcome: Outcome, *, tells: bool) -> None:
        """This entry is in the log. ``tells``: it says something."""
        self._doubtful = outcome is not Outcome.CONFIRMED
        if not self._doubtful:
            self._confirmed_id = entry_id
        if tells:
            self._told_id = entry_id

    def due_ms(self, end: LogEnd) -> int | None:
        """From when on (log time) an entry is due behind ``end`` for nothing but this; None while all is said."""
        if not self._waits or _seq(self._told_id) <= _seq(end.durable):
            return None
        return end.now_ms + (ASK_AGAIN_MS if self._doubtful else CONFIRM_MS)


def _seq(entry_id: str) -> int:
    return parse_entry_id(entry_id)[1]
