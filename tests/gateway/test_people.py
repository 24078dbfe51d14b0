"""Who is here, in columns: everybody is found, nobody else is, and nothing is left of who has gone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.columns import Column
from gateway.consumer_index import ConsumerIndex
from gateway.edge.parked.lot import Lot
from gateway.people import NO_TICKET, People, Seats
from gateway.probing import NOBODY
from gateway.sockets import Sockets
from gateway.watchings import EVERYTHING, Watchings
from protocol.sessions import Session
from tests.gateway.test_edges import Deaf
from tests.support.samples import consumer

NEVER = 2**32 - 1


def people() -> People:
    return People(Sockets(Lot(Deaf(), 10)))


def attend(room: People, slot: int, number: int) -> None:
    room.attend(slot, Session(consumer(number), 0, 0, NEVER), None, 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200))
def test_the_index_is_as_a_dict(acts: list[tuple[bool, int]]) -> None:
    index, model = ConsumerIndex(), dict[bytes, int]()
    free = list(range(100, -1, -1))
    for adds, who in acts:
        if adds and consumer(who) not in model:
            model[consumer(who)] = free.pop()
            index.add(consumer(who), model[consumer(who)])
        elif not adds and consumer(who) in model:
            number = model.pop(consumer(who))
            index.remove(number)
            free.append(number)
    everybody = [consumer(who) for who in range(41)]
    wanted = [model.get(one, NOBODY) for one in everybody]
    assert [index.find(one) for one in everybody] == wanted
    assert index.find_all(b"".join(everybody)).tolist() == wanted
    assert len(index) == len(model)


def test_thousands_are_found_at_once() -> None:
    index, random = ConsumerIndex(), np.random.default_rng(1)
    ids = [random.bytes(16) for _ in range(5_000)]
    for number, one in enumerate(ids):
        index.add(one, number)
    strangers = [random.bytes(16) for _ in range(5_000)]
    assert index.find_all(b"".join(ids)).tolist() == list(range(5_000))
    assert set(index.find_all(b"".join(strangers)).tolist()) == {NOBODY}


def test_sockets_of_one_consumer_are_equals() -> None:
    room = people()
    for slot in (3, 70, 5):
        attend(room, slot, 1)
    attend(room, 6, 2)
    person, other = room.find(consumer(1)), room.find(consumer(2))
    assert person is not None
    assert other is not None
    assert sorted(socket.slot for socket in person.sockets) == [3, 5, 70]
    slots, whose = room.slots_of_all(np.array([other.number, person.number]))
    assert sorted(zip(slots.tolist(), whose.tolist(), strict=True)) == [(3, 1), (5, 1), (6, 0), (70, 1)]
    room.leave(room.sockets.at(70))
    assert sorted(socket.slot for socket in person.sockets) == [3, 5]
    assert sorted(room.everybody().tolist()) == [3, 5, 6]


def test_nothing_is_left_of_who_has_gone() -> None:
    room = people()
    for _ in range(3):
        attend(room, 0, 1)
        person = room.find(consumer(1))
        assert person is not None
        person.hold("general", 7)
        person.hold("general", 9)
        room.seats("general").pacing.add(person.number, 9, 0)
        person.passes[b"a"] = (1, "pass")
        assert (person.number, person.tickets, person.consumer) == (0, {"general": 9}, consumer(1))
        assert room.owner("general", 7) is None
        assert room.seats("general").paces(9)
        socket = room.sockets.at(0)
        room.leave(socket)
        room.leave(socket)
        assert (room.count, room.find(consumer(1)), room.passes, len(room.seats("general").pacing)) == (0, None, {}, 0)
        assert room.owner("general", 9) is None


def test_a_view_of_who_has_gone_tells_nobody() -> None:
    room = people()
    attend(room, 0, 1)
    before = room.sockets.at(0)
    room.leave(before)
    attend(room, 0, 2)
    assert not before.here
    assert before != room.sockets.at(0)
    before.opening = 5
    before.tell(b"{}", None, 0)
    before.close(1000)
    assert room.sockets.at(0).opening == 0


def test_seats_know_only_their_own() -> None:
    seats = Seats()
    assert (seats.owner(1_000_000), seats.ticket_of(5), seats.paces(3)) == (NOBODY, NO_TICKET, False)
    seats.drop(1_000_000)
    seats.hold(5, 200)
    assert (seats.owner(200), seats.ticket_of(5)) == (5, 200)


def test_watchings_are_shared_and_given_back() -> None:
    watchings = Watchings()
    one, other, every = watchings.take(frozenset("a")), watchings.take(frozenset("ab")), watchings.take(None)
    assert (watchings.take(frozenset("a")), every) == (one, EVERYTHING)
    assert watchings.watching("b")[[every, one, other]].tolist() == [True, False, True]
    watchings.free(one)
    assert watchings.paths(one) == frozenset("a")
    watchings.free(one)
    watchings.free(every)
    assert watchings.take(frozenset("c")) == one
    assert len(watchings) == 2


def test_a_column_keeps_what_it_has_when_it_grows() -> None:
    column = Column("i", -1)
    column.one[3] = 5
    column.reach(1_000)
    assert (column.one[3], column.all[3], column.one[1_000]) == (5, 5, -1)
    column.all[1_000] = 8
    assert column.one[1_000] == 8
