"""The session token and the receipt: compact, signed with HMAC-SHA-256, checked without any store.

A token is base64url, without padding, of ``body ‖ mac``; ``mac`` is the first 16 bytes of HMAC-SHA-256 over a
purpose byte and the body, so that a receipt never passes for a session. The key and the time are arguments.

session body: version (1 byte), consumer (16), level (1), issued (4), expires (4; epoch seconds, big-endian)
receipt body: version (1 byte), consumer (16), ticket (8), hats (1), then ``<experience>/<path>`` in UTF-8
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from struct import Struct as Layout

from msgspec import Struct

SESSION_SECONDS = 30 * 86_400
RENEW_AFTER_SECONDS = 86_400
KEY_BYTES = 32
TOKEN_LENGTH_MAX = 512

_VERSION = 1
_MAC_BYTES = 16
_SESSION = Layout(">B16sBII")
_RECEIPT = Layout(">B16sQB")
_SESSION_PURPOSE = b"s"
_RECEIPT_PURPOSE = b"r"


class TokenError(ValueError):
    """The token is malformed, forged or expired; ``reason`` is one of these words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token is {reason}")
        self.reason = reason


class Session(Struct, frozen=True, gc=False):
    """Who this is: 16-byte consumer id, level (index into ``states.LEVELS``), times in epoch seconds."""

    consumer: bytes
    level: int
    issued: int
    expires: int


class Receipt(Struct, frozen=True, gc=False):
    """Proof of a join: this consumer holds this ticket with so many hats."""

    consumer: bytes
    experience: str
    path: str
    ticket: int
    hats: int


def new_session(consumer: bytes, level: int, now: int) -> Session:
    """A session of ``SESSION_SECONDS`` from ``now`` (epoch seconds)."""
    return Session(consumer, level, now, now + SESSION_SECONDS)


def sign_session(session: Session, key: bytes) -> str:
    """The token of a session."""
    body = _SESSION.pack(_VERSION, session.consumer, session.level, session.issued, session.expires)
    return _seal(body, _SESSION_PURPOSE, key)


def verify_session(token: str, key: bytes, now: int) -> Session:
    """The session that ``token`` proves at ``now`` (epoch seconds). Raises TokenError."""
    body = _unseal(token, _SESSION_PURPOSE, key)
    if len(body) != _SESSION.size or body[0] != _VERSION:
        raise TokenError("malformed")
    _, consumer, level, issued, expires = _SESSION.unpack(body)
    if now >= expires:
        raise TokenError("expired")
    return Session(consumer, level, issued, expires)


def sign_receipt(receipt: Receipt, key: bytes) -> str:
    """The token of a receipt."""
    body = _RECEIPT.pack(_VERSION, receipt.consumer, receipt.ticket, receipt.hats)
    return _seal(body + f"{receipt.experience}/{receipt.path}".encode(), _RECEIPT_PURPOSE, key)


def verify_receipt(token: str, key: bytes) -> Receipt:
    """The receipt that ``token`` proves. Raises TokenError."""
    body = _unseal(token, _RECEIPT_PURPOSE, key)
    if len(body) < _RECEIPT.size or body[0] != _VERSION:
        raise TokenError("malformed")
    _, consumer, ticket, hats = _RECEIPT.unpack_from(body)
    experience, _, path = body[_RECEIPT.size :].decode().partition("/")
    return Receipt(consumer, experience, path, ticket, hats)


def _mac(body: bytes, purpose: bytes, key: bytes) -> bytes:
    return hmac.digest(key, purpose + body, "sha256")[:_MAC_BYTES]


def _seal(body: bytes, purpose: bytes, key: bytes) -> str:
    return _encode(body + _mac(body, purpose, key))


def _encode(sealed: bytes) -> str:
    """The only spelling that is taken: the decoder alone would let stray characters and spare bits pass."""
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unseal(token: str, purpose: bytes, key: bytes) -> bytes:
    if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
        raise TokenError("malformed")
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except Base64Error as error:
        raise TokenError("malformed") from error
    if _encode(sealed) != token:
        raise TokenError("malformed")
    body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, purpose, key)):
        raise TokenError("forged")
    return body
