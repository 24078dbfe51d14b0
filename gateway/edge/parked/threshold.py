"""Whoever was let in and has said nothing yet: a bare socket in one epoll, without transport or protocol.

Most of a crowd is accepted before its first bytes are there, so this is where most of a storm waits for a moment. The
bouncer watches everybody here, as at the door of any other server.

Hands over to: whoever hears first words.
"""

import asyncio
import select
from collections.abc import Callable

from gateway.edge.parked.bouncer import Bouncer
from gateway.edge.parked.doorway import Doorway

EVENTS_MAX = 256
"""Heard in one go, so that the loop goes on with its other work in between."""
READ_BYTES = 4_096
"""What a plain head may have; one that is longer is read on by a transport."""

Hear = Callable[[Doorway, bytes], None]


class Threshold:
    """``hear`` takes a connection with its first bytes. Whoever breaks off, or is silent too long, is dropped."""

    def __init__(self, bouncer: Bouncer, hear: Hear) -> None:
        self._bouncer = bouncer
        self._hear = hear
        self._silent: dict[int, _Silent] = {}
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._events)

    def enter(self, door: Doorway) -> None:
        """Hear ``door`` now, or once it has said something."""
        words = door.first_words(READ_BYTES)
        if words is None:
            silent = self._silent[door.fileno()] = _Silent(door, self._forget)
            self._epoll.register(door.fileno(), select.EPOLLIN)
            self._bouncer.watch(silent)
        else:
            self._spoken(door, words)

    def shut(self) -> None:
        """Drop whoever has not said a word. Idempotent."""
        if not self._epoll.closed:
            for silent in list(self._silent.values()):
                silent.cut()
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _events(self) -> None:
        for file, _ in self._epoll.poll(0, EVENTS_MAX):
            silent = self._silent.get(file)
            words = None if silent is None else silent.door.first_words(READ_BYTES)
            if silent is not None and words is not None:
                self._forget(silent)
                self._spoken(silent.door, words)

    def _forget(self, silent: "_Silent") -> None:
        del self._silent[silent.door.fileno()]
        self._epoll.unregister(silent.door.fileno())
        self._bouncer.unwatch(silent)

    def _spoken(self, door: Doorway, words: bytes) -> None:
        if words:
            self._hear(door, words)
        else:
            door.abort()


class _Silent:
    """What the bouncer knows of somebody here."""

    __slots__ = ("_forget", "door")

    def __init__(self, door: Doorway, forget: Callable[["_Silent"], None]) -> None:
        self.door = door
        self._forget = forget

    def cut(self) -> None:
        """They took too long."""
        self._forget(self)
        self.door.abort()
