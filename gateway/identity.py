"""Who somebody is: the session that a request or a handshake presents, and where its page comes from.

A session comes as ``Authorization: Bearer``, as the subprotocol ``bearer.<token>`` beside ours, or as the cookie, and
is checked before anything is allocated. One that is presented and proves nothing is refused, never replaced unseen.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from gateway.settings import GatewaySettings
from protocol.events import CONSUMER_BYTES
from protocol.refusals import Reason, Refusal
from protocol.sessions import (
    RENEW_AFTER_SECONDS,
    Session,
    TokenError,
    new_session,
    sign_session,
    verify_session,
)

COOKIE = "stanchion_session"
SUBPROTOCOL = "stanchion.v1"
BEARER_SUBPROTOCOL = "bearer."
GUEST_LEVEL = 0

_COOKIE = COOKIE.encode()


class Identity(Struct, frozen=True):
    """A session with its token; ``presented`` False: it was made just now."""

    session: Session
    token: str
    presented: bool


class Caller:
    """What a request or handshake says about who makes it: its headers, read once, and its query when asked for."""

    __slots__ = ("_query", "authorization", "cookie", "fetch_site", "host", "origin", "subprotocols")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        last: dict[bytes, bytes] = dict(scope["headers"])
        self.authorization = last.get(b"authorization", b"")
        self.cookie = last.get(b"cookie", b"")
        self.fetch_site = last.get(b"sec-fetch-site", b"")
        self.host = last.get(b"host", b"")
        self.origin = last.get(b"origin", b"")
        self.subprotocols: Iterable[str] = scope.get("subprotocols", ())
        self._query: bytes = scope.get("query_string", b"")

    def parameters(self, name: str) -> list[str]:
        """The values of a parameter of the query."""
        if not self._query:
            return []
        pairs = parse_qsl(self._query.decode("latin-1"), keep_blank_values=True)
        return [value for key, value in pairs if key == name]

    def token(self) -> str | None:
        """The session token that is presented, unchecked."""
        word, _, token = self.authorization.partition(b" ")
        if word.lower() == b"bearer" and token:
            return token.strip().decode("latin-1")
        for subprotocol in self.subprotocols:
            if subprotocol.startswith(BEARER_SUBPROTOCOL):
                return subprotocol.removeprefix(BEARER_SUBPROTOCOL)
        pairs = [part.strip().partition(b"=") for part in self.cookie.split(b";")] if self.cookie else []
        values = [value for name, _, value in pairs if name == _COOKIE]
        return values[-1].decode("latin-1") if values else None


def identify(caller: Caller, settings: GatewaySettings, now: int) -> Identity | Refusal:
    """The session that is presented, a new guest where none is, or ``bad_token``. ``now`` in epoch seconds."""
    token = caller.token()
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


def renewed(identity: Identity, settings: GatewaySettings, now: int) -> Identity:
    """``identity``, with a session that lasts from ``now`` (epoch seconds) on where its own is a day old."""
    held = identity.session
    if now - held.issued < RENEW_AFTER_SECONDS:
        return identity
    session = new_session(held.consumer, held.level, now)
    return Identity(session, sign_session(session, settings.session_key_bytes), identity.presented)


def origin_refusal(caller: Caller, allowed: Iterable[str]) -> Refusal | None:
    """``bad_origin`` for a page from elsewhere: Origin is fine when absent, equal to Host, or ``allowed``."""
    if not caller.origin:
        return None
    origin = caller.origin.decode("latin-1")
    try:
        netloc = urlsplit(origin).netloc
    except ValueError as error:
        return Refusal(Reason.BAD_ORIGIN, {"detail": str(error)})
    return None if netloc == caller.host.decode("latin-1") or origin in allowed else Refusal(Reason.BAD_ORIGIN)


def is_from_elsewhere(caller: Caller) -> bool:
    """Whether a page of another site made this request without saying which: an image on it, say."""
    return caller.fetch_site == b"cross-site" and not caller.origin
