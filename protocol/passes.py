"""The pass: a JWT that proves an admission to the merchant's checkout (RFC 7519, EdDSA with Ed25519 as RFC 8037).

Every gateway signs the same bytes, because all claims come from the log and Ed25519 is deterministic. The algorithm is
fixed here and never read from the token, so ``alg: none`` and key-confusion tricks have nothing to hold on to. An
offline check cannot stop a pass from being shown twice: single use is the ``redeem`` call.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import UNSET, Struct, UnsetType, ValidationError, convert, to_builtins

PASS_LENGTH_MAX = 2_000


class PassClaims(Struct, frozen=True):
    """What a pass says. Times are epoch seconds; ``aud`` is the experience, ``sub`` the consumer (hexadecimal),
    ``jti`` the admission (hexadecimal). ``variant`` and ``price`` (in the currency of the path) where the path has
    settled them."""

    iss: str
    aud: str
    sub: str
    jti: str
    path: str
    iat: int
    nbf: int
    exp: int
    variant: str | UnsetType = UNSET
    price: str | UnsetType = UNSET


class PassError(ValueError):
    """The pass proves nothing; ``reason``: malformed, bad_algorithm, unknown_key, bad_signature, wrong_issuer,
    wrong_experience, not_yet or expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the pass is refused: {reason}")
        self.reason = reason


def sign(claims: PassClaims, kid: str, key: Ed25519PrivateKey) -> str:
    """The pass as a compact JWT; equal claims give equal bytes."""
    header = _encode({"alg": "EdDSA", "kid": kid, "typ": "JWT"})
    body = _encode(to_builtins(claims))
    return f"{header}.{body}.{_base64(key.sign(f'{header}.{body}'.encode()))}"


def verify(token: str, keys: Mapping[str, Ed25519PublicKey], *, audience: str, issuer: str, now: int) -> PassClaims:
    """The claims of a pass that is valid at ``now`` (epoch seconds) for ``audience``. Raises PassError."""
    header, claims, signed, signature = _parts(token)
    if header.get("alg") != "EdDSA":
        raise PassError("bad_algorithm")
    key = keys.get(header["kid"]) if isinstance(header.get("kid"), str) else None
    if key is None:
        raise PassError("unknown_key")
    try:
        key.verify(signature, signed)
    except InvalidSignature as error:
        raise PassError("bad_signature") from error
    found = _claims(claims)
    if found.iss != issuer:
        raise PassError("wrong_issuer")
    if found.aud != audience:
        raise PassError("wrong_experience")
    if now < found.nbf:
        raise PassError("not_yet")
    if now >= found.exp:
        raise PassError("expired")
    return found


def jwk(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    """The public key as a JWK (RFC 8037 §2)."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": kid,
        "x": _base64(key.public_bytes_raw()),
    }


def keys_of_jwks(document: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS document by kid; keys of other kinds are not ours and are left out."""
    return {
        entry["kid"]: Ed25519PublicKey.from_public_bytes(_unbase64(entry["x"]))
        for entry in document["keys"]
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519"
    }


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > PASS_LENGTH_MAX or not token.isascii():
        raise PassError("malformed")
    try:
        header, claims = (json.loads(_unbase64(part)) for part in parts[:2])
        signature = _unbase64(parts[2])
    except (ValueError, RecursionError) as error:
        raise PassError("malformed") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise PassError("malformed")
    return header, claims, f"{parts[0]}.{parts[1]}".encode(), signature


def _claims(claims: dict[str, Any]) -> PassClaims:
    try:
        return convert(claims, PassClaims)
    except ValidationError as error:
        raise PassError("malformed") from error


def _encode(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    """The bytes whose only spelling ``text`` is. Raises ValueError: the decoder alone lets stray characters and spare
    bits pass, so that a changed character would go unnoticed."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _base64(data) != text:
        raise ValueError("not the canonical base64url form")
    return data
