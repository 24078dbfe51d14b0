"""How often access codes are tried: at most ``TRIES_PER_MINUTE`` in any minute by one consumer, and from one address.

Pure. Whoever makes new sessions has one address, and whoever has many addresses one session; against many of both only
a long code helps. Addresses of this machine and of trusted proxies stand for many people and are not counted. Each
process counts for itself.
"""

from collections import deque
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

TRIES_PER_MINUTE = 10
MINUTE_MS = 60_000

Network = IPv4Network | IPv6Network


class Tries:
    """The instants of the latest tries, by whom. Instants are our monotonic clock's milliseconds."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = trusted
        self._by: dict[bytes | str, deque[int]] = {}

    def __len__(self) -> int:
        return len(self._by)

    def take(self, consumer: bytes, address: str, now_ms: int) -> int:
        """Take a try of ``consumer`` at ``address`` ("" = unknown): 0, or in how many milliseconds there is one."""
        by = [self._by.setdefault(key, deque(maxlen=TRIES_PER_MINUTE)) for key in self._keys(consumer, address)]
        wait_ms = max(one[0] + MINUTE_MS - now_ms if len(one) == TRIES_PER_MINUTE else 0 for one in by)
        if wait_ms > 0:
            return wait_ms
        for one in by:
            one.append(now_ms)
        return 0

    def sweep(self, now_ms: int) -> None:
        """Forget whose last try is a minute ago."""
        self._by = {key: tries for key, tries in self._by.items() if tries and tries[-1] + MINUTE_MS > now_ms}

    def _keys(self, consumer: bytes, address: str) -> list[bytes | str]:
        return [consumer, address] if self._is_counted(address) else [consumer]

    def _is_counted(self, address: str) -> bool:
        if not address:
            return False
        parsed = ip_address(address.partition("%")[0])
        return not parsed.is_loopback and not any(parsed in network for network in self._trusted)
