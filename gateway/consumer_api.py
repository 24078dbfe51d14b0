"""The consumer's endpoints over HTTP: session, public view, and the fallbacks that keep the same place as a socket.

``status`` and ``events`` tell the frames that a socket would get; ``commands`` takes the frames that a socket would
send and answers with the frame that answers. For the room each of them is a socket like any other, for a while.
"""

import time
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from gateway import bookings, draws, told
from gateway.arrivals import arrived, configured_room
from gateway.control.change import hub_of
from gateway.edge import sse
from gateway.endpoints import Call, Endpoint, Parameter, json_answer
from gateway.hub import Hub
from gateway.identity import COOKIE, GUEST_LEVEL, Caller, identify, new_guest, origin_refusal, renewed
from gateway.session import bad_frame
from gateway.stays import act, follow, look
from protocol.calendar import MEDIA_TYPE
from protocol.forms import Problem
from protocol.frames import ClientFrame, ConsumerView, ExperienceView, ServerFrame, Welcome
from protocol.proof import Proof
from protocol.refusals import Reason, Refusal
from protocol.sessions import SESSION_SECONDS

FRAME_BYTES_MAX = 4_096
GUESTS_ONLY: Final = "cannot be taken: this version makes guest sessions only"
_FIELDS_NAMED_MAX = 16


class SessionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing, or an empty object: this version makes guest sessions only."""


class SessionAnswer(Struct, frozen=True):
    """The session, also set as a cookie. Instants are epoch milliseconds."""

    session: Annotated[str, Meta(description="the token, for use as a bearer where there are no cookies")]
    consumer: ConsumerView
    expires_at: int
    now: int


class StatusAnswer(Struct, frozen=True):
    """What a socket would be told now, and when to ask again."""

    welcome: Welcome
    frames: list[ServerFrame]
    poll_after_ms: int


async def session(call: Call) -> Response | Refusal:
    """Make a guest session, or renew the one presented; one that is over or forged is replaced."""
    hub, now = hub_of(call), int(time.time())
    caller = Caller(call.request.scope)
    refusal = origin_refusal(caller, await _all_allowed_origins(hub)) or _more_than_a_guest(call.body)
    if refusal is not None:
        return refusal
    found = identify(caller, hub.settings, now)
    identity = renewed(new_guest(hub.settings, now) if isinstance(found, Refusal) else found, hub.settings, now)
    held = identity.session
    who = told.consumer(held.consumer, held.level)
    answer = json_answer(SessionAnswer(identity.token, who, held.expires * 1000, time.time_ns() // 1_000_000))
    set_session_cookie(answer, identity.token, secure=hub.settings.secure_cookies)
    return answer


def _more_than_a_guest(body: Any) -> Refusal | None:
    """The refusal of a body that asks for another session than a guest's: nobody is to take that for signed in."""
    if body == {}:
        return None
    names = list(body)[:_FIELDS_NAMED_MAX] if isinstance(body, dict) else ["$"]
    return Refusal(Reason.INVALID, {"errors": [Problem(name, GUESTS_ONLY) for name in names]})


def set_session_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Let the browser bring ``token`` along; no script can read it."""
    answer.set_cookie(COOKIE, token, max_age=SESSION_SECONDS, path="/", secure=secure, httponly=True, samesite="lax")


async def public_view(call: Call) -> Response | Refusal:
    """What anybody may know of an experience."""
    hub = hub_of(call)
    room = await configured_room(hub, call.request.path_params["experience"])
    if isinstance(room, Refusal):
        return room
    identity = identify(Caller(call.request.scope), hub.settings, int(time.time()))
    level = GUEST_LEVEL if isinstance(identity, Refusal) else identity.session.level
    return json_answer(told.experience_view(room.replica, level, room.now_ms(), outage=room.away))


async def status(call: Call) -> Response | Refusal:
    """The facts and present states that a socket would get."""
    hub = hub_of(call)
    with hub.bouncer.handshake():
        arrival = await arrived(hub, call.request)
        if isinstance(arrival, Refusal):
            return _counted(hub, arrival)
        hub.metrics.handshakes.labels("poll").inc()
        seen = await look(hub, arrival)
    if isinstance(seen, Refusal):
        return seen
    frames = [msgspec.Raw(frame) for frame in seen.frames]
    return json_answer({"welcome": msgspec.Raw(seen.welcome), "frames": frames, "poll_after_ms": seen.after_ms})


async def events(call: Call) -> Response | Refusal:
    """The frames of a socket as Server-Sent Events."""
    hub = hub_of(call)
    with hub.bouncer.handshake():
        arrival = await arrived(hub, call.request)
    if isinstance(arrival, Refusal):
        return _counted(hub, arrival)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if call.request.method == "HEAD":
        return StreamingResponse((), headers=headers, media_type=sse.MEDIA_TYPE)
    hub.metrics.handshakes.labels("events").inc()
    return StreamingResponse(follow(hub, arrival), headers=headers, media_type=sse.MEDIA_TYPE)


async def commands(call: Call) -> Response | Refusal:
    """One frame of a client, answered by the frame that answers it."""
    hub = hub_of(call)
    with hub.bouncer.handshake():
        arrival = await arrived(hub, call.request)
        if isinstance(arrival, Refusal):
            return _counted(hub, arrival)
        if not arrival.identity.presented:
            return Refusal(Reason.BAD_TOKEN, {"detail": "make a session first"})
        try:
            frame = msgspec.convert(call.body, ClientFrame)
        except msgspec.ValidationError as error:
            return bad_frame(error)
        answer = await act(hub, arrival, frame)
    if isinstance(answer, Refusal):
        return answer
    return Response(answer, headers={"Cache-Control": "no-store"}, media_type="application/json")


async def plain_live(_call: Call) -> Response | Refusal:
    """The socket's address, asked for without an upgrade: sockets never get here."""
    return Refusal(Reason.INVALID, {"detail": "this is the address of a WebSocket: ask for the upgrade"})


def _counted(hub: Hub, refusal: Refusal) -> Refusal:
    hub.metrics.refusals.labels(refusal.reason).inc()
    return refusal


async def _all_allowed_origins(hub: Hub) -> set[str]:
    documents = [room.replica.document for room in hub.all_rooms()]
    return {origin for document in documents if document is not None for origin in document.allowed_origins}


_SESSION = (
    Parameter("Authorization", "header", "Bearer <session token>, instead of the cookie"),
    Parameter(COOKIE, "cookie", "the session, as POST /v1/session sets it"),
)
_NAMED = (
    *_SESSION,
    Parameter("join", "query", "path to join, empty: by priority; only with a session", repeated=True),
    Parameter("watch", "query", "path to be told the states of", repeated=True),
)
_AT_THE_DOOR = (
    *(Reason.NOT_FOUND, Reason.BAD_TOKEN, Reason.BAD_ORIGIN, Reason.INVALID),
    *(Reason.TOO_MANY, Reason.BUSY, Reason.ENGINE_AWAY),
)
_NEVER_OF_A_FRAME = frozenset(
    {Reason.IN_USE, Reason.STOCK_BELOW_SOLD, Reason.NOT_CLOSED, Reason.NO_BEACON, Reason.LIMIT_REACHED}
    | {Reason.BAD_KEY, Reason.NOT_ALLOWED, Reason.BAD_METHOD}
)
"""What only merchants and machines are told: a reason that is new is told to consumers unless it stands here."""
_ROOM = "/v1/experiences/{experience}"

CONSUMER_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path=f"{_ROOM}/live",
        handler=plain_live,
        summary="The WebSocket",
        description="Frames are JSON text: the schemas ClientFrame and ServerFrame. The subprotocol stanchion.v1 may "
        "be asked for; beside it, bearer.<session token> brings the session where neither cookie nor header can. "
        "Without a session one is made, returned in welcome, and nobody is joined.",
        tag="consumer",
        statuses=(101,),
        parameters=_NAMED,
        refusals=_AT_THE_DOOR,
    ),
    Endpoint(
        method="POST",
        path="/v1/session",
        handler=session,
        summary="Make or renew a guest session",
        description="The body is empty or {}. This version makes guest sessions only: what else a body has, such as an "
        "assertion or a hand-off, is refused as invalid, each field named.",
        tag="consumer",
        takes=SessionBody,
        checked=False,
        gives=SessionAnswer,
        parameters=_SESSION,
        refusals=(Reason.BAD_ORIGIN,),
    ),
    Endpoint(
        method="GET",
        path=_ROOM,
        handler=public_view,
        summary="The public view of an experience",
        tag="consumer",
        gives=ExperienceView,
        parameters=_SESSION,
        refusals=(Reason.NOT_FOUND, Reason.ENGINE_AWAY),
    ),
    Endpoint(
        method="GET",
        path=f"{_ROOM}/paths/{{path}}/proof",
        handler=draws.proof,
        summary="The proof of a draw",
        description="Before the draw: the rule, the commitment, the beacon that is named and, once closed, the root.",
        tag="consumer",
        gives=Proof,
        refusals=(Reason.NOT_FOUND, Reason.ENGINE_AWAY),
    ),
    Endpoint(
        method="GET",
        path=f"{_ROOM}/paths/{{path}}/booking.ics",
        handler=bookings.booking,
        summary="My booking, as a file for a calendar",
        description="iCalendar (RFC 5545). A booking that was moved keeps its UID and has a higher SEQUENCE.",
        tag="consumer",
        media_type=MEDIA_TYPE,
        parameters=_SESSION,
        refusals=_AT_THE_DOOR,
    ),
    Endpoint(
        method="GET",
        path=f"{_ROOM}/status",
        handler=status,
        summary="What a socket would be told now",
        description="The polling fallback. Without a session it makes one, returned in welcome, and joins nobody.",
        tag="consumer",
        gives=StatusAnswer,
        parameters=_NAMED,
        refusals=_AT_THE_DOOR,
    ),
    Endpoint(
        method="GET",
        path=f"{_ROOM}/events",
        handler=events,
        summary="The frames of a socket as Server-Sent Events",
        description="The id of an event is that of the event entry up to which it holds; nothing is replayed.",
        tag="consumer",
        media_type=sse.MEDIA_TYPE,
        parameters=_NAMED,
        refusals=_AT_THE_DOOR,
    ),
    Endpoint(
        method="POST",
        path=f"{_ROOM}/commands",
        handler=commands,
        summary="Send one client frame, get the frame that answers it",
        tag="consumer",
        takes=ClientFrame,
        checked=False,
        body_bytes_max=FRAME_BYTES_MAX,
        gives=ServerFrame,
        parameters=_SESSION,
        refusals=tuple(reason for reason in Reason if reason not in _NEVER_OF_A_FRAME),
    ),
)
