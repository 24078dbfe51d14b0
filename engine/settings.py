"""The settings of one engine process: one frozen struct, built once, checked with its relations, passed down.

Every field is the environment variable ``STANCHION_<NAME>``; the store may also be named by ``REDIS_URL``. An address
may hold a password, so it is never shown, neither in an error nor in the settings' own text.

Hands over to: `engine.runner`, which runs with them.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from protocol.store_urls import STORE_URL
from protocol.streams import LEASE_TTL_MS

PREFIX = "STANCHION_"
SECRETS = ("redis_url",)
BEATS_PER_LEASE_MIN = 2

_FALLBACKS = {"redis_url": "REDIS_URL"}


class SettingError(ValueError):
    """A setting that cannot be used: names it, its value (unless it may hold a secret) and what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        shown = "not usable" if name in SECRETS else repr(value)
        super().__init__(f"{PREFIX}{name.upper()} is {shown}; allowed: {allowed}")
        self.name = name


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine process runs with."""

    redis_url: Annotated[str, Meta(pattern=STORE_URL, description="the store")] = "redis://127.0.0.1:6379/0"
    number: Annotated[int, Meta(ge=0, le=9_999, description="which of the engine processes this is")] = 0
    wait_replicas: Annotated[
        int, Meta(ge=0, le=8, description="replicas that must have an entry before anybody is told what it says")
    ] = 0
    lease_ms: Annotated[
        int, Meta(ge=500, le=LEASE_TTL_MS // 2, description="a lease unchanged for so long is taken over, in ms")
    ] = 3_000
    beat_ms: Annotated[
        int, Meta(ge=50, le=LEASE_TTL_MS // 4, description="how often an engine renews its leases, in ms")
    ] = 1_000
    standby: Annotated[
        str,
        Meta(
            pattern="^(warm|cold)$",
            description="warm: what others write is replayed as it comes, so that a take-over is quick",
        ),
    ] = "warm"
    snapshot_commands: Annotated[
        int, Meta(ge=1, le=100_000_000, description="a snapshot is made after so many commands")
    ] = 200_000
    snapshot_entries: Annotated[int, Meta(ge=1, le=100_000_000, description="or after so many entries of the log")] = (
        10_000
    )
    snapshot_mib: Annotated[int, Meta(ge=1, le=1_000_000, description="or after so many MiB of the log")] = 64
    snapshot_s: Annotated[
        int, Meta(ge=1, le=7 * 86_400, description="or when the last one is so many s old and anything has happened")
    ] = 600
    snapshot_pause_ms: Annotated[
        int, Meta(ge=0, le=1_000, description="pause between two chunks of 256 KiB of a snapshot, in ms")
    ] = 5
    reader_behind_entries: Annotated[
        int, Meta(ge=1, le=100_000_000, description="a reader so many entries behind holds up no trimming any more")
    ] = 100_000
    metrics_host: Annotated[str, Meta(min_length=1, description="address of the metrics page")] = "127.0.0.1"
    metrics_port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None, Meta(description="port of the metrics page [default: none]")
    ] = None

    def __post_init__(self) -> None:
        if self.beat_ms * BEATS_PER_LEASE_MIN >= self.lease_ms:
            raise SettingError("beat_ms", self.beat_ms, f"less than half of lease_ms, which is {self.lease_ms}")

    def __repr__(self) -> str:
        fields = {name: "…" if name in SECRETS else getattr(self, name) for name in self.__struct_fields__}
        return f"EngineSettings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def from_environment(environ: Mapping[str, str]) -> EngineSettings:
    """The settings that ``environ`` gives. Raises SettingError for the first that cannot be used."""
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(EngineSettings):
        names = (PREFIX + field.name.upper(), _FALLBACKS.get(field.name, ""))
        found = [environ[name] for name in names if environ.get(name)]
        if found:
            given[field.name] = _convert(field, found[0])
    return EngineSettings(**given)


def _convert(field: msgspec.structs.FieldInfo, value: str) -> Any:
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingError(field.name, value, str(error)) from error
