"""Who is still there: an idle socket is asked, one that does not answer is gone.

A socket that was told something lately is not asked, for then the kernel finds out (``TCP_USER_TIMEOUT``). So whoever
tells each something every forty seconds spares all of them both the question and its answer. Pings are spread over the
slots, so that a crowd that came at once is not asked at once. Before anybody is judged their socket is
read once more: a loop that was late blames nobody.
"""

from collections.abc import Callable

from gateway.edge.parked.counts import Counts
from gateway.edge.parked.framing import PING
from gateway.edge.parked.limits import Limits
from gateway.edge.parked.sending import Sending
from gateway.edge.parked.slots import CLOSE_SENT, CLOSING, GONE, PINGED, SLOW, Slots

SPREAD_S = 2


class KeepAlive:
    """``read(slot)`` and ``lost(slot, reset)`` are called."""

    def __init__(
        self,
        slots: Slots,
        sending: Sending,
        counts: Counts,
        limits: Limits,
        read: Callable[[int], None],
        lost: Callable[[int, bool], None],
    ) -> None:
        self._slots = slots
        self._sending = sending
        self._counts = counts
        self._limits = limits
        self._read = read
        self._lost = lost

    def begin(self, slot: int) -> None:
        """A socket has come."""
        self._slots.wheel.set(slot, self._sending.tick + self._limits.idle_s_max - SPREAD_S)

    def due(self, slot: int) -> None:
        """The time of ``slot`` has come, for whatever it was set."""
        flags = self._slots.flags[slot]
        if flags & GONE:
            return
        if flags & CLOSE_SENT:
            self._lost(slot, True)
        elif flags & SLOW:
            self._sending.judge(slot)
        elif flags & PINGED and not self._answers(slot):
            self._counts.half_open += 1
            self._lost(slot, True)
        elif not self._slots.flags[slot] & (GONE | SLOW | CLOSING):
            self._ask_in_time(slot)

    def _answers(self, slot: int) -> bool:
        self._read(slot)
        return not self._slots.flags[slot] & PINGED or bool(self._slots.flags[slot] & GONE)

    def _ask_in_time(self, slot: int) -> None:
        tick = self._sending.tick
        due = self._slots.told[slot] + self._limits.idle_s_max - slot % SPREAD_S
        if due > tick:
            self._slots.wheel.set(slot, due)
            return
        self._counts.pings += 1
        self._slots.flags[slot] |= PINGED
        self._slots.wheel.set(slot, tick + self._limits.answer_s_max)
        self._sending.put(slot, PING, None)
