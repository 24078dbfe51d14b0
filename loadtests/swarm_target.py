"""Where a swarm goes and what it says there: the canned handshake and the frame that joins."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What RFC 6455 §1.3 answers to its own sample key."""
RETRY_MS_DEFAULT = 1_000
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """An address on this machine. ``join`` None: nobody joins."""

    host: str
    port: int
    path: str
    join: str | None

    @classmethod
    def of(cls, url: str, join: str | None = None) -> Target:
        """Read ``ws://127.x.x.x:port/path``. Raises ValueError for what is not on this machine."""
        parts = urlsplit(url)
        if parts.scheme != "ws" or parts.hostname is None or parts.port is None:
            raise ValueError(f"{url!r} is not ws://HOST:PORT/PATH")
        if not ipaddress.ip_address(parts.hostname).is_loopback:
            raise ValueError(f"{parts.hostname} is not on this machine")
        return cls(parts.hostname, parts.port, parts.path or "/", join)

    @property
    def address(self) -> tuple[str, int]:
        """What to connect to."""
        return self.host, self.port

    @property
    def join_frame(self) -> bytes:
        """A ``join`` as a masked text frame; the mask is zero."""
        text = json.dumps({"type": "join", **({"path": self.join} if self.join else {})}).encode()
        return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text

    def request(self, session: str | None) -> bytes:
        """The handshake; with a ``session`` it joins at once."""
        query = "" if session is None or self.join is None else "?" + urlencode({"join": self.join})
        bearer = "" if session is None else f"Authorization: Bearer {session}\r\n"
        return (
            f"GET {self.path}{query} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\n{bearer}\r\n"
        ).encode()

    def is_yes(self, head: bytes) -> bool:
        """Whether ``head`` is the 101 to our key."""
        return head.startswith(b"HTTP/1.1 101 ") and ACCEPT in head

    def retry_after_ms(self, head: bytes) -> int:
        """When a refusal says to come back; 0: not at all."""
        found = _RETRY_AFTER.search(head)
        if found is not None:
            return int(found[1]) * 1_000
        return RETRY_MS_DEFAULT if head.startswith(b"HTTP/1.1 503") else 0
