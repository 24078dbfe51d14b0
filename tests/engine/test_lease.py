"""Who tries to write: a lease is taken when it is absent, or when nothing has moved in it for a lease's time."""

from __future__ import annotations

from engine.io.lease import Lease, Write

LEASE_MS = 3_000
BEAT_MS = 1_000


def lease(owner: str = "me") -> Lease:
    return Lease(owner, LEASE_MS, BEAT_MS)


def holding(now_ms: int = 0) -> Lease:
    held = lease()
    write = held.see(None, now_ms)
    assert write == Write(None, b"me:1")
    held.wrote(write, now_ms)
    assert held.held
    return held


def test_an_absent_lease_is_taken_at_once() -> None:
    holding()


def test_it_is_renewed_with_every_beat_and_not_before() -> None:
    held = holding()
    assert held.see(b"me:1", BEAT_MS - 1) is None
    write = held.see(b"me:1", BEAT_MS)
    assert write == Write(b"me:1", b"me:2")
    held.wrote(write, BEAT_MS)
    assert held.see(b"me:2", 2 * BEAT_MS - 1) is None
    assert held.held


def test_a_lease_that_moves_is_left_alone() -> None:
    waiting = lease()
    for beat in range(10):
        assert waiting.see(b"other:%d" % beat, beat * (LEASE_MS - 1)) is None


def test_a_lease_that_has_not_moved_for_its_time_is_taken() -> None:
    waiting = lease()
    assert waiting.see(b"other:7", 500) is None
    assert waiting.see(b"other:7", 500 + LEASE_MS - 1) is None
    assert waiting.see(b"other:7", 500 + LEASE_MS) == Write(b"other:7", b"me:1")
    assert not waiting.held, "it is held once it is written"


def test_a_lease_that_another_took_is_lost() -> None:
    held = holding()
    assert held.see(b"other:1", 500) is None
    assert not held.held


def test_a_lease_that_the_store_lost_is_written_again_at_once() -> None:
    held = holding()
    assert held.see(None, 10) == Write(None, b"me:2")
    assert held.held


def test_a_beat_whose_answer_was_lost_is_still_ours() -> None:
    held = holding()
    assert held.see(b"me:2", BEAT_MS) == Write(b"me:2", b"me:2")
    assert held.held


def test_who_stands_back_does_not_try_before_its_time() -> None:
    held = holding()
    assert held.stand_back(5_000) == b"me:1"
    assert not held.held
    assert held.see(None, 4_999) is None
    assert held.see(None, 5_000) == Write(None, b"me:2")


def test_who_holds_nothing_has_nothing_to_delete() -> None:
    assert lease().stand_back(5_000) is None
