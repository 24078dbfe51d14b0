"""A gateway that ends TLS itself: the same waiting room, at an address that begins with https."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.server import EXIT_USAGE
from loadtests.ports import free_port
from protocol.close_codes import CloseCode
from tests.integration.test_live_queue import make
from tests.support.live import Consumer, guest
from tests.support.waiting_room import Role, WaitingRoom

EXPERIENCE = "tls"


@pytest.fixture
def gateway(waiting_room: WaitingRoom, certificate: tuple[str, str], tmp_path: Path) -> Iterator[tuple[Role, int]]:
    """One with TLS beside those without, and its port."""
    port = free_port()
    tls = {"STANCHION_TLS_CERT_FILE": certificate[0], "STANCHION_TLS_KEY_FILE": certificate[1]}
    settings = waiting_room.environment(9, port) | tls
    role = Role("gateway", settings, tmp_path / "gateway-tls.log")
    role.start()
    yield role, port
    role.stop()


async def test_a_socket_over_tls_joins_waits_and_is_sent_away_in_order(
    waiting_room: WaitingRoom, gateway: tuple[Role, int], certificate: tuple[str, str]
) -> None:
    await make(waiting_room, EXPERIENCE, release_rate_per_minute=0)
    role, port = gateway
    trust = ssl.create_default_context(cafile=certificate[0])
    retrying = httpx.AsyncHTTPTransport(verify=trust, retries=10)
    async with httpx.AsyncClient(transport=retrying, base_url=f"https://localhost:{port}") as client:
        session = await guest(client)
    address = f"wss://localhost:{port}/v1/experiences/{EXPERIENCE}/live?join=general"
    async with connect(address, ssl=trust, additional_headers={"Authorization": f"Bearer {session}"}) as socket:
        one = Consumer(socket)
        await one.until("position")
        assert [frame["type"] for frame in one.frames[:2]] == ["welcome", "joined"]
        assert role.process is not None
        role.process.terminate()
        assert (await one.closed(), one.frames[-1]["type"]) == (CloseCode.RESTARTING, "reconnect")


def test_a_certificate_that_is_none_is_a_wrong_setting(waiting_room: WaitingRoom, tmp_path: Path) -> None:
    missing = {name: str(tmp_path / "missing.pem") for name in ("STANCHION_TLS_CERT_FILE", "STANCHION_TLS_KEY_FILE")}
    role = Role("gateway", waiting_room.environment(9, free_port()) | missing, tmp_path / "gateway.log")
    role.start()
    assert role.process is not None
    assert role.process.wait(30) == EXIT_USAGE
    assert "No such file" in (tmp_path / "gateway.log").read_text()
