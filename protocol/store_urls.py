"""Where the store is: one server, the one that Sentinel names at the moment, or the nodes of a Cluster. Pure.

| address                                              | what it means                                      |
| ---------------------------------------------------- | -------------------------------------------------- |
| ``redis://host:port/db``, ``rediss://``, ``unix://`` | one server                                         |
| ``redis+sentinel://host:port,host:port/service/db``  | the primary of ``service``, as these Sentinels say |
| ``redis+cluster://host:port,host:port``              | the Cluster that these nodes belong to             |

``rediss+…://`` is the same with TLS to the servers, ``user:password@`` before the hosts what they ask for.

Hands over to: ``engine.io.streams``, ``engine.io.nodes``, ``gateway.io.store``, which connect.
"""

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

STORE_URL = r"^((redis|rediss)(\+(sentinel|cluster))?|unix)://"
"""What an address begins with."""
SENTINEL_PORT = 26_379
NODE_PORT = 6_379

Host = tuple[str, int]


class Login(NamedTuple):
    """What the servers ask for, and whether by TLS."""

    username: str | None
    password: str | None
    ssl: bool


class SentinelUrl(NamedTuple):
    """``login`` is for the servers of ``service``, not for the Sentinels."""

    sentinels: list[Host]
    service: str
    db: int
    login: Login


class ClusterUrl(NamedTuple):
    """``nodes``: those that are asked first which others there are."""

    nodes: list[Host]
    login: Login


def sentinel_url(url: str) -> SentinelUrl | None:
    """The parts of a Sentinel's address; None for any other. Raises ValueError naming what is wrong."""
    parts = urlsplit(url)
    if not parts.scheme.endswith("+sentinel"):
        return None
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("a Sentinel's address names a service: redis+sentinel://host:port,host:port/service")
    return SentinelUrl(_hosts(parts, SENTINEL_PORT), unquote(service), int(db or 0), _login(parts))


def cluster_url(url: str) -> ClusterUrl | None:
    """The parts of a Cluster's address; None for any other. Raises ValueError naming what is wrong."""
    parts = urlsplit(url)
    if not parts.scheme.endswith("+cluster"):
        return None
    if parts.path.strip("/"):
        raise ValueError("a Cluster has one database: redis+cluster://host:port,host:port")
    return ClusterUrl(_hosts(parts, NODE_PORT), _login(parts))


def _login(parts: SplitResult) -> Login:
    username, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Login(unquote(username) or None, unquote(password) or None, parts.scheme.startswith("rediss"))


def _hosts(parts: SplitResult, port: int) -> list[Host]:
    found = [urlsplit(f"//{one}") for one in parts.netloc.rpartition("@")[2].split(",")]
    hosts = [(one.hostname, one.port or port) for one in found if one.hostname is not None]
    if len(hosts) < len(found):
        raise ValueError("an address names its hosts: host:port,host:port")
    return hosts
