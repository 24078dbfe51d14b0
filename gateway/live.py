"""``/live``: the handshake of a socket. What is known then is refused before the upgrade, with a problem document.

Hands over to: `gateway.edge.asgi`, which holds the socket from then on.
"""

from starlette.websockets import WebSocket

from gateway import conversations
from gateway.arrivals import Arrival, arrive
from gateway.edge.asgi import hold
from gateway.edge.outbox import Outbox
from gateway.hub import Hub
from gateway.identity import SUBPROTOCOL
from gateway.problems import problem
from protocol.close_codes import CloseCode
from protocol.refusals import Refusal


async def live(websocket: WebSocket) -> None:
    """One socket, from handshake to end."""
    hub: Hub = websocket.app.state.hub
    with hub.bouncer.handshake():
        arrival = await arrive(hub, websocket, websocket.path_params["experience"])
        if isinstance(arrival, Refusal):
            hub.metrics.refusals.labels(arrival.reason).inc()
            await websocket.send_denial_response(problem(arrival, websocket.url.path))
            return
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    hub.metrics.handshakes.labels("socket").inc()
    with hub.bouncer.guest():
        await _stay(hub, websocket, arrival)


async def _stay(hub: Hub, websocket: WebSocket, arrival: Arrival) -> None:
    outbox = Outbox()
    room, socket = arrival.room, arrival.socket(outbox)
    per_second = hub.settings.frames_per_second_max
    if not room.live:  # its log turned out to be another one while the handshake was answered
        await websocket.close(CloseCode.BUSY)
        return
    conversations.enter(room, socket, arrival.commands, arrival.new_session)
    try:
        await hold(websocket, outbox, lambda data: conversations.receive(room, socket, data, per_second))
    finally:
        room.leave(socket)
