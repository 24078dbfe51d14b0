"""How long people waited: joined in batches, percentiles of waits that somebody really had."""

from __future__ import annotations

from protocol.waits import Waits


def test_a_ticket_joined_when_its_batch_did() -> None:
    waits = Waits()
    waits.joined(0, 100)
    waits.joined(3, 100)
    waits.joined(5, 250)
    assert [waits.joined_ms(ticket) for ticket in (0, 3, 4, 5, 9)] == [100, 100, 100, 250, 250]


def test_percentiles_are_waits_that_somebody_had() -> None:
    waits = Waits()
    waits.joined(0, 0)
    assert waits.percentiles(0, (50, 90)) is None
    for ticket in range(10):
        waits.admitted(ticket, 100 * (ticket + 1))
    assert waits.percentiles(0, (50, 90, 100)) == [500, 900, 1_000]
    assert waits.percentiles(901, (50, 100)) == [1_000, 1_000]
    assert waits.percentiles(1_001, (50,)) is None


def test_waits_are_made_again_from_their_runs() -> None:
    waits = Waits()
    for first, now_ms in ((0, 1_000), (7, 1_005), (20, 9_000)):
        waits.joined(first, now_ms)
    waits.admitted(8, 9_500)
    assert waits.runs == ([0, 7, 13], [1_000, 5, 7_995])
    again = Waits.of(waits.runs, waits.recent)
    assert [again.joined_ms(ticket) for ticket in (6, 7, 19, 20)] == [1_000, 1_005, 1_005, 9_000]
    assert (again.runs, again.recent) == (waits.runs, [(9_500, 8_495)])
    assert Waits.of(Waits().runs, ()).runs == ([], [])
