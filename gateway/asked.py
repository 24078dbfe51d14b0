"""Who asked for a command, and what becomes of it: the note that travels beside the command and comes back with it."""

from collections.abc import Callable

from gateway.outgoing import Answer
from gateway.sockets import Socket
from protocol.commands import Command
from protocol.frame_base import Ref

Done = Callable[[Answer, bytes | None], None]


class Asked:
    """``command``, asked for by ``socket`` (None: by the control or checkout interface).

    ``opening``: it belongs to the handshake of the socket. ``answered``: a fact has answered it. ``done`` is called at
    the end with how the command ended and, where a frame answered it, with that frame.
    """

    __slots__ = ("answered", "command", "done", "opening", "path", "ref", "socket")

    def __init__(
        self,
        command: Command,
        *,
        socket: Socket | None = None,
        path: str = "",
        ref: Ref | None = None,
        opening: bool = False,
        done: Done | None = None,
    ) -> None:
        self.command = command
        self.socket = socket
        self.path = path
        self.ref = ref
        self.opening = opening
        self.done = done
        self.answered = False
