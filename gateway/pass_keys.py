"""The Ed25519 keys that passes are signed with: read once at start from ``<folder>/<kid>.pem`` (PKCS8, not encrypted).

The last kid by name is the newest, on every gateway alike; new configurations name it. All keys of the folder sign and
verify, because an experience keeps the kid it was configured with; the two newest are published, so a new key stands
there before the old one goes. Which key signs is always said by the log, never chosen here.
"""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import UNSET, Struct, UnsetType

from protocol import passes
from protocol.passes import PassClaims

PUBLISHED_KEYS_MAX = 2


class PassKeysError(ValueError):
    """The folder holds no usable key; the message names the file and what is wrong with it."""


class Jwk(Struct, frozen=True):
    """A public key (RFC 8037 §2)."""

    kty: str
    crv: str
    use: str
    alg: str
    kid: str
    x: str


class Jwks(Struct, frozen=True):
    """The published public keys, the newest first."""

    keys: list[Jwk]


def claims_of(
    issuer: str,
    experience: str,
    path: str,
    *,
    consumer: bytes,
    admission: bytes,
    admitted_at: int,
    expires_at: int,
    variant: str = "",
    price: str | UnsetType = UNSET,
) -> PassClaims:
    """What the pass of an admission says. Instants are epoch milliseconds here, seconds in the claims. ``variant`` ""
    and ``price`` UNSET: not settled by the path."""
    issued = admitted_at // 1_000
    return PassClaims(
        iss=issuer,
        aud=experience,
        sub=consumer.hex(),
        jti=admission.hex(),
        path=path,
        iat=issued,
        nbf=issued,
        exp=expires_at // 1_000,
        variant=variant or UNSET,
        price=price,
    )


class PassKeys:
    """Keys by kid. ``active_kid`` is the newest; ``public_keys`` has every key that ``sign`` can use."""

    def __init__(self, private_keys: dict[str, Ed25519PrivateKey]) -> None:
        if not private_keys:
            raise PassKeysError("there is no key to sign passes with")
        self._private_keys = dict(sorted(private_keys.items()))
        self.public_keys: dict[str, Ed25519PublicKey] = {
            kid: key.public_key() for kid, key in self._private_keys.items()
        }
        self.active_kid = list(self.public_keys)[-1]

    @classmethod
    def load(cls, folder: Path) -> "PassKeys":
        """The keys of ``folder``. Raises PassKeysError when a file is no such key or there is none."""
        files = sorted(folder.glob("*.pem"))
        if not files:
            raise PassKeysError(f"there is no <kid>.pem in {folder}")
        return cls({file.stem: _read(file) for file in files})

    def sign(self, claims: PassClaims, kid: str) -> str:
        """The pass, signed by the key that the log names. Raises PassKeysError when that key is not here."""
        key = self._private_keys.get(kid)
        if key is None:
            raise PassKeysError(f"the log names the key {kid!r}, and there is no such key here")
        return passes.sign(claims, kid, key)

    def jwks(self) -> Jwks:
        """What ``/.well-known/jwks.json`` says."""
        newest = list(self.public_keys.items())[-PUBLISHED_KEYS_MAX:]
        return Jwks([Jwk(**passes.jwk(kid, key)) for kid, key in reversed(newest)])


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PassKeysError(f"{file} cannot be read as a private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PassKeysError(f"{file} is not an Ed25519 key")
    return key
