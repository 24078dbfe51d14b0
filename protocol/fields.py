r"""The types of single fields, with their bounds: what documents, requests and commands are made of.

Instants are epoch milliseconds, durations are named with their unit, money is a decimal string. Patterns mean the same
in Python and in ECMA-262, which the schemas of ``/openapi.json`` are read by: ``[0-9]`` and not ``\d``, and for the end
of the text ``$(?!\n)``.
"""

from typing import Annotated

from msgspec import Meta

RATE_MAX = 6_000_000
MONEY_LENGTH_MAX = 16

_MONEY = r"^[0-9]{1,12}(\.[0-9]{1,3})?$(?!\n)"


def sent(pattern: str, max_length: int) -> Meta:
    """Bounds of a text in documents. Schemas tell the pattern and ``protocol.forms`` asks it of what a merchant sends;
    decoders do not, because logs hold what was taken before it was asked."""
    return Meta(max_length=max_length, extra_json_schema={"pattern": pattern})


Slug = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$(?!\n)")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Address = Annotated[str, Meta(min_length=1, max_length=2_000)]
Instant = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Rate = Annotated[int, Meta(ge=0, le=RATE_MAX)]
Seconds = Annotated[int, Meta(ge=1, le=30 * 86_400)]
GraceSeconds = Annotated[int, Meta(ge=0, le=86_400)]
Money = Annotated[str, Meta(pattern=_MONEY)]
Price = Annotated[str, sent(_MONEY, MONEY_LENGTH_MAX)]
"""Money in documents: once, digits of every script were taken there."""
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
