"""The settings of one gateway process: one frozen struct, built once, checked with its relations, passed down.

Every field is the environment variable ``STANCHION_<NAME>``. A secret may also be given as the file that holds it:
``STANCHION_<NAME>_FILE``. A secret is never shown, neither in an error nor in the settings' own text.

Hands over to: `gateway.server`, which runs with them.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.tries import Network
from protocol.sessions import KEY_BYTES
from protocol.store_urls import STORE_URL

SECRETS = ("session_key", "control_key", "checkout_key")
PREFIX = "STANCHION_"

_CREDENTIALS = re.compile(r"//[^/@]*@")
_ORIGIN = re.compile(r"https?://[^/?#\s@]+\Z")


class SettingError(ValueError):
    """A setting that cannot be used: names it, its value (unless it is a secret) and what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        shown = "not usable" if name in SECRETS else _CREDENTIALS.sub("//…@", repr(value))
        super().__init__(f"{PREFIX}{name.upper()} is {shown}; allowed: {allowed}")
        self.name = name


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway process runs with."""

    session_key: Annotated[
        str, Meta(pattern=r"^[0-9a-fA-F]{64}\Z", description="32 bytes in hexadecimal that sign sessions and receipts")
    ]
    control_key: Annotated[str, Meta(min_length=16, description="the merchant's API key, every scope")]
    checkout_key: Annotated[str, Meta(min_length=16, description="the checkout's API key, scope checkout only")]
    keys_dir: Annotated[Path, Meta(description="folder of <kid>.pem, the Ed25519 keys that sign passes")] = Path(
        "data/keys"
    )
    redis_url: Annotated[str, Meta(pattern=STORE_URL, description="the store")] = "redis://127.0.0.1:6379/0"
    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535, description="port to listen on; workers share it")] = 8000
    own_port: Annotated[
        int, Meta(ge=0, le=65_535, description="port of this worker alone, for its metrics and health; 0 = none")
    ] = 0
    number: Annotated[int, Meta(ge=0, le=9_999, description="which of the gateway processes this is")] = 0
    tls_cert_file: Annotated[
        str | UnsetType,
        Meta(description="certificate chain (PEM), to end TLS here, the costlier way [default: none]"),
    ] = UNSET
    tls_key_file: Annotated[str | UnsetType, Meta(description="its private key (PEM) [default: none]")] = UNSET
    public_origin: Annotated[str | UnsetType, Meta(description="how browsers reach us [default: http://HOST:PORT]")] = (
        UNSET
    )
    issuer: Annotated[str | UnsetType, Meta(description="the passes' iss [default: PUBLIC_ORIGIN]")] = UNSET
    drain_ms: Annotated[int, Meta(ge=0, le=600_000, description="how long sockets are sent away at the end, in ms")] = (
        10_000
    )
    answer_timeout_ms: Annotated[
        int, Meta(ge=100, le=60_000, description="how long a request waits for the engine, in ms")
    ] = 5_000
    handshakes_max: Annotated[int, Meta(ge=1, le=65_536, description="handshakes and waiting requests at once")] = 1_024
    frames_per_second_max: Annotated[
        int, Meta(ge=1, le=1_000, description="frames that one socket may send in a second")
    ] = 20
    trusted_proxies: Annotated[
        str, Meta(description="networks of proxies in front, with commas: what they send is not counted by address")
    ] = ""

    def __post_init__(self) -> None:
        try:
            self.trusted_networks  # noqa: B018  # for its error
        except ValueError as error:
            raise SettingError(
                "trusted_proxies", self.trusted_proxies, f"networks such as 10.0.0.0/8: {error}"
            ) from None
        if (self.tls_cert_file is UNSET) != (self.tls_key_file is UNSET):
            raise SettingError("tls_key_file", self.tls_key_file, "with STANCHION_TLS_CERT_FILE, both or none")
        scheme = "http" if self.tls_cert_file is UNSET else "https"
        own = f"{scheme}://{_reachable(self.host)}:{self.port}"
        origin = own if self.public_origin is UNSET else self.public_origin
        if not _ORIGIN.match(origin):
            raise SettingError("public_origin", origin, "scheme://host[:port], with http or https and no path")
        msgspec.structs.force_setattr(self, "public_origin", origin)
        if self.issuer is UNSET:
            msgspec.structs.force_setattr(self, "issuer", origin)
        if self.control_key == self.checkout_key:
            raise SettingError("checkout_key", "", "a key other than the control key")

    def __repr__(self) -> str:
        shown = {name: "…" if name in SECRETS else getattr(self, name) for name in self.__struct_fields__}
        shown["redis_url"] = _CREDENTIALS.sub("//…@", self.redis_url)
        return f"GatewaySettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def session_key_bytes(self) -> bytes:
        """The key of sessions and receipts."""
        return bytes.fromhex(self.session_key)

    @property
    def trusted_networks(self) -> list[Network]:
        """The networks of the trusted proxies. Raises ValueError."""
        return [ip_network(one.strip()) for one in self.trusted_proxies.split(",") if one.strip()]

    @property
    def origin(self) -> str:
        """How browsers reach us: scheme, host and port."""
        assert isinstance(self.public_origin, str)
        return self.public_origin

    @property
    def token_issuer(self) -> str:
        """What stands as ``iss`` in every pass."""
        assert isinstance(self.issuer, str)
        return self.issuer

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers reach us over TLS."""
        return self.origin.startswith("https://")


assert KEY_BYTES == 32, "the pattern of session_key says 64 hexadecimal digits"


def from_environment(environ: Mapping[str, str]) -> GatewaySettings:
    """The settings that ``environ`` gives. Raises SettingError for the first that cannot be used.

    ``REDIS_URL`` is taken where ``STANCHION_REDIS_URL`` is not set.
    """
    given: dict[str, Any] = {}
    if "REDIS_URL" in environ:
        given["redis_url"] = environ["REDIS_URL"]
    for field in msgspec.structs.fields(GatewaySettings):
        name = f"{PREFIX}{field.name.upper()}"
        if name in environ:
            given[field.name] = environ[name]
        elif field.name in SECRETS and f"{name}_FILE" in environ:
            given[field.name] = _read_secret(field.name, Path(environ[f"{name}_FILE"]))
        elif field.required:
            raise SettingError(field.name, "", f"must be set, or {name}_FILE")
    return _convert(given)


def _convert(given: dict[str, Any]) -> GatewaySettings:
    for field in msgspec.structs.fields(GatewaySettings):
        if field.name in given:
            try:
                given[field.name] = msgspec.convert(given[field.name], field.type, strict=False, dec_hook=_path)
            except msgspec.ValidationError as error:
                raise SettingError(field.name, given[field.name], str(error)) from error
    return GatewaySettings(**given)


def _path(kind: type, raw: Any) -> Any:
    if kind is Path:
        return Path(raw)
    raise NotImplementedError(kind)


def _read_secret(name: str, file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise SettingError(f"{name}_file", str(file), f"a file that can be read ({error.strerror})") from error


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host
