"""Who somebody is: the session that a request or a handshake presents, and where its page comes from.

A session comes as ``Authorization: Bearer``, as the subprotocol ``bearer.<token>`` beside ours, or as the cookie, and
is checked before anything is allocated. One that is presented and proves nothing is refused, never replaced unseen.
"""

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import HTTPConnection

from gateway.settings import GatewaySettings
from protocol.events import CONSUMER_BYTES
from protocol.refusals import Reason, Refusal
from protocol.sessions import Session, TokenError, new_session, sign_session, verify_session

COOKIE = "stanchion_session"
SUBPROTOCOL = "stanchion.v1"
BEARER_SUBPROTOCOL = "bearer."
GUEST_LEVEL = 0


class Identity(Struct, frozen=True):
    """A session with its token; ``presented`` False: it was made just now."""

    session: Session
    token: str
    presented: bool


def identify(connection: HTTPConnection, settings: GatewaySettings, now: int) -> Identity | Refusal:
    """The session that is presented, a new guest where none is, or ``bad_token``. ``now`` in epoch seconds."""
    token = presented_token(connection)
    if token is None:
        return new_guest(settings, now)
    try:
        return Identity(verify_session(token, settings.session_key_bytes, now), token, True)
    except TokenError as error:
        return Refusal(Reason.BAD_TOKEN, {"detail": str(error)})


def new_guest(settings: GatewaySettings, now: int) -> Identity:
    """A person whom nobody has seen before."""
    session = new_session(os.urandom(CONSUMER_BYTES), GUEST_LEVEL, now)
    return Identity(session, sign_session(session, settings.session_key_bytes), False)


def presented_token(connection: HTTPConnection) -> str | None:
    """The session token of a request or handshake, unchecked."""
    word, _, token = connection.headers.get("authorization", "").partition(" ")
    if word.lower() == "bearer" and token:
        return token.strip()
    for subprotocol in connection.scope.get("subprotocols", ()):
        if subprotocol.startswith(BEARER_SUBPROTOCOL):
            return str(subprotocol).removeprefix(BEARER_SUBPROTOCOL)
    return connection.cookies.get(COOKIE)


def origin_refusal(connection: HTTPConnection, allowed: Iterable[str]) -> Refusal | None:
    """``bad_origin`` for a page from elsewhere: Origin is fine when absent, equal to Host, or ``allowed``."""
    origin = connection.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == connection.headers.get("host") or origin in allowed:
        return None
    return Refusal(Reason.BAD_ORIGIN)


def is_from_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a page of another site made this request without saying which: an image on it, say."""
    return connection.headers.get("sec-fetch-site") == "cross-site" and "origin" not in connection.headers
