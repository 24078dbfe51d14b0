"""Who may use the control and checkout endpoints: ``Authorization: Bearer <key>``, and the scopes of each key.

There are two keys, both settings: the control key has every scope, the checkout key only ``checkout``, so the shop's
server can never change a launch. Every key is compared in constant time, whether an earlier one matched or not.
"""

from enum import StrEnum
from hmac import compare_digest

from msgspec import Struct

from protocol.refusals import Reason, Refusal


class Scope(StrEnum):
    """What a key may do: read, act on what runs, configure, or speak for the checkout."""

    VIEW = "view"
    OPERATE = "operate"
    ADMIN = "admin"
    CHECKOUT = "checkout"


class ApiKey(Struct, frozen=True):
    """``name`` stands in the log as the actor; ``secret`` never leaves the process."""

    name: str
    secret: str
    scopes: frozenset[Scope]

    def __repr__(self) -> str:
        return f"ApiKey(name={self.name!r}, scopes={sorted(self.scopes)})"


def known_keys(control_key: str, checkout_key: str) -> tuple[ApiKey, ...]:
    """The keys of a deployment."""
    return (
        ApiKey("control", control_key, frozenset(Scope)),
        ApiKey("checkout", checkout_key, frozenset({Scope.CHECKOUT})),
    )


def authorize(keys: tuple[ApiKey, ...], authorization: str, scope: Scope) -> str | Refusal:
    """The actor that the header value ``authorization`` proves, or why it may not: ``bad_key``, ``not_allowed``."""
    word, _, presented = authorization.partition(" ")
    if word.lower() != "bearer" or not presented:
        return Refusal(Reason.BAD_KEY, {"detail": "send the header Authorization: Bearer <key>"})
    given = presented.strip().encode()
    matching = [key for key in keys if compare_digest(key.secret.encode(), given)]
    if not matching:
        return Refusal(Reason.BAD_KEY)
    if scope not in matching[0].scopes:
        return Refusal(Reason.NOT_ALLOWED, {"scope": scope})
    return matching[0].name
