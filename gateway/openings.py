"""Handshakes: the commands that a new socket brings along, until they are answered and it is told how things stand.

While the engine is away, or it must be asked anew what somebody holds, their commands are kept here; `go_on` sends them
as soon as there is room for them.

Hands over to: `gateway.rooms`, which asks and tells.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from gateway import told
from gateway.asked import Asked
from gateway.session import ArrivalCommand
from gateway.sockets import Socket
from protocol import codec
from protocol.commands import Attach, Join
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from gateway.rooms import Room


class Openings:
    """Those of one room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._late: dict[Socket, list[ArrivalCommand]] = {}

    def open(self, socket: Socket, commands: list[ArrivalCommand]) -> None:
        """Send the commands of a handshake, or keep them until the engine is back; `opened` follows."""
        if self._room.away and commands:
            self._late[socket] = commands
            commands = []
        refused = [refusal.reason for command in commands if (refusal := self._ask(socket, command)) is not None]
        if socket.opening == 0 and Reason.NOT_FOUND in refused:
            self.open(socket, [self._attach(socket)])
        elif socket.opening == 0:
            self.opened(socket)

    def _ask(self, socket: Socket, command: ArrivalCommand) -> Refusal | None:
        """Send one command of a handshake, or tell why not."""
        path = command.path if isinstance(command, Join) else ""
        asked = Asked(command, socket=socket, path=path, opening=True)
        refusal = self._room.unknown_path(asked) or self._room.ask(asked)
        if refusal is None:
            socket.opening += 1
        else:
            self._room.voice.tell(socket, codec.encode_frame(told.error(refusal, path)))
        return refusal

    def _attach(self, socket: Socket) -> Attach:
        return Attach(self._room.people.person(socket).consumer)

    def opened(self, socket: Socket) -> None:
        """The handshake of ``socket`` is answered: tell it the states that it watches."""
        self._room.tell_states(socket, self._room.watched_paths(socket))
        then = self._room.people.sockets.on_open.get(socket.slot)
        if then is not None:
            self._room.voice.when_durable(then)

    def answered(self, socket: Socket) -> None:
        """One of the commands of this handshake is answered."""
        socket.opening -= 1
        if self._room.live and socket.opening == 0 and socket.here:
            self.opened(socket)

    def count_anew(self) -> None:
        """Answers that were lost with an entry are not waited for."""
        for socket in self._room.sockets_now():
            socket.opening = 0
        for asked in self._room.outgoing.waiting():
            if asked.socket is not None and asked.opening:
                asked.socket.opening += 1

    def caught_up(self, *, unseen: bool) -> None:
        """The room is live; ``unseen``: what those who are here hold must be asked for."""
        for socket in self._room.sockets_now():
            if socket.opening == 0 and unseen:
                self._late.setdefault(socket, [self._attach(socket)])
            elif socket.opening == 0:
                self.opened(socket)

    def go_on(self) -> None:
        """The engine answers: send what was kept, as much as may be on its way."""
        if self._late:
            for socket in list(islice(self._late, self._room.outgoing.spare)):
                self.open(socket, self._late.pop(socket))

    def forget(self, socket: Socket) -> None:
        """``socket`` is gone."""
        self._late.pop(socket, None)
