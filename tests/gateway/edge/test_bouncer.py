"""The door: time for a head, room for handshakes."""

import random

from gateway.edge.parked.bouncer import RETRY_AFTER_S_MAX, RETRY_AFTER_S_MIN, Bouncer


class Visitor:
    def __init__(self) -> None:
        self.was_cut = False

    def cut(self) -> None:
        self.was_cut = True


def test_who_says_nothing_in_time_is_cut_and_nobody_else() -> None:
    now = 0.0
    bouncer = Bouncer(head_s_max=5.0, clock=lambda: now)
    silent, told, late = Visitor(), Visitor(), Visitor()
    bouncer.watch(silent)
    bouncer.watch(told)
    now = 3.0
    bouncer.watch(late)
    bouncer.unwatch(told)
    now = 4.9
    bouncer.sweep()
    assert not silent.was_cut
    now = 5.1
    bouncer.sweep()
    assert (silent.was_cut, told.was_cut, late.was_cut) == (True, False, False)
    assert bouncer.knocking == 1


def test_a_second_request_on_a_connection_has_its_own_time() -> None:
    now = 0.0
    bouncer = Bouncer(head_s_max=5.0, clock=lambda: now)
    first, again = Visitor(), Visitor()
    bouncer.watch(again)
    bouncer.watch(first)
    now = 4.0
    bouncer.watch(again)
    now = 6.0
    bouncer.sweep()
    assert (first.was_cut, again.was_cut) == (True, False)


def test_handshakes_have_room_for_so_many() -> None:
    bouncer = Bouncer(handshakes_max=1)
    assert not bouncer.crowded
    bouncer.handshakes += 1
    assert bouncer.crowded


def test_a_crowd_is_told_to_come_back_at_different_times() -> None:
    bouncer = Bouncer(chance=random.Random(1))
    told = {bouncer.retry_after_s() for _ in range(100)}
    assert told == set(range(RETRY_AFTER_S_MIN, RETRY_AFTER_S_MAX + 1))
