"""What goes out: to those who keep up at once, to the slow ones bit by bit, and to nobody for ever.

A frame is written in the turn in which it is told. A socket that does not take all of it has a backlog from then on and
climbs the ladder: states are skipped, facts are kept; without progress for ``slow_s_max``, not through for
``behind_s_max``, or with more facts than may be kept, it hears 4508 if it can, and is dropped ``last_words_s_max``
later, with a reset, so that the kernel forgets what it never took.

Hands over to: `lot`, which is told who is lost.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from gateway.edge.parked.backlog import Backlog, Bytes, Kept, LastWords
from gateway.edge.parked.counts import Counts
from gateway.edge.parked.descriptors import Descriptors
from gateway.edge.parked.framing import close_frame
from gateway.edge.parked.limits import Limits
from gateway.edge.parked.port import Port
from gateway.edge.parked.slots import CLOSE_SENT, CLOSING, ENDED, GONE, PINGED, PORT, SLOW, Slots
from protocol.close_codes import CloseCode

Keyed = tuple[bytes, str | None]
"""A frame, and the key of the state that it is; None: a fact."""

LOST = -1
_MUTE = GONE | CLOSING | ENDED


class Sending:
    """``tick`` is set by whoever turns the wheel. ``lost(slot, reset)``, ``broke(slot, error)`` and ``through(slot,
    missed)`` are told: it is over, the system says so, it keeps up again, but for the states ``missed``."""

    def __init__(
        self,
        slots: Slots,
        descriptors: Descriptors,
        ports: dict[int, Port],
        counts: Counts,
        limits: Limits,
        lost: Callable[[int, bool], None],
        broke: Callable[[int, OSError], None],
        through: Callable[[int, set[str]], None],
    ) -> None:
        self.tick = 0
        self._slots = slots
        self._descriptors = descriptors
        self._ports = ports
        self._counts = counts
        self._limits = limits
        self._lost = lost
        self._broke = broke
        self._through = through
        self._backlogs: dict[int, Backlog] = {}

    def put(self, slot: int, frame: bytes, state: str | None) -> None:
        """Write ``frame``, or keep it if the socket is slow; nothing once its close is decided."""
        flags = self._slots.flags[slot]
        if flags & _MUTE:
            return
        if flags & SLOW:
            self._keep(slot, frame, state)
            return
        taken = self._write(slot, frame)
        if taken != LOST:
            self._slots.told[slot] = self.tick
            self._counts.frames += 1
            if taken != len(frame):
                self._fall_behind(slot, frame, taken, ((frame, state),))

    def put_all(self, slots: NDArray[np.int32], frame: bytes, states: Sequence[Keyed], count: int = 1) -> None:
        """Write ``frame``, or ``count`` of them one behind the other, to all of ``slots``: open bare descriptors that
        keep up, each of which stands there once; whoever takes nothing of it keeps ``states`` instead. The loop over
        them is the interpreter's own, and the rare ones come after it."""
        assert len(set(slots.tolist())) == len(slots), "a slot that stands there twice would get half a frame"
        taken = _written(self._slots.files_of(slots), repeat(frame))
        self._note_told(slots, count)
        if taken.count(len(frame)) != len(taken):
            for slot, bytes_taken in zip(slots.tolist(), taken, strict=True):
                self._after(slot, frame, bytes_taken, states)

    def put_each(self, slots: NDArray[np.int32], frames: Sequence[bytes], state: str | None) -> None:
        """The same with a frame of its own for each."""
        assert len(set(slots.tolist())) == len(slots), "a slot that stands there twice would get half a frame"
        taken = _written(self._slots.files_of(slots), frames)
        self._note_told(slots, 1)
        if taken != [len(frame) for frame in frames]:
            for slot, frame, count in zip(slots.tolist(), frames, taken, strict=True):
                self._after(slot, frame, count, ((frame, state),))

    def say(self, slot: int, data: bytes) -> None:
        """Write ``data``, the first bytes of a socket: of any length, and whole."""
        taken = self._write(slot, data)
        if taken not in (LOST, len(data)):
            self._begin_backlog(slot, memoryview(data)[taken:])

    def say_last(self, slot: int, words: LastWords, *, at_once: bool = False) -> None:
        """Close with ``words`` when all that was told is through; ``at_once``: when what is half written is."""
        if self._slots.flags[slot] & CLOSE_SENT:
            self.shut(slot)
            return
        self._slots.flags[slot] |= CLOSING
        backlog = self._backlogs.get(slot)
        if backlog is not None:
            if at_once:
                backlog.forget()
            backlog.end_with(words)
            return
        taken = self._write(slot, words.frame)
        if taken == len(words.frame):
            self._said_last(slot, words.shut, None)
        elif taken != LOST:
            rest, words.frame = memoryview(words.frame)[taken:], b""
            self._begin_backlog(slot, rest).last_words = words

    def flush(self, slot: int) -> None:
        """There may be room in a slow socket."""
        backlog = self._backlogs.get(slot)
        while backlog is not None and (data := backlog.next()) is not None:
            taken = self._write(slot, data)
            if taken == LOST:
                return
            backlog.wrote(taken, self.tick)
            if taken != len(data):
                return
            self._slots.told[slot] = self.tick
            self._counts.frames += 1
        if backlog is not None:
            self._catch_up(slot, backlog)

    def judge(self, slot: int) -> None:
        """A slow socket is due: give it a last chance, then time, or up."""
        self.flush(slot)
        backlog = self._backlogs.get(slot)
        if backlog is None:
            return
        if backlog.drop_at is not None and backlog.drop_at <= self.tick:
            self._lost(slot, True)
        elif backlog.drop_at is not None:
            self._slots.wheel.set(slot, backlog.drop_at)
        elif self._judgement(backlog) <= self.tick:
            self._give_up(slot, backlog)
        else:
            self._slots.wheel.set(slot, self._judgement(backlog))

    def forget(self, slot: int) -> None:
        """The socket is lost."""
        if self._backlogs.pop(slot, None) is not None:
            self._counts.slow -= 1

    def _write(self, slot: int, data: Bytes) -> int:
        try:
            if self._slots.flags[slot] & PORT:
                return self._ports[slot].write(data)
            return self._descriptors.write(self._slots.files[slot], data)
        except OSError as error:
            self._broke(slot, error)
            return LOST

    def _note_told(self, slots: NDArray[np.int32], frames: int) -> None:
        self._slots.mark_told(slots, self.tick)
        self._counts.frames += frames * len(slots)

    def _after(self, slot: int, frame: bytes, taken: int, states: Sequence[Keyed]) -> None:
        if taken == LOST:
            self._lost(slot, False)
        elif taken != len(frame):
            self._fall_behind(slot, frame, taken, states)

    def _fall_behind(self, slot: int, frame: bytes, taken: int, states: Sequence[Keyed]) -> None:
        """What is begun is ended; what is not is kept as ``states``."""
        self._begin_backlog(slot, memoryview(frame)[taken:] if taken else b"")
        for kept, state in () if taken else states:
            self._keep(slot, kept, state)

    def _begin_backlog(self, slot: int, rest: Bytes) -> Backlog:
        backlog = self._backlogs[slot] = Backlog(rest, self.tick, self._limits.kept_bytes_max)
        self._counts.slow += 1
        self._slots.flags[slot] |= SLOW
        self._slots.wheel.set(slot, self._judgement(backlog))
        self._watch_room(slot, True)
        return backlog

    def _keep(self, slot: int, frame: bytes, state: str | None) -> None:
        backlog = self._backlogs[slot]
        kept = backlog.add(frame, state)
        if kept is Kept.DROPPED:
            self._counts.dropped_states += 1
        elif kept is Kept.TOO_MUCH:
            self._give_up(slot, backlog)

    def _give_up(self, slot: int, backlog: Backlog) -> None:
        """The end of the ladder: a word if it can be heard, and a time at which it is over."""
        self._counts.too_slow += 1
        backlog.forget()
        backlog.last_words = LastWords(close_frame(CloseCode.SLOW_CONSUMER), shut=True)
        backlog.drop_at = self.tick + self._limits.last_words_s_max
        self._slots.flags[slot] |= CLOSING
        self._slots.codes[slot] = CloseCode.SLOW_CONSUMER
        self._slots.wheel.set(slot, backlog.drop_at)

    def _catch_up(self, slot: int, backlog: Backlog) -> None:
        self.forget(slot)
        self._slots.flags[slot] &= ~(SLOW | PINGED)  # who has taken all that waited is there, whatever was asked
        self._watch_room(slot, False)
        if backlog.last_words is not None:
            self._said_last(slot, backlog.last_words.shut, backlog.drop_at)
        else:
            self._slots.wheel.set(slot, self.tick + 1)
            self._through(slot, backlog.missed)

    def _said_last(self, slot: int, shut: bool, drop_at: int | None) -> None:
        self._slots.flags[slot] |= CLOSE_SENT
        if drop_at is None:
            drop_at = self.tick + self._limits.closing_s_max
        self._slots.wheel.set(slot, max(drop_at, self.tick + 1))
        if shut:
            self.shut(slot)

    def shut(self, slot: int) -> None:
        """Both sides have said what they had to say: close ours, and wait for the client's."""
        self._slots.flags[slot] |= ENDED
        try:
            if self._slots.flags[slot] & PORT:
                self._ports[slot].shut()
            else:
                self._descriptors.shut(self._slots.files[slot])
        except OSError:
            self._lost(slot, False)

    def _watch_room(self, slot: int, wanted: bool) -> None:
        if not self._slots.flags[slot] & PORT:
            self._descriptors.watch_room(self._slots.files[slot], wanted)

    def _judgement(self, backlog: Backlog) -> int:
        return min(backlog.progress + self._limits.slow_s_max, backlog.since + self._limits.behind_s_max)


def _written(files: list[int], frames: Iterable[bytes]) -> list[int]:
    """How much of its frame each of ``files`` took. What a write raises ends the inner loop, not the outer."""
    taken: list[int] = []
    writes = map(os.write, files, frames)
    while len(taken) < len(files):
        try:
            taken.extend(writes)
        except BlockingIOError:
            taken.append(0)
        except OSError:
            taken.append(LOST)
    return taken
