"""The proxy of the chaos run is the bad network that it is told to be, as a process between two real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from loadtests.ports import free_ports
from tests.support.proxy import proxy_between

HOST = "127.0.0.1"
PATIENCE_S = 10.0
SILENCE_S = 0.2


class Line:
    """An echoing server behind a proxy; ``connect`` gives both ends of a new connection."""

    def __init__(self, exits: ExitStack) -> None:
        self._exits = exits
        self.port = free_ports(2)
        self._server = exits.enter_context(socket.create_server((HOST, self.port + 1)))
        self._server.settimeout(PATIENCE_S)
        self.proxy = exits.enter_context(proxy_between(self.port, self.port + 1))

    def connect(self) -> tuple[socket.socket, socket.socket]:
        near = self._exits.enter_context(socket.create_connection((HOST, self.port), PATIENCE_S))
        far = self._exits.enter_context(self._server.accept()[0])
        far.settimeout(PATIENCE_S)
        return near, far


@pytest.fixture
def line() -> Iterator[Line]:
    with ExitStack() as exits:
        yield Line(exits)


def silent(one: socket.socket) -> bool:
    """Nothing has come, and nobody has hung up."""
    one.settimeout(SILENCE_S)
    try:
        return one.recv(64) is None
    except TimeoutError:
        return True
    finally:
        one.settimeout(PATIENCE_S)


def test_it_passes_on_what_both_say(line: Line) -> None:
    near, far = line.connect()
    near.sendall(b"question")
    assert far.recv(64) == b"question"
    far.sendall(b"answer")
    assert near.recv(64) == b"answer"
    near.close()
    assert far.recv(64) == b""


def test_a_stall_holds_back_everything_until_it_is_over(line: Line) -> None:
    near, far = line.connect()
    line.proxy.become("stall")
    near.sendall(b"question")
    far.sendall(b"answer")
    assert silent(near) and silent(far)
    line.proxy.become("flow")
    assert (near.recv(64), far.recv(64)) == (b"answer", b"question")


def test_mute_holds_back_answers_alone_and_a_cut_behind_it_loses_them(line: Line) -> None:
    near, far = line.connect()
    line.proxy.become("mute")
    near.sendall(b"question")
    assert far.recv(64) == b"question"
    far.sendall(b"answer")
    assert silent(near)
    line.proxy.become("cut")
    with pytest.raises(ConnectionResetError):
        near.recv(64)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, line.port), PATIENCE_S)
    line.proxy.become("flow")
    again, _ = line.connect()
    assert silent(again)
