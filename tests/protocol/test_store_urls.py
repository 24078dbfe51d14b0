"""Addresses of stores: which one names Sentinels or a Cluster's nodes, and what it says."""

from __future__ import annotations

import re

import pytest

from protocol.store_urls import STORE_URL, ClusterUrl, Login, SentinelUrl, cluster_url, sentinel_url

OPEN = Login(None, None, ssl=False)


@pytest.mark.parametrize("url", ["redis://store:6379/1", "rediss://store", "unix:///run/valkey.sock"])
def test_one_server(url: str) -> None:
    assert (sentinel_url(url), cluster_url(url)) == (None, None)
    assert re.search(STORE_URL, url)


def test_sentinels() -> None:
    url = "redis+sentinel://us%40er:p%2Fw@one:1,[::1]:2,three/room/3"
    hosts = [("one", 1), ("::1", 2), ("three", 26_379)]
    assert sentinel_url(url) == SentinelUrl(hosts, "room", 3, Login("us@er", "p/w", ssl=False))
    assert sentinel_url("redis+sentinel://one/room") == SentinelUrl([("one", 26_379)], "room", 0, OPEN)
    assert (cluster_url(url), bool(re.search(STORE_URL, url))) == (None, True)


def test_nodes_of_a_cluster() -> None:
    url = "rediss+cluster://:secret@one,two:7000/"
    assert cluster_url(url) == ClusterUrl([("one", 6_379), ("two", 7_000)], Login(None, "secret", ssl=True))
    assert (sentinel_url(url), bool(re.search(STORE_URL, url))) == (None, True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+sentinel://one:1", "names a service"),
        ("redis+sentinel:///room", "names its hosts"),
        ("redis+sentinel://one:port/room", "port"),
        ("redis+sentinel://one,/room", "names its hosts"),
        ("redis+sentinel://one/room/x", "'x'"),
        ("redis+cluster://one/1", "has one database"),
        ("redis+cluster://", "names its hosts"),
    ],
)
def test_what_is_wrong_is_said(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sentinel_url(url) or cluster_url(url)


def test_others_are_none() -> None:
    assert re.search(STORE_URL, "http://store") is None
