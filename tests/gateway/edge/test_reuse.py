"""A descriptor or a slot that is used again never brings one person's frame to another."""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Set, Sized

import numpy as np
import pytest

from gateway.edge.parked.lot import Lot
from tests.gateway.edge.pairs import Ground, ground, until
from tests.gateway.edge.test_inbound import CLOSE, TEXT, masked

ROUNDS = 150
RESET = b"\1\0\0\0\0\0\0\0"


class People:
    """Clients that come and go; each is told only what is theirs, and says who they are."""

    def __init__(self, at: Ground, chance: random.Random) -> None:
        self.at = at
        self.chance = chance
        self.by_slot: dict[int, int] = {}
        self.clients: dict[int, socket.socket] = {}
        self.heard: dict[int, bytearray] = {}
        self.count = 0
        self.reused = 0
        self.files: set[int] = set()

    def come(self) -> None:
        client, server = self.at.pair()
        who, self.count = self.count, self.count + 1
        slot = self.at.lot.park(server.fileno(), b"")
        server.close()
        assert slot is not None
        assert slot not in self.by_slot, "a slot is free only once its handler has heard of it"
        file = self.at.lot._slots.files[slot]
        self.reused += file in self.files
        self.files.add(file)
        self.by_slot[slot] = who
        self.clients[who] = client
        self.heard[who] = bytearray()

    def go(self) -> None:
        if not self.clients:
            return
        who = self.chance.choice(list(self.clients))
        client = self.clients.pop(who)
        match self.chance.randrange(4):
            case 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            case 1:
                client.send(masked(CLOSE, b"\x03\xe8"))
            case 2:
                client.send(masked(TEXT, str(who).encode())[:-1])
        client.close()

    def send_away(self) -> None:
        if self.by_slot:
            self.at.lot.close(self.chance.choice(list(self.by_slot)), 4403)

    def listen(self) -> None:
        for who, client in list(self.clients.items()):
            try:
                self.heard[who] += client.recv(65_536)
            except BlockingIOError:
                continue
            except ConnectionError:
                del self.clients[who]

    # The handler

    def received(self, slot: int, message: str | bytes) -> None:
        assert message == str(self.by_slot[slot])

    def closed(self, slot: int, code: int) -> None:
        del self.by_slot[slot]

    def missed(self, slot: int, states: Set[str]) -> None:
        raise AssertionError("nobody is told a state")


def told_to(data: bytes) -> set[bytes]:
    """The texts of the whole frames in ``data``; all are short."""
    texts, at = set(), 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        if data[at] == 0x81:
            texts.add(data[at + 2 : at + 2 + data[at + 1]])
        at += 2 + data[at + 1]
    return texts


@pytest.mark.parametrize("seed", range(4))
async def test_nobody_is_ever_told_what_is_anothers(seed: int) -> None:
    chance = random.Random(seed)
    with ground() as at:
        people = People(at, chance)
        at.lot._handler = people
        plans: deque[tuple[np.ndarray, np.ndarray, list[bytes]]] = deque()
        for _ in range(ROUNDS):
            for _ in range(chance.randrange(6)):
                chance.choice([people.come, people.come, people.go, people.send_away, people.listen])()
            for slot, who in people.by_slot.items():
                if chance.random() < 0.3:
                    at.lot.tell(slot, b"%d" % who)
            slots = np.array(list(people.by_slot), np.int32)
            plans.append((slots, at.lot.stamps(slots), [b"%d" % who for who in people.by_slot.values()]))
            if len(plans) > chance.randrange(8):
                slots, stamps, texts = plans.popleft()
                at.lot.tell_each(slots, texts, None, stamps)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        people.listen()
        for who, data in people.heard.items():
            assert told_to(bytes(data)) <= {b"%d" % who}
        assert people.reused > 10, "the test is about descriptors that are used again"
        for client in people.clients.values():
            client.close()
        await until(lambda: at.lot.counts.parked == 0)


async def test_a_plan_from_before_a_wait_passes_over_who_came_meanwhile() -> None:
    with ground() as at:
        leaver, slot = at.park()
        slots = np.array([slot], np.int32)
        stamps = at.lot.stamps(slots)
        leaver.close()
        await until(lambda: at.heard.codes)
        comer, again = at.park()
        assert again == slot
        at.lot.tell_all(slots, [b"for the leaver"], [(b"for the leaver", None)], stamps)
        at.lot.tell_each(slots, [b"for the leaver"], None, stamps)
        at.lot.tell_all(slots, [b"now"], [(b"now", None)], at.lot.stamps(slots))
        assert await at.read(comer, 5) == b"\x81\x03now"


async def test_nothing_is_used_again_in_the_turn_in_which_it_was_lost() -> None:
    """Two clients speak and go in the same batch of events; the first event's handler loses the other and parks one."""

    class Meddler:
        def __init__(self, at: Ground) -> None:
            self.at = at
            self.slots: set[int] = set()
            self.new: list[tuple[socket.socket, int]] = []
            self.gone: list[int] = []

        def received(self, slot: int, message: str | bytes) -> None:
            lost = (self.slots - {slot}).pop()
            file = self.at.lot._slots.files[lost]
            self.at.lot.lost(lost)
            self.at.lot.tell(lost, b"into the void")
            client, new = self.at.park()
            self.new.append((client, new))
            assert new not in (lost, slot)
            assert self.at.lot._slots.files[new] != file
            assert not self.gone

        def closed(self, slot: int, code: int) -> None:
            self.gone.append(slot)

        def missed(self, slot: int, states: Set[str]) -> None:
            raise AssertionError("nobody is told a state")

    with ground() as at:
        meddler = Meddler(at)
        at.lot._handler = meddler
        clients, slots = zip(*(at.park() for _ in range(2)), strict=True)
        meddler.slots = set(slots)
        for client in clients:
            client.send(masked(TEXT, b"hello"))
        await until(lambda: meddler.gone)
        assert len(meddler.new) == 1, "the other one's event found nobody"
        client, new = meddler.new[0]
        at.lot.tell(new, b"mine")
        assert await at.read(client, 6) == b"\x81\x04mine"


async def test_a_thousand_comings_and_goings_leave_nothing_behind() -> None:
    with ground() as at:
        at.lot._handler = Forgetful()
        before: tuple[int, int] | None = None
        for _ in range(50):
            for client in [at.park()[0] for _ in range(20)]:
                client.send(masked(TEXT, b"half")[:3])
                client.close()
            await until(lambda: at.lot.counts.parked == 0)
            now = (at.lot._slots.capacity, left_over(at.lot))
            before = before or now
            assert now == before
        assert left_over(at.lot) == 0


class Forgetful:
    def received(self, slot: int, message: str | bytes) -> None: ...

    def closed(self, slot: int, code: int) -> None: ...

    def missed(self, slot: int, states: Set[str]) -> None: ...


def left_over(lot: Lot) -> int:
    sending = lot._sending
    held: list[Sized] = [lot._owners, lot._ports, lot._lines, lot._slots.codes, sending._backlogs, lot._buried]
    return sum(len(kept) for kept in held) + lot.inbounds + lot._descriptors.count + lot._slots.used
