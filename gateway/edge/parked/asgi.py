"""The words of ASGI that the parked edge uses, and what it adds to them: the message `PARK`.

An app that has accepted its WebSocket may send ``{"type": "websocket.park", "parked": callable}`` as its last message.
The server then keeps the socket in its lot, calls ``parked`` with the slot, and the app ends. Whether a server knows
the message stands in ``scope["extensions"]``.
"""

from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any

from gateway.edge.parked.framing import BINARY, frame, text_frame

PARK = "websocket.park"
EXTENSIONS = (PARK, "websocket.http.response")

Message = dict[str, Any]
App = Callable[[Message, Callable[[], Coroutine[Any, Any, Message]], Any], Coroutine[Any, Any, None]]


class Gone(OSError):
    """The client is gone: what an app gets that still wants to tell it something."""


class State(Enum):
    """How far the handshake of an app is."""

    ASKED = auto()
    ACCEPTED = auto()
    """The app said so, the client does not know yet."""
    OPEN = auto()
    REFUSING = auto()
    """The app began an answer that is no 101."""
    OVER = auto()
    """Parked, closed, refused or gone: the app has nothing more to say."""


def frame_of(message: Message) -> bytes:
    """The frame of a ``websocket.send``."""
    text = message.get("text")
    return frame(BINARY, message["bytes"]) if text is None else text_frame(text.encode())
