"""``/live``: the handshake of a socket, as bare ASGI, for it is made by the ten thousand. What is known then is refused
before the upgrade, with a problem document.

On the parked edge an ordinary handshake never waits: the answer, `welcome` and the place in the lot are one turn, and
this coroutine ends. Under any other server the same app stays with its socket.

Hands over to: `gateway.edge.parked.fallback`, which leaves the socket to the lot; the hub hears of it from then on.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from gateway import conversations
from gateway.arrivals import Arrival, arrive
from gateway.edge.parked.asgi import PARK
from gateway.edge.parked.fallback import park
from gateway.hub import Hub
from gateway.identity import SUBPROTOCOL
from gateway.problems import problem
from gateway.sockets import TOGETHER_BYTES_MAX
from protocol.close_codes import CloseCode
from protocol.refusals import Reason, Refusal

DENIAL = "websocket.http.response"

_ADDRESS = re.compile(r"/v1/experiences/([^/]+)/live\Z")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]


class Live:
    """The app of every WebSocket."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._handshakes = hub.metrics.handshakes.labels("socket")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One socket, from handshake to where it is parked."""
        await receive()
        parks = PARK in scope.get("extensions", {})
        if parks:
            arrival = await self._arrive(scope)
        else:
            with self._hub.bouncer.handshake():
                arrival = self._hub.bouncer.refusal(self._hub.lot) or await self._arrive(scope)
        if isinstance(arrival, Refusal):
            await self._refuse(arrival, scope, receive, send)
            return
        first = self._first_frames(arrival)
        as_of = arrival.room.as_of if len(first) > 1 else None
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        for frame in first:
            await send({"type": "websocket.send", "text": frame.decode()})
        self._handshakes.inc()
        await park(scope, receive, send, self._hub.lot, lambda slot: self._parked(slot, arrival, as_of, line=not parks))

    async def _arrive(self, scope: Mapping[str, Any]) -> Arrival | Refusal:
        found = _ADDRESS.match(scope["path"])
        return Refusal(Reason.NOT_FOUND) if found is None else await arrive(self._hub, scope, found[1])

    async def _refuse(self, refusal: Refusal, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._hub.metrics.refusals.labels(refusal.reason).inc()
        if DENIAL in scope.get("extensions", {}):
            await problem(refusal, scope["path"])(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    def _first_frames(self, arrival: Arrival) -> list[bytes]:
        """`welcome`, and the states where they are short and the engine need not be asked anything first."""
        room, session = arrival.room, arrival.identity.session
        welcome = conversations.welcome(
            room, session, arrival.new_session, conversations.tickets(room, session.consumer)
        )
        states = [] if arrival.commands else room.first_states(session.level, arrival.watched)
        return [welcome, *states] if sum(map(len, states)) <= TOGETHER_BYTES_MAX else [welcome]

    def _parked(self, slot: int, arrival: Arrival, as_of: tuple[str, bool] | None, *, line: bool) -> None:
        room = arrival.room
        if not room.live:  # its log turned out to be another one while the handshake was answered
            self._hub.lot.close(slot, CloseCode.BUSY)
            return
        socket = conversations.enter(room, slot, arrival.identity.session, arrival.watched, line=line)
        if arrival.commands or room.as_of != as_of:  # no states were told first, or not those of now
            room.openings.open(socket, arrival.commands)
