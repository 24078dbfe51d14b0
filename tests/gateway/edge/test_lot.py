"""The lot with real sockets and a clock set by hand: telling, hearing, closing, the ladder, keep-alive."""

import asyncio
import contextlib
import socket
from pathlib import Path

import numpy as np
import pytest

from gateway.edge.outbox import Outbox
from gateway.edge.parked.framing import PING, close_frame, text_frame
from gateway.edge.parked.limits import Limits
from gateway.edge.parked.lot import Lot
from gateway.edge.parked.slots import GONE
from tests.gateway.edge.pairs import WAIT_S, Ground, Heard, ground, until
from tests.gateway.edge.test_inbound import CLOSE, PONG, TEXT, masked

SMALL = 2_048
BIG = b"x" * 4_000


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def slots_of(*slots: int) -> np.ndarray:
    return np.array(slots, np.int32)


async def fill(at: Ground, slot: int) -> int:
    """Tell states until the socket is slow; how many."""
    told = 0
    while at.lot.keeps_up(slot):
        at.lot.tell(slot, BIG, "big")
        told += 1
    return told


async def test_what_is_told_arrives_framed_after_the_first_bytes() -> None:
    with ground() as at:
        client, slot = at.park(b"HTTP/1.1 101")
        at.lot.tell(slot, b"fact")
        at.lot.tell(slot, b"state", "position")
        assert await at.read(client, 25) == b"HTTP/1.1 101" + text_frame(b"fact") + text_frame(b"state")


async def test_everybody_is_told_the_same_and_each_their_own() -> None:
    with ground() as at:
        clients, slots = zip(*(at.park() for _ in range(5)), strict=True)
        everybody = slots_of(*slots)
        at.lot.tell_all(everybody, [b"shared"], [(b"shared", None)])
        at.lot.tell_each(everybody, [b"own %d" % number for number in range(5)], "position")
        for number, client in enumerate(clients):
            assert await at.read(client, 15) == text_frame(b"shared") + text_frame(b"own %d" % number)
        assert at.lot.counts.frames == 10


async def test_messages_are_heard_and_what_follows_nothing_is_kept() -> None:
    with ground() as at:
        client, slot = at.park()
        client.send(masked(TEXT, b"one")[:4])
        await until(lambda: at.lot.inbounds)
        client.send(masked(TEXT, b"one")[4:] + masked(TEXT, b"two"))
        await until(lambda: len(at.heard.messages) == 2)
        assert at.heard.messages == [(slot, "one"), (slot, "two")]
        assert at.lot.inbounds == 0


async def test_our_close_waits_for_the_clients() -> None:
    with ground() as at:
        client, slot = at.park()
        at.lot.tell(slot, b"before")
        at.lot.close(slot, 4403, "gone")
        at.lot.close(slot, 1000)
        at.lot.tell(slot, b"after")
        assert await at.read(client, 8 + 8) == text_frame(b"before") + close_frame(4403, "gone")
        client.send(masked(TEXT, b"not heard") + masked(CLOSE, b"\x11\x33"))
        assert await at.read_to_end(client) == b""
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4403)]
        assert at.heard.messages == []


async def test_the_clients_close_is_answered_and_ours_is_the_first_end() -> None:
    with ground() as at:
        client, slot = at.park()
        client.send(masked(CLOSE, b"\x03\xe9bye") + b"rubbish")
        assert await at.read_to_end(client) == close_frame(1001)
        assert at.heard.codes == [], "the client has not ended yet"
        client.close()
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 1001)]


async def test_who_never_answers_a_close_is_dropped() -> None:
    with ground() as at:
        _, slot = at.park()
        at.lot.close(slot, 1012)
        at.at(at.lot.limits.closing_s_max + 1)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 1012)]


async def test_a_broken_connection_is_1006() -> None:
    with ground() as at:
        client, slot = at.park()
        other, other_slot = at.park()
        client.close()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        await until(lambda: len(at.heard.codes) == 2)
        assert sorted(at.heard.codes) == [(slot, 1006), (other_slot, 1006)]
        assert at.lot.counts.parked == 0


async def test_the_reason_of_a_failure_reaches_a_client_that_still_sends() -> None:
    with ground() as at:
        client, slot = at.park()
        client.send(b"\x81\x05hello" + b"y" * 60_000)
        assert (await at.read(client, 4))[2:] == b"\x03\xea"
        client.close()
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 1002)]


async def test_too_many_frames_in_a_second_are_too_many() -> None:
    with ground(Limits(frames_per_second_max=5)) as at:
        client, slot = at.park()
        client.send(masked(TEXT, b"m") * 5)
        await until(lambda: len(at.heard.messages) == 5)
        at.at(1)
        client.send(masked(TEXT, b"m") * 3)
        await until(lambda: len(at.heard.messages) == 8)
        client.send(masked(TEXT, b"m") * 9)
        assert await at.read_to_end(client) == close_frame(4529)
        client.close()
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4529)]
        assert len(at.heard.messages) == 10
        assert at.lot.counts.too_many_frames == 1


async def test_frames_that_say_nothing_count_too() -> None:
    with ground(Limits(frames_per_second_max=5)) as at:
        client, _ = at.park()
        client.send(masked(PONG, b"") * 6)
        assert await at.read_to_end(client) == close_frame(4529)


async def test_a_handler_that_fails_costs_one_socket(caplog: pytest.LogCaptureFixture) -> None:
    class Fails(Heard):
        def received(self, slot: int, message: str | bytes) -> None:
            raise LookupError(message)

    with ground() as at:
        at.lot._handler = Fails()
        client, _ = at.park()
        client.send(masked(TEXT, b"x"))
        assert await at.read(client, 4) == close_frame(1011)
        assert "could not be handled" in caplog.text


# The ladder


async def test_a_slow_socket_gets_every_fact_and_the_latest_state() -> None:
    with ground() as at:
        client, slot = at.park(receive_buffer=SMALL)
        begun = await fill(at, slot)
        for number in range(50):
            at.lot.tell(slot, b"state %d" % number, "position")
            at.lot.tell(slot, b"fact %d" % number)
        assert at.lot.counts.slow == 1
        at.lot.close(slot, 1000)
        data = b""
        while not data.endswith(close_frame(1000)):
            data += await at.read(client, 1)
        assert data.count(text_frame(BIG)) in (begun, begun - 1), "the last was whole, or not begun"
        assert data.count(b"fact ") == 50
        assert data.count(b"state ") == 1
        assert data.endswith(text_frame(b"state 49") + text_frame(b"fact 49") + close_frame(1000))
        assert at.lot.counts.slow == 0
        assert at.lot.counts.dropped_states >= 49


async def test_first_bytes_of_any_length_arrive_whole() -> None:
    first = bytes(range(256)) * 1_600
    with ground() as at:
        client, slot = at.park(first)
        at.lot.tell(slot, b"next")
        assert await at.read(client, len(first)) == first
        assert await at.read(client, 6) == text_frame(b"next")


async def test_who_takes_nothing_is_told_4508_and_gone_in_time() -> None:
    with ground() as at:
        client, slot = at.park(receive_buffer=SMALL)
        _, other = at.park()
        await fill(at, slot)
        at.at(at.lot.limits.slow_s_max - 1)
        assert not at.heard.codes
        at.at(at.lot.limits.gone_s_max)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4508)]
        assert (at.lot.counts.slow, at.lot.counts.too_slow, at.lot.counts.parked) == (0, 1, 1)
        assert at.lot.keeps_up(other)
        client.close()


async def test_who_takes_a_little_has_longer_but_not_for_ever() -> None:
    with ground() as at:
        client, slot = at.park(b"y" * 4_000_000, receive_buffer=SMALL)
        for second in range(1, at.lot.limits.behind_s_max):
            await at.read(client, 50_000)
            await until(lambda: at.lot._sending._backlogs[slot].progress >= at.now_s)
            at.at(second)
        assert at.heard.codes == []
        at.at(at.lot.limits.behind_s_max + 1)
        assert at.lot.counts.too_slow == 1


async def test_who_is_too_slow_but_wakes_up_hears_why() -> None:
    with ground() as at:
        client, slot = at.park(receive_buffer=SMALL)
        await fill(at, slot)
        at.lot.tell(slot, b"a fact that is forgotten")
        at.at(at.lot.limits.slow_s_max + 1)
        data = await at.read_to_end(client)
        assert data.endswith(close_frame(4508))
        assert b"forgotten" not in data


async def test_who_the_kernel_gives_up_first_was_too_slow_too() -> None:
    with ground() as at:
        client, server = at.pair(receive_buffer=SMALL)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 50)
        slot = at.lot.park(server.fileno(), b"")
        server.close()
        assert slot is not None
        await fill(at, slot)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4508)]
        assert (at.lot.counts.too_slow, at.lot.counts.half_open) == (1, 0)
        client.close()


async def test_more_facts_than_may_be_kept_are_too_much() -> None:
    with ground(Limits(kept_bytes_max=1_000)) as at:
        _, slot = at.park(receive_buffer=SMALL)
        await fill(at, slot)
        for number in range(200):
            at.lot.tell(slot, b"fact %d" % number)
        assert at.lot.counts.too_slow == 1
        at.at(at.lot.limits.last_words_s_max + 1)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4508)]


async def test_a_socket_that_was_slow_keeps_up_again() -> None:
    with ground() as at:
        client, slot = at.park(receive_buffer=SMALL)
        await fill(at, slot)
        while not at.lot.keeps_up(slot):
            await at.read(client, 1_000)
        at.lot.tell(slot, b"at once")
        at.at(at.lot.limits.slow_s_max + 2)
        assert at.lot.counts.too_slow == 0
        assert at.heard.codes == []


# Keep-alive


async def test_who_is_told_nothing_is_asked_and_who_answers_stays() -> None:
    with ground() as at:
        client, slot = at.park()
        at.at(at.lot.limits.idle_s_max)
        assert await at.read(client, 2) == PING
        client.send(masked(PONG, b""))
        await until(lambda: not at.lot._slots.flags[slot])
        at.at(at.lot.limits.idle_s_max + at.lot.limits.answer_s_max + 1)
        assert at.heard.codes == []


async def test_who_does_not_answer_is_gone_within_a_minute() -> None:
    with ground() as at:
        slots = [at.park()[1] for _ in range(20)]
        at.at(at.lot.limits.half_open_s_max)
        await until(lambda: len(at.heard.codes) == len(slots))
        assert {code for _, code in at.heard.codes} == {1006}
        assert at.lot.counts.half_open == 20


async def test_who_is_told_something_is_not_asked() -> None:
    with ground() as at:
        _, slot = at.park()
        for second in range(0, 300, 20):
            at.at(second)
            at.lot.tell_all(slots_of(slot), [b"position"], [(b"position", "position")])
        assert at.lot.counts.pings == 0


async def test_a_loop_that_was_late_blames_nobody() -> None:
    with ground() as at:
        client, slot = at.park()
        at.at(at.lot.limits.idle_s_max)
        assert await at.read(client, 2) == PING
        client.send(masked(PONG, b""))
        at.now_s = 1_000
        at.lot.turn()
        assert at.lot.counts.half_open == 0
        assert not at.lot._slots.flags[slot] & GONE


# Room


async def test_without_room_not_a_byte_is_written() -> None:
    with ground(sockets_max=1) as at:
        at.park()
        client, server = at.pair()
        assert at.lot.full
        assert at.lot.park(server.fileno(), b"HTTP/1.1 101") is None
        server.close()
        assert await at.read_to_end(client) == b""
        assert at.lot.counts.no_room == 1


async def test_a_lot_that_is_not_open_is_full() -> None:
    assert Lot(Heard(), 10).full


async def test_who_is_left_when_it_shuts_hears_of_it() -> None:
    before = open_files()
    with ground() as at:
        client, slot = at.park()
        heard = at.heard
    assert heard.codes == [(slot, 1006)]
    assert client.fileno() == -1
    assert open_files() <= before


# Ports


class Narrow:
    """A port that takes as many bytes as it is allowed to."""

    def __init__(self) -> None:
        self.out = b""
        self.room = 0
        self.ends: list[str] = []

    def write(self, data: bytes | memoryview) -> int:
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.out += taken
        return len(taken)

    def shut(self) -> None:
        self.ends.append("shut")

    def drop(self) -> None:
        self.ends.append("drop")


async def test_several_frames_go_to_everybody_in_one_write_and_are_kept_as_single_states() -> None:
    with ground() as at:
        client, slot = at.park()
        port = Narrow()
        behind = at.lot.moor(port, b"")
        told = [b"phase", b"stock", b"sold out"]
        states: list[tuple[bytes, str | None]] = [(b"phase", "p"), (b"stock", "s"), (b"sold out", "o")]
        at.lot.tell_all(slots_of(slot), told, states)
        assert at.lot.counts.frames == 3
        at.lot.tell_all(slots_of(behind), told, states)
        wanted = b"".join(map(text_frame, told))
        assert await at.read(client, len(wanted)) == wanted
        at.lot.tell(behind, b"stock 2", "s")
        port.room = 1_000
        at.lot.room(behind)
        assert port.out == b"".join(map(text_frame, (b"phase", b"sold out", b"stock 2")))


async def test_what_says_only_what_is_new_is_not_for_those_who_may_be_behind() -> None:
    kept = len(text_frame(b"all 1"))
    with ground(Limits(kept_bytes_max=2 * kept)) as at:
        ports = [Narrow() for _ in range(3)]
        _, full, behind = slots = [at.lot.moor(port, b"") for port in ports]
        ports[0].room = 1_000
        at.lot.tell(behind, b"begun")
        whole: list[tuple[bytes, str | None]] = [(b"all 1", "1"), (b"all 2", "2"), (b"all 3", "3")]
        at.lot.tell_all(slots_of(*slots), [b"new"], whole)
        assert ports[0].out == b"".join(text_frame(text) for text, _ in whole), "a port may be behind, for all we know"
        for port, slot in zip(ports, slots, strict=True):
            port.room = 1_000
            at.lot.room(slot)
        assert ports[1].out == text_frame(b"all 1") + text_frame(b"all 2")
        assert ports[2].out == text_frame(b"begun") + text_frame(b"all 1")
        assert at.heard.states == [(full, {"3"}), (behind, {"2", "3"})]


async def test_a_port_has_the_same_ladder() -> None:
    with ground() as at:
        port = Narrow()
        slot = at.lot.moor(port, b"first")
        at.lot.tell(slot, b"state 1", "position")
        at.lot.tell_all(slots_of(slot), [b"state 2"], [(b"state 2", "position")])
        at.lot.tell(slot, b"fact")
        assert (port.out, at.lot.keeps_up(slot)) == (b"", False)
        port.room = 3
        at.lot.room(slot)
        assert port.out == b"fir"
        port.room = 1_000
        at.lot.room(slot)
        assert port.out == b"first" + text_frame(b"state 2") + text_frame(b"fact")
        at.lot.feed(slot, masked(TEXT, b"hello") + masked(CLOSE, b"\x03\xe8"))
        assert at.heard.messages == [(slot, "hello")]
        assert port.out.endswith(close_frame(1000))
        assert port.ends == ["shut"]
        at.lot.lost(slot)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 1000)]
        assert port.ends == ["shut", "drop"]


async def test_a_port_that_takes_nothing_is_dropped_in_time_and_counts_as_room() -> None:
    with ground(sockets_max=1) as at:
        port = Narrow()
        slot = at.lot.moor(port, b"first")
        assert at.lot.full
        at.at(at.lot.limits.gone_s_max)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4508)]
        assert port.ends == ["drop"]


# Lines


async def test_a_line_is_a_slot_like_any_other() -> None:
    with ground() as at:
        line = Outbox()
        slot = at.lot.add_line(line)
        client, parked = at.park()
        at.lot.tell_all(slots_of(slot, parked), [b"shared"], [(b"shared", None)])
        at.lot.tell(slot, b"own", "position")
        at.lot.tell_each(slots_of(slot, parked), [b"a", b"b"], "x")
        assert line.take_all() == [b"shared", b"own", b"a"]
        assert await at.read(client, 11) == text_frame(b"shared") + text_frame(b"b")
        at.lot.hear(slot, "hello")
        assert at.heard.messages == [(slot, "hello")]
        at.lot.close(slot, 4403)
        at.lot.tell(slot, b"late")
        assert (line.closing, line.take_all()) == (4403, [])
        at.lot.lost(slot, 1000)
        await until(lambda: at.heard.codes)
        assert at.heard.codes == [(slot, 4403)]


@pytest.mark.parametrize(("messages", "code"), [(["x" * 5_000], 1009), (["x"] * 21, 4529)])
async def test_a_line_has_the_same_bounds(messages: list[str], code: int) -> None:
    with ground() as at:
        line = Outbox()
        slot = at.lot.add_line(line)
        for message in messages:
            at.lot.hear(slot, message)
        assert line.closing == code


async def test_who_was_asked_and_then_slow_has_shown_to_be_there_by_catching_up() -> None:
    with ground() as at:
        client, slot = at.park(receive_buffer=SMALL)
        while not at.lot.counts.pings:
            at.at(at.now_s + 1)
        await fill(at, slot)
        at.at(at.now_s + 1)
        async with asyncio.timeout(WAIT_S):
            while not at.lot.keeps_up(slot):
                with contextlib.suppress(BlockingIOError):
                    client.recv(65_536)
                await asyncio.sleep(0)
        at.at(at.now_s + 2)
        await asyncio.sleep(0)
        assert at.heard.codes == []


async def test_sockets_that_another_server_holds_count_too() -> None:
    with ground(sockets_max=2) as at:
        for full in (False, False, True):
            assert at.lot.full == full
            at.lot.add_line(Outbox())
