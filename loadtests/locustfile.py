"""Locust users with a socket. One waits: comes with a session, joins by a frame, listens, goes away again. One bids.

    locust -f loadtests/locustfile.py --headless --host http://127.0.0.1:8000 -u 50 -r 10 -t 10s

``STANCHION_LOADTEST_EXPERIENCE`` (default ``demo``) and ``STANCHION_LOADTEST_PATH`` (default: by priority) say where
those go who wait; ``STANCHION_LOADTEST_BIDDERS`` (default 0) how many bid in its path ``auction`` for each of them.
What locust shows: ``session`` and ``handshake`` by their duration, ``joined`` and ``bid`` from the frame that asks to
the one that answers, and every frame with an instant from that instant to its arrival. They only ever visit this
machine.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from locust import HttpUser, between, task
from locust.exception import StopUser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

EXPERIENCE = os.environ.get("STANCHION_LOADTEST_EXPERIENCE", "demo")
PATH = os.environ.get("STANCHION_LOADTEST_PATH", "")
BIDDERS = int(os.environ.get("STANCHION_LOADTEST_BIDDERS", "0"))
AUCTION = "auction"
SUBPROTOCOL = Subprotocol("stanchion.v1")
STAY_S = 30.0
OPEN_S = 10.0
JOINED_S = 10.0
BID_EVERY_S = 1.0
RAISE_MAX = 20
RETURN_S_DEFAULT = 1.0


class SocketUser(HttpUser):
    """One consumer with one socket at a time, who stays for ``STAY_S`` and comes back, still the same."""

    abstract = True
    wait_time = between(0.1, 1.0)

    def on_start(self) -> None:
        """Get a session. Raises StopUser when the host is not this machine, or gives none."""
        parts = urlsplit(self.host or "")
        if parts.scheme != "http" or not _is_loopback(parts.hostname):
            raise StopUser(f"{self.host} is not http:// on this machine")
        answer = self.client.post("/v1/session", name="session")
        if not answer.ok:
            raise StopUser(f"no session: {answer.status_code}")
        self._session = str(answer.json()["session"])
        self._address = f"ws://{parts.netloc}/v1/experiences/{EXPERIENCE}/live"
        self._return_s = 0.0

    @task
    def visit(self) -> None:
        """Connect and stay; a socket that is closed by the other side is a failure unless that was announced."""
        time.sleep(self._return_s)
        self._return_s = 0.0
        begun_s = time.monotonic()
        try:
            connection = connect(
                self._address,
                subprotocols=[SUBPROTOCOL],
                additional_headers={"Authorization": f"Bearer {self._session}"},
                compression=None,
                open_timeout=OPEN_S,
                proxy=None,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what locust reports
            self._fire("handshake", begun_s, 0, error)
            self._return_s = RETURN_S_DEFAULT
            return
        self._fire("handshake", begun_s, 0)
        with connection:
            try:
                self._stay(connection)
            except ConnectionClosed as error:
                if not self._return_s:
                    self._fire("listen", begun_s, 0, error)

    def _stay(self, connection: ClientConnection) -> None:
        raise NotImplementedError

    def _hear(self, frame: dict[str, Any], size: int) -> None:
        if frame.get("type") == "reconnect":
            self._return_s = frame["after_ms"] / 1_000
        if "now" in frame:
            late_ms = max(0.0, time.time() * 1_000 - frame["now"])
            self._tell(f"frame {frame['type']}", late_ms, size, None)

    def _fire(self, name: str, begun_s: float, size: int, error: Exception | None = None) -> None:
        self._tell(name, (time.monotonic() - begun_s) * 1_000, size, error)

    def _tell(self, name: str, took_ms: float, size: int, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=took_ms,
            response_length=size,
            exception=error,
            context={},
        )


class PatientUser(SocketUser):
    """Joins and waits."""

    def _stay(self, connection: ClientConnection) -> None:
        asked_s = time.monotonic()
        connection.send(json.dumps({"type": "join", **({"path": PATH} if PATH else {})}))
        joined, end_s = False, asked_s + STAY_S
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                text = connection.recv(timeout=left_s if joined else min(left_s, JOINED_S))
            except TimeoutError as error:
                if not joined:
                    self._fire("joined", asked_s, 0, error)
                return
            frame: dict[str, Any] = json.loads(text)
            if not joined and frame["type"] in ("joined", "admitted", "error"):
                joined = True
                refused = RuntimeError(frame["reason"]) if frame["type"] == "error" else None
                self._fire("joined", asked_s, len(text), refused)
            self._hear(frame, len(text))


class BidderUser(SocketUser):
    """Bids in the auction, a little more than the least that is taken. To come too late is no failure."""

    weight = BIDDERS

    def _stay(self, connection: ClientConnection) -> None:
        least, asked = None, dict[str, float]()
        next_s = time.monotonic()
        for text in _frames(connection):
            frame: dict[str, Any] = json.loads(text)
            self._hear(frame, len(text))
            if frame.get("path") == AUCTION:
                least = frame.get("min_next", least)
            if frame.get("ref") in asked:
                self._fire("bid", asked.pop(frame["ref"]), len(text))
            if least is not None and time.monotonic() >= next_s:
                next_s = time.monotonic() + BID_EVERY_S
                name = f"{random.getrandbits(64):x}"
                asked[name] = time.monotonic()
                most = Decimal(least) + random.randrange(RAISE_MAX)
                connection.send(json.dumps({"type": "bid", "path": AUCTION, "max": f"{most}", "id": name, "ref": name}))


def _frames(connection: ClientConnection) -> Iterator[str]:
    """What comes for ``STAY_S``; an empty object whenever nothing has come for ``BID_EVERY_S``."""
    end_s = time.monotonic() + STAY_S
    while time.monotonic() < end_s:
        try:
            yield str(connection.recv(timeout=BID_EVERY_S))
        except TimeoutError:
            yield "{}"


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
