"""The types of single fields, with their bounds: what documents, requests and commands are made of.

Instants are epoch milliseconds, durations are named with their unit, money is a decimal string.
"""

from typing import Annotated

from msgspec import Meta

RATE_MAX = 6_000_000

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Address = Annotated[str, Meta(min_length=1, max_length=2_000)]
Instant = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Rate = Annotated[int, Meta(ge=0, le=RATE_MAX)]
Seconds = Annotated[int, Meta(ge=1, le=30 * 86_400)]
GraceSeconds = Annotated[int, Meta(ge=0, le=86_400)]
Money = Annotated[str, Meta(pattern=r"^\d{1,12}(\.\d{1,3})?\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
