"""The lot: where the sockets of one process wait. Everything that is told to somebody goes through here.

A parked socket is a bare descriptor in one epoll that hangs in the event loop, and a slot. To tell it a frame is one
write. What does not fit makes a backlog for that one socket, what it says makes an inbound, and both are gone when they
are done with. A **port** is a socket whose bytes somebody else writes (`slim`), a **line** one that another server
holds (`fallback`); both have slots, so the rest of the gateway sees no difference. Rules:

- **A descriptor or a slot is never used again before the turn of the loop in which it was lost is over**, and not
  before its handler has heard of it. Until then what is told to it goes nowhere. Whoever keeps slots over a wait keeps
  their stamps, and gives both.
- What epoll says is a hint: every read may find nothing.
- Frames reach one socket in the order of telling.

Hands over to: the `Handler`.
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.edge.line import Line
from gateway.edge.parked.backlog import LastWords
from gateway.edge.parked.counts import Counts
from gateway.edge.parked.descriptors import Descriptors
from gateway.edge.parked.framing import BROKEN, INTERNAL_ERROR, close_frame, text_frame
from gateway.edge.parked.hearing import Hearing
from gateway.edge.parked.keepalive import KeepAlive
from gateway.edge.parked.limits import PRODUCT, Limits
from gateway.edge.parked.port import Handler, Owner, Port
from gateway.edge.parked.sending import Keyed, Sending
from gateway.edge.parked.slots import CLOSING, GONE, LINE, NO_FILE, PORT, SLOW, Slots
from protocol.close_codes import CloseCode

TICK_S = 1.0

logger = logging.getLogger("stanchion.edge")
Slots32 = NDArray[np.int32]
Stamps = NDArray[np.uint32]


class Lot:
    """The sockets of this process. ``sockets_max`` bounds the bare descriptors; ``clock``: monotonic seconds."""

    def __init__(
        self,
        handler: Handler,
        sockets_max: int,
        limits: Limits = PRODUCT,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.limits = limits
        self.counts = Counts()
        self._handler = handler
        self._clock = clock
        self._began = 0.0
        self._slots = Slots()
        self._ports: dict[int, Port] = {}
        self._lines: dict[int, Line] = {}
        self._owners: dict[int, Owner] = {}
        self._descriptors = Descriptors(sockets_max)
        self._sending = Sending(
            self._slots, self._descriptors, self._ports, self.counts, limits, self._lose, self._broke, self._through
        )
        self._hearing = Hearing(self._slots, self._sending, self.counts, limits, self.received, self._lose)
        self._keep_alive = KeepAlive(self._slots, self._sending, self.counts, limits, self._read, self._lose)
        self._buried: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    # Opening and shutting

    def open(self) -> None:
        """Hang in the running loop. Nothing can be parked before."""
        self._loop = asyncio.get_running_loop()
        self._clock = self._clock or self._loop.time
        self._began = self._clock()
        self._loop.add_reader(self._descriptors.fileno(), self._events)
        self._timer = self._loop.call_later(TICK_S, self._turn_on)

    def shut(self) -> None:
        """Drop whoever is left, and leave the loop."""
        assert self._loop is not None and self._timer is not None, "it is open"
        self._timer.cancel()
        for slot in range(self._slots.capacity):
            if not self._slots.flags[slot] & GONE:
                self._lose(slot, False)
        self._bury()
        self._loop.remove_reader(self._descriptors.fileno())
        self._descriptors.close()
        self._loop = None

    @property
    def full(self) -> bool:
        """Nobody more can be parked now."""
        count = self._descriptors.count + len(self._ports) + len(self._lines)
        return self._loop is None or count >= self._descriptors.files_max

    @property
    def inbounds(self) -> int:
        """How many sockets are in the middle of saying something."""
        return len(self._hearing)

    # Parking

    def park(self, descriptor: int, first: bytes, owner: Owner | None = None, *, shared: bool = True) -> int | None:
        """Take over a socket; ``first`` are the first bytes to it. ``owner`` hears what is said until `hand_over`.

        ``shared``: a transport has ``descriptor`` and is about to be aborted, so a duplicate is parked.

        Returns:
            its slot, or None when there is no room: then not a byte was written.
        """
        file = self._descriptors.adopt(descriptor, shared=shared)
        if file is None:
            self.counts.no_room += 1
            return None
        slot = self._take(file, 0, owner)
        self._descriptors.assign(file, slot)
        self._sending.say(slot, first)
        return slot

    def moor(self, port: Port, first: bytes, owner: Owner | None = None) -> int:
        """The same for a socket whose bytes ``port`` writes."""
        slot = self._take(NO_FILE, PORT, owner)
        self._ports[slot] = port
        self._sending.say(slot, first)
        return slot

    def add_line(self, line: Line) -> int:
        """A slot for a socket that another server holds: what is told goes to ``line``; `lost` says that it is gone."""
        slot = self._take(NO_FILE, LINE, None)
        self._slots.wheel.clear(slot)
        self._lines[slot] = line
        return slot

    def peer(self, slot: int) -> str:
        """The address at the other end of a parked socket; "" where another holds it, or it is broken."""
        file = self._slots.files[slot]
        return "" if file == NO_FILE else self._descriptors.peer(file)

    def hand_over(self, slot: int) -> None:
        """From now on the handler hears what ``slot`` says."""
        del self._owners[slot]

    # Telling

    def tell(self, slot: int, text: bytes, state: str | None = None) -> None:
        """Tell one socket a frame, JSON text. ``state`` None: a fact; else the latest of that key is enough."""
        if self._slots.flags[slot] & LINE:
            self._tell_line(slot, text, state)
        else:
            self._sending.put(slot, text_frame(text), state)

    def tell_all(
        self, slots: Slots32, texts: Sequence[bytes], states: Sequence[Keyed], stamps: Stamps | None = None
    ) -> None:
        """Tell all of ``slots``, each of which stands there once, the same ``texts``: framed once, and one write. The
        caller cuts into chunks.

        ``states``: the same as (text, key) each, for those who may not have taken all that was told before; where
        ``texts`` say only what is new, these are whole. ``stamps`` as `stamps` gave them before a wait; those who are
        not the same any more are passed over.
        """
        if stamps is not None:
            slots = slots[self._slots.same(slots, stamps)]
        plain = self._slots.plain(slots)
        special = slots[~plain]
        slots = slots[plain] if len(special) else slots
        framed = [(text_frame(whole), key) for whole, key in states]
        self._sending.put_all(slots, b"".join(map(text_frame, texts)), framed, len(texts))
        for slot in special.tolist():
            for (whole, key), (in_frame, _) in zip(states, framed, strict=True):
                self._tell_special(slot, whole, in_frame, key)

    def tell_each(
        self, slots: Slots32, texts: Sequence[bytes], state: str | None, stamps: Stamps | None = None
    ) -> None:
        """Tell each of ``slots``, each of which stands there once, its own of ``texts``. ``stamps``: see `tell_all`."""
        plain = self._slots.plain(slots)
        same = np.ones(len(slots), np.bool_) if stamps is None else self._slots.same(slots, stamps)
        if plain.all() and same.all():
            self._sending.put_each(slots, [text_frame(text) for text in texts], state)
            return
        for slot, text, tell in zip(slots.tolist(), texts, same.tolist(), strict=True):
            if tell:
                self.tell(slot, text, state)

    def put(self, slot: int, frame: bytes) -> None:
        """Tell one socket that is no line a frame of any kind, framed already, as a fact."""
        self._sending.put(slot, frame, None)

    def keeps_up(self, slot: int) -> bool:
        """Nothing that was told to ``slot`` waits."""
        return not self._slots.flags[slot] & SLOW

    def stamps(self, slots: Slots32) -> Stamps:
        """What tells, after a wait, which of ``slots`` still have the owner they have now."""
        return self._slots.stamps(slots)

    def close(self, slot: int, code: int, reason: str = "") -> None:
        """Close with ``code`` after what was told is through. Idempotent; `Handler.closed` follows in its time."""
        flags = self._slots.flags[slot]
        if flags & (GONE | CLOSING):
            return
        self._slots.codes[slot] = code
        self._slots.flags[slot] |= CLOSING
        if flags & LINE:
            self._lines[slot].close(code)
        else:
            self._sending.say_last(slot, LastWords(close_frame(code, reason), shut=False))

    def _tell_special(self, slot: int, text: bytes, frame: bytes, state: str | None) -> None:
        if self._slots.flags[slot] & LINE:
            self._tell_line(slot, text, state)
        else:
            self._sending.put(slot, frame, state)

    def _tell_line(self, slot: int, text: bytes, state: str | None) -> None:
        if not self._slots.flags[slot] & (GONE | CLOSING):
            self._lines[slot].tell(text, state)
            self.counts.frames += 1

    # Hearing

    def feed(self, slot: int, data: bytes) -> None:
        """``data`` came from the socket of ``slot``: from its port, or before it was parked."""
        self._hearing.feed(slot, data)

    def hear(self, slot: int, message: str | bytes) -> None:
        """A line brought a whole message: within the same bounds as a socket of ours."""
        too_much = self._hearing.hear(slot, message)
        if too_much is not None:
            self.close(slot, too_much)

    def room(self, slot: int) -> None:
        """A port takes bytes again."""
        self._sending.flush(slot)

    def lost(self, slot: int, code: int | None = None) -> None:
        """The port or line of ``slot`` is gone; ``code``, if there was a close that this lot does not know of."""
        if code is not None and not self._slots.flags[slot] & GONE:
            self._slots.codes.setdefault(slot, code)
        self._lose(slot, False)

    def received(self, slot: int, message: str | bytes) -> None:
        """The socket of ``slot`` has said ``message``. A handler that fails costs this socket alone."""
        try:
            self._owners.get(slot, self._handler).received(slot, message)
        except Exception:
            logger.exception("a message could not be handled")
            self.close(slot, INTERNAL_ERROR)

    # The turns of the loop

    def _events(self) -> None:
        for slot, readable, writable in self._descriptors.events():
            if writable:
                self._sending.flush(slot)
            if readable:
                self._read(slot)

    def _read(self, slot: int) -> None:
        if self._slots.flags[slot] & (GONE | PORT):
            return
        try:
            data = self._descriptors.read(self._slots.files[slot], self.limits.read_bytes)
        except OSError as error:
            self._broke(slot, error)
            return
        if data:
            self.feed(slot, data)
        elif data is not None:
            self._lose(slot, False)

    def _turn_on(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(TICK_S, self._turn_on)
        self.turn()

    def turn(self) -> None:
        """See who is due by the clock."""
        assert self._clock is not None
        self._sending.tick = int((self._clock() - self._began) / TICK_S)
        for slot in self._slots.wheel.turn(self._sending.tick):
            self._keep_alive.due(slot)

    # The life of a slot

    def _take(self, file: int, flags: int, owner: Owner | None) -> int:
        slot = self._slots.take(file, flags, self._sending.tick)
        self._keep_alive.begin(slot)
        self.counts.parked += 1
        if owner is not None:
            self._owners[slot] = owner
        return slot

    def _through(self, slot: int, missed: set[str]) -> None:
        owner = self._owners.get(slot)
        if owner is not None:
            owner.drained(slot)
        elif missed:
            self._handler.missed(slot, missed)

    def _broke(self, slot: int, error: OSError) -> None:
        """The kernel times those who confirm nothing: the slow ones often sooner than the ladder does."""
        if error.errno == errno.ETIMEDOUT and self._slots.flags[slot] & SLOW:
            self.counts.too_slow += 1
            self._slots.codes.setdefault(slot, CloseCode.SLOW_CONSUMER)
        elif error.errno == errno.ETIMEDOUT:
            self.counts.half_open += 1
        self._lose(slot, False)

    def _lose(self, slot: int, reset: bool) -> None:
        """It is over; the rest is done when this turn is."""
        flags = self._slots.flags[slot]
        if flags & GONE:
            return
        self._slots.flags[slot] |= GONE
        self._sending.forget(slot)
        self._hearing.forget(slot)
        if flags & PORT:
            self._ports.pop(slot).drop()
        elif flags & LINE:
            del self._lines[slot]
        else:
            self._descriptors.lose(self._slots.files[slot], reset=reset)
        if not self._buried and self._loop is not None:
            self._loop.call_soon(self._bury)
        self._buried.append(slot)

    def _bury(self) -> None:
        while self._buried:
            slot = self._buried.pop()
            if self._slots.files[slot] != NO_FILE:
                self._descriptors.give_back(self._slots.files[slot])
            self.counts.parked -= 1
            code = self._slots.codes.get(slot, BROKEN)
            try:
                (self._owners.pop(slot, None) or self._handler).closed(slot, code)
            except Exception:
                logger.exception("a close could not be handled")
            self._slots.free(slot)
