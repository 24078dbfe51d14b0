"""``/r/<experience>/plain``: the waiting room without JavaScript, a page that refreshes itself.

It shows what a poll would tell. A GET makes no person and no place, so joining is a form that posts; the form may come
only from our own page. Whoever has joined keeps the place by the session cookie, as everywhere.
"""

import html
import time
from http import HTTPStatus
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import parse_qs

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.arrivals import arrived
from gateway.consumer_api import set_session_cookie
from gateway.endpoints import read_body
from gateway.hub import Hub
from gateway.problems import problem
from gateway.static_pages import SECURITY_HEADERS
from gateway.stays import act, look
from protocol import codec
from protocol.frames import (
    AdmittedFrame,
    DeclineFrame,
    JoinFrame,
    LeaveFrame,
    PhaseFrame,
    PositionFrame,
    RejoinFrame,
    ServerFrame,
    TicketFrame,
)
from protocol.refusals import Refusal

FORM_BYTES_MAX = 1_024

_ACTIONS: dict[str, type[LeaveFrame | DeclineFrame | RejoinFrame]] = {
    "leave": LeaveFrame,
    "decline": DeclineFrame,
    "rejoin": RejoinFrame,
}
_OVER = {
    "redeemed": ("Your checkout is under way", "Finish your order in the shop."),
    "completed": ("Thank you", "Your order is complete."),
    "expired": ("Your turn has passed", "The time to check out is over."),
    "left": ("You have left the line", "You can join again."),
    "lost": ("This is over", "Nothing is left, or the line has ended."),
    "refused": ("You cannot take part", "The shop has turned this ticket away."),
}


class View(NamedTuple):
    """The words of the page; ``action`` is markup."""

    headline: str
    figure: str = ""
    label: str = ""
    message: str = ""
    action: str = ""


class PlainPage:
    """The page and its forms."""

    def __init__(self) -> None:
        self._template = (files("gateway") / "pages" / "plain.html").read_text()

    def routes(self) -> list[Route]:
        """GET shows, POST acts and shows."""
        return [Route("/r/{experience}/plain", self.serve, methods=["GET", "POST"])]

    async def serve(self, request: Request) -> Response:
        """One request."""
        hub: Hub = request.app.state.hub
        content = await read_body(request, FORM_BYTES_MAX) if request.method == "POST" else None
        if isinstance(content, Refusal):
            return problem(content, request.url.path)
        with hub.bouncer.handshake():
            answer = await (self._show(hub, request) if content is None else self._act(hub, request, content))
        return problem(answer, request.url.path) if isinstance(answer, Refusal) else answer

    async def _show(self, hub: Hub, request: Request) -> Response | Refusal:
        arrival = await arrived(hub, request)
        if isinstance(arrival, Refusal):
            return arrival
        seen = await look(hub, arrival)
        if isinstance(seen, Refusal):
            return seen
        view = view_of([codec.decode_server_frame(frame) for frame in seen.frames])
        assert arrival.room.replica.document is not None, "whoever arrives finds a document"
        words = {"name": arrival.room.replica.document.name, "title": view.headline, **view._asdict()}
        words["refresh_seconds"] = str(max(1, seen.after_ms // 1000))
        page = self._template
        for name, text in words.items():
            page = page.replace(f"{{{{{name}}}}}", text if name == "action" else html.escape(text))
        return Response(page, headers=SECURITY_HEADERS | {"Cache-Control": "no-store"}, media_type="text/html")

    async def _act(self, hub: Hub, request: Request, content: bytes) -> Response | Refusal:
        arrival = await arrived(hub, request)
        if isinstance(arrival, Refusal):
            return arrival
        form = {name: values[0] for name, values in parse_qs(content.decode(errors="replace")).items()}
        make = _ACTIONS.get(form.get("action", ""))
        frame = JoinFrame() if make is None else make(path=form.get("path", ""))
        await act(hub, arrival, frame)
        answer = RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
        set_session_cookie(answer, arrival.identity.token, secure=hub.settings.secure_cookies)
        return answer


def view_of(frames: list[ServerFrame]) -> View:
    """What the page says of what a poll told."""
    last = {type(frame): frame for frame in frames}
    admitted, position, ticket = last.get(AdmittedFrame), last.get(PositionFrame), last.get(TicketFrame)
    phase = last.get(PhaseFrame)
    if isinstance(ticket, TicketFrame):
        return _over(ticket)
    if isinstance(admitted, AdmittedFrame):
        left_s = max(0, admitted.expires_at - admitted.now) // 1000
        link = f'<a id="checkout" class="button" href="{html.escape(admitted.checkout_url)}">To the checkout</a>'
        label = "minutes left to check out"
        return View("It is your turn", f"{left_s // 60}:{left_s % 60:02}", label, "", link + _form("decline", admitted))
    if isinstance(position, PositionFrame) and position.ahead is UNSET:
        message = "Chance decides the order at the opening."
        return View("You are in the lobby", str(position.of), "people are here", message, _form("leave", position))
    if isinstance(position, PositionFrame):
        wait = "" if not position.eta else f"About {_minutes(position.eta)}."
        if isinstance(phase, PhaseFrame) and isinstance(phase.paused, str):
            wait = "Paused at the moment; your place is safe."
        return View("You are in line", str(position.ahead), "people ahead of you", wait, _form("leave", position))
    if isinstance(phase, PhaseFrame) and phase.phase != "open":
        at = "" if phase.at is None else time.strftime("%d %B %Y, %H:%M UTC", time.gmtime(phase.at / 1000))
        return View("Not open yet" if phase.phase == "scheduled" else "Closed", at, "opens then" if at else "")
    return View("Welcome", message="Join the line to get your place.", action=_form("join", None))


def _over(ticket: TicketFrame) -> View:
    headline, message = _OVER.get(ticket.state, ("You are in line", ""))
    action = ""
    if ticket.may_rejoin is True:
        action = _form("rejoin", ticket)
    elif ticket.state in {"left", "expired"}:
        action = _form("join", None)
    return View(headline, message=message, action=action)


def _minutes(eta: tuple[int, int]) -> str:
    low, high = eta[0] // 60, -(-eta[1] // 60)
    return f"{high} min" if low == high else f"{low}–{high} min"


_LABELS = {
    "join": "Join the line",
    "leave": "Leave the line",
    "decline": "Give up my turn",
    "rejoin": "Take my place back",
}


def _form(action: str, frame: TicketFrame | PositionFrame | AdmittedFrame | None) -> str:
    path = "" if frame is None else html.escape(frame.path)
    return (
        f'<form method="post"><input type="hidden" name="path" value="{path}">'
        f'<button class="button" name="action" value="{action}">{_LABELS[action]}</button></form>'
    )
