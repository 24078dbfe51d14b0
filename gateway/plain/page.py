"""The page without JavaScript and its forms: what a poll would tell, of the path that the address names or that matters
most.

A GET makes no person and no place, so whatever is done is a form that posts; the form may come only from our own page.
Whoever has joined keeps the place by the session cookie, as everywhere. What was refused is said once, on the page that
the form leads back to: only its reason is in the address.
"""

import html
import json
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.arrivals import Arrival, arrived
from gateway.consumer_api import set_session_cookie
from gateway.endpoints import read_body
from gateway.hub import Hub
from gateway.identity import COOKIE, Identity, renewed
from gateway.plain import any_kind, appointment, auction, draw, timed_release, waitlist
from gateway.plain.sheet import Sheet, View
from gateway.problems import problem
from gateway.static_pages import SECURITY_HEADERS
from gateway.stays import Look, act, look
from protocol import codec
from protocol.frames import JoinedFrame, Welcome
from protocol.refusals import MEANINGS, Reason, Refusal

FORM_BYTES_MAX = 1_024
FRESH_BYTES = 8
SINCE_DIGITS_MAX = 16
FIGURE_CHARS_MAX = 12
"""A figure of more, as a date is, stands there in smaller letters."""
_ACTIONS: Final = frozenset(
    {"join", "leave", "decline", "rejoin", "choose", "claim", "bid", "book", "reschedule", "cancel"}
)
_FIELDS: Final = ("path", "variant", "code", "offer", "price", "max", "id", "slot")
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_MARKUP: Final = frozenset({"action", "ways", "refresh"})
_KINDS: Final[dict[str, tuple[Callable[[Sheet], View], any_kind.Words]]] = {
    "appointment": (appointment.view, appointment.WORDS),
    "auction": (auction.view, auction.WORDS),
    "draw": (draw.view, draw.WORDS),
    "queue": (any_kind.view, any_kind.LINE),
    "timed_release": (timed_release.view, timed_release.WORDS),
    "waitlist": (waitlist.view, waitlist.WORDS),
}
_RANKS: Final = ("admitted", "redeemed", "offered", "held", "booked", "waiting")
_PHASES: Final = ("open", "lobby", "scheduled", "settling", "ended")


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
            arrival = await arrived(hub, request)
            if isinstance(arrival, Refusal):
                answer: Response | Refusal = _turned_away(request, arrival)
            elif content is None:
                answer = await self._show(hub, request, arrival)
            else:
                answer = await _act(hub, request, arrival, content)
            if isinstance(answer, Response) and isinstance(arrival, Arrival):
                _keep_session(hub, answer, arrival.identity, acted=content is not None)
        return problem(answer, request.url.path) if isinstance(answer, Refusal) else answer

    async def _show(self, hub: Hub, request: Request, arrival: Arrival) -> Response | Refusal:
        seen = await look(hub, arrival)
        if isinstance(seen, Refusal):
            return seen
        sheets, name = sheets_of(seen, request.query_params.get("form", ""), _since(request))
        if not sheets:
            return Refusal(Reason.NOT_FOUND, {"detail": "no path of this experience is shown to everybody"})
        shown = focus(sheets, request.query_params.get("path", ""))
        words = _places(name, sheets, shown, seen.after_ms, request.query_params.get("said", ""))
        page = _PLACE.sub(lambda place: _filled(words, place[1]), self._template)
        return Response(page, headers=SECURITY_HEADERS | {"Cache-Control": "no-store"}, media_type="text/html")


async def _act(hub: Hub, request: Request, arrival: Arrival, content: bytes) -> Response:
    form = {name: values[0] for name, values in parse_qs(content.decode(errors="replace")).items()}
    refused, path = await _refusal(hub, arrival, form)
    query = {"path": path, "said": "" if refused is None else str(refused)}
    told = urlencode({name: text for name, text in query.items() if text})
    return RedirectResponse(f"{request.url.path}?{told}" if told else request.url.path, HTTPStatus.SEE_OTHER)


def _keep_session(hub: Hub, answer: Response, identity: Identity, *, acted: bool) -> None:
    """Whoever has ``acted`` keeps who they are from now on; a visit alone makes an old session last."""
    kept = renewed(identity, hub.settings, int(time.time()))
    if acted or kept is not identity:
        set_session_cookie(answer, kept.token, secure=hub.settings.secure_cookies)


def _turned_away(request: Request, refusal: Refusal) -> Response | Refusal:
    """A cookie that proves nothing any more is taken back: nobody can do that on a page without script."""
    if refusal.reason != Reason.BAD_TOKEN or "authorization" in request.headers or COOKIE not in request.cookies:
        return refusal
    anew = RedirectResponse(f"{request.url.path}?{urlencode({'said': refusal.reason})}", HTTPStatus.SEE_OTHER)
    anew.delete_cookie(COOKIE, path="/")
    return anew


async def _refusal(hub: Hub, arrival: Arrival, form: dict[str, str]) -> tuple[str | None, str]:
    """Do what a form asks for: why it was refused, or None, and the path that it was done in."""
    path = form.get("path", "")
    try:
        answer = await act(hub, arrival, codec.decode_client_frame(frame_of(form)))
    except codec.DecodeError:
        return Reason.INVALID, path
    if isinstance(answer, Refusal):
        return answer.reason, path
    frame = codec.decode_server_frame(answer)
    return None, frame.path if isinstance(frame, JoinedFrame) else path


def frame_of(form: dict[str, str]) -> str:
    """The client's frame that a form stands for, as JSON text; what it has that no form has is not looked at."""
    action = form.get("action", "")
    fields = {name: form[name] for name in _FIELDS if form.get(name)}
    if "max" in fields:
        fields["max"] = fields["max"].strip().replace(",", ".")
    return json.dumps({"type": action if action in _ACTIONS else "", **fields})


def sheets_of(seen: Look, form: str = "", since: int = 0) -> tuple[list[Sheet], str]:
    """What a poll told of each path that it showed, in order, and the name of the experience."""
    welcome = codec.decode_server_frame(seen.welcome)
    assert isinstance(welcome, Welcome), "the first frame is welcome"
    frames = [codec.decode_server_frame(frame) for frame in seen.frames]
    shown, fresh = welcome.experience, secrets.token_hex(FRESH_BYTES)
    return [Sheet(welcome, path, frames, form=form, since=since, fresh=fresh) for path in shown.paths], shown.name


def focus(sheets: list[Sheet], named: str) -> Sheet:
    """The path that the page speaks of: the one that is ``named``, else that of the ticket that is furthest on, else
    the first by priority whose phase leads on soonest."""
    for sheet in sheets:
        if sheet.view.id == named:
            return sheet
    held = [sheet for sheet in sheets if sheet.state in _RANKS]
    if held:
        return min(held, key=lambda sheet: _RANKS.index(sheet.state))
    over = [sheet for sheet in sheets if sheet.state]
    return over[0] if over else min(sheets, key=lambda sheet: _PHASES.index(sheet.phase))


def view_of(sheet: Sheet) -> View:
    """What the page says of a path."""
    return _KINDS[sheet.view.kind][0](sheet)


def _places(name: str, sheets: list[Sheet], shown: Sheet, after_ms: int, said: str) -> dict[str, str]:
    """What stands in the places of the template."""
    view, path = view_of(shown), shown.view.id
    again = html.escape(urlencode({"path": path}))
    refresh = f'<meta http-equiv="refresh" content="{max(1, after_ms // 1000)}; url=?{again}">'
    look_again = "This page waits for you." if view.still else "This page refreshes itself."
    several = len(sheets) > 1
    return {
        "name": name,
        "title": view.headline,
        "headline": view.headline,
        "way": shown.name if several else "",
        "figure": view.figure,
        "size": "long" if len(view.figure) > FIGURE_CHARS_MAX else "",
        "label": view.label,
        "message": view.message,
        "problem": MEANINGS[Reason(said)].sentence if said in set(Reason) else "",
        "action": view.action,
        "ways": "".join(_way(sheet, sheet is shown) for sheet in sheets) if several else "",
        "refresh": "" if view.still else refresh,
        "foot": f"{look_again} {_KINDS[shown.view.kind][1].foot}",
    }


def _filled(words: dict[str, str], place: str) -> str:
    return words[place] if place in _MARKUP else html.escape(words[place])


def _way(sheet: Sheet, current: bool) -> str:
    """The entry of a path among the ways in."""
    address, here = html.escape(urlencode({"path": sheet.view.id})), ' aria-current="true"' if current else ""
    name, status = html.escape(sheet.name), html.escape(view_of(sheet).headline)
    return f'<li><a href="?{address}"{here}><strong>{name}</strong><span class="status">{status}</span></a></li>'


def _since(request: Request) -> int:
    since = request.query_params.get("since", "")
    return int(since) if since.isascii() and since.isdecimal() and len(since) <= SINCE_DIGITS_MAX else 0
