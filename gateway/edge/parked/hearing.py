"""What comes in: bytes to messages, within what one socket may say, and the client's side of a close.

An `Inbound` is made when a socket speaks and dropped when nothing is half said; for one whole short text frame, which
is what nearly all of them say, none is needed. A socket that says more frames in a second than it may, or bytes that
are no frames, hears why in a close frame, and nothing of it is heard any more.

Hands over to: `lot`, which passes messages on.
"""

from collections.abc import Callable

from gateway.edge.parked.backlog import LastWords
from gateway.edge.parked.counts import Counts
from gateway.edge.parked.framing import close_frame, whole_text
from gateway.edge.parked.inbound import Inbound, Message, Reply
from gateway.edge.parked.limits import Limits
from gateway.edge.parked.sending import Sending
from gateway.edge.parked.slots import CLOSE_SENT, CLOSING, ENDED, GONE, PINGED, Slots
from protocol.close_codes import CloseCode

_PONG = "\0pong"
"""The state that an answer to a ping is: only the latest is owed (RFC 6455 §5.5.3)."""
_DEAF = ENDED | GONE


class Hearing:
    """``received(slot, message)`` and ``lost(slot, reset)`` are told."""

    def __init__(
        self,
        slots: Slots,
        sending: Sending,
        counts: Counts,
        limits: Limits,
        received: Callable[[int, Message], None],
        lost: Callable[[int, bool], None],
    ) -> None:
        self._slots = slots
        self._sending = sending
        self._counts = counts
        self._limits = limits
        self._received = received
        self._lost = lost
        self._inbounds: dict[int, Inbound] = {}

    def __len__(self) -> int:
        """How many sockets are in the middle of saying something."""
        return len(self._inbounds)

    def feed(self, slot: int, data: bytes) -> None:
        """``data`` came from the socket of ``slot``."""
        self._slots.flags[slot] &= ~PINGED
        if self._slots.flags[slot] & _DEAF:
            return
        inbound = self._inbounds.get(slot)
        if inbound is None:
            text = whole_text(data)
            if text is not None and len(data) <= self._limits.message_bytes_max:
                self._hear_whole(slot, text)
                return
            inbound = self._inbounds[slot] = Inbound(self._limits)
        before = inbound.frames
        for said in inbound.feed(data):
            if self._says_too_much(slot, inbound.frames - before):
                return
            self._take(slot, said, inbound.ended)
            if self._slots.flags[slot] & _DEAF:
                return
        if not self._says_too_much(slot, inbound.frames - before):
            self._slots.count_spoken(slot, inbound.frames - before, self._sending.tick)
            if inbound.forgettable:
                self.forget(slot)

    def hear(self, slot: int, message: Message) -> CloseCode | None:
        """A line brought a whole ``message``; with what to close it, if that is more than it may say."""
        if self._slots.flags[slot] & (GONE | CLOSING):
            return None
        if len(message) > self._limits.message_bytes_max:
            return CloseCode.TOO_BIG
        if self._slots.spoken_in(slot, self._sending.tick) >= self._limits.frames_per_second_max:
            self._counts.too_many_frames += 1
            return CloseCode.TOO_MANY_FRAMES
        self._slots.count_spoken(slot, 1, self._sending.tick)
        self._counts.messages += 1
        self._received(slot, message)
        return None

    def forget(self, slot: int) -> None:
        """What was half said will not be finished."""
        self._inbounds.pop(slot, None)

    def _hear_whole(self, slot: int, text: str) -> None:
        if not self._says_too_much(slot, 1):
            self._slots.count_spoken(slot, 1, self._sending.tick)
            self._take(slot, text, None)

    def _take(self, slot: int, said: Message | Reply, ended: int | None) -> None:
        if not isinstance(said, Reply):
            if not self._slots.flags[slot] & CLOSING:
                self._counts.messages += 1
                self._received(slot, said)
        elif ended is None:
            self._sending.put(slot, said.frame, _PONG)
        elif self._slots.flags[slot] & CLOSE_SENT:
            self._lost(slot, False)
        else:
            self._slots.codes[slot] = ended
            self._end(slot, said.frame)

    def _says_too_much(self, slot: int, frames: int) -> bool:
        if self._slots.spoken_in(slot, self._sending.tick) + frames <= self._limits.frames_per_second_max:
            return False
        self._counts.too_many_frames += 1
        self._slots.codes.setdefault(slot, CloseCode.TOO_MANY_FRAMES)
        self._end(slot, close_frame(CloseCode.TOO_MANY_FRAMES))
        return True

    def _end(self, slot: int, close: bytes) -> None:
        self.forget(slot)
        self._slots.flags[slot] |= ENDED
        self._sending.say_last(slot, LastWords(close, shut=True), at_once=True)
