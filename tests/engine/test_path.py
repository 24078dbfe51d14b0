"""A path by itself: its phases, what its tickets and windows count, and that nothing is admitted that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.admission import Bucket, Meter
from engine.core.journal import Journal
from engine.core.path import Path
from engine.core.stock import Stock
from protocol.documents import Experience as Document
from protocol.events import Admitted, AnyEvent, Expired, PhaseChanged, SoldOutChanged, WaitingLost, WindowMoved
from protocol.states import Phase
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

SECRET = bytes(32)


class Scene:
    """One path with its stock and its journal."""

    def __init__(self, *, stock: int | None = None, terms: dict[str, Any] | None = None, **fields: Any) -> None:
        told: Document = document(
            paths=[raw_path(distribution=terms, **fields)], products=[raw_product(raw_variant("a", stock=stock))]
        )
        self.stock = Stock()
        self.stock.configure(told)
        self.over_all = Meter(Bucket(None, 1_000), None, None)
        self.journal = Journal()
        self.path = Path(told.paths[0], 1, self.stock, self.over_all)
        self.path.configure(told.paths[0], ["a"], 0)

    def keep_schedule(self, at: int) -> list[AnyEvent]:
        self.path.keep_schedule(at, self.journal)
        return self.journal.take()

    def settle(self, at: int) -> list[AnyEvent]:
        self.path.settle(at, self.journal)
        return self.journal.take()

    def join(self, count: int) -> None:
        for _ in range(count):
            self.path.tickets.add(consumer(len(self.path.tickets)), 1)

    def admit(self, count: int, at: int) -> list[AnyEvent]:
        self.path.admit(count, at, "k1", SECRET, self.journal, by_hand=False)
        return self.journal.take()


def _open(count: int = 0, **settings: Any) -> Scene:
    scene = Scene(**settings)
    scene.keep_schedule(0)
    scene.join(count)
    return scene


def test_without_a_schedule_it_opens_at_once_and_never_closes() -> None:
    scene = Scene()
    assert scene.path.next_phase_ms() is None
    assert scene.keep_schedule(5) == [PhaseChanged("general", "open", 5, None, None, "")]
    assert (scene.path.next_phase_ms(), scene.keep_schedule(10**12)) == (None, [])


def test_the_schedule_opens_and_closes_it_at_the_instant() -> None:
    scene = Scene(opens_at=10, closes_at=20)
    assert (scene.path.next_phase_ms(), scene.keep_schedule(9)) == (10, [])
    assert scene.keep_schedule(10) == [PhaseChanged("general", "open", 10, 10, 20, "")]
    assert (scene.path.next_phase_ms(), scene.keep_schedule(19)) == (20, [])
    assert scene.keep_schedule(20) == [PhaseChanged("general", "settling", 20, 10, 20, "")]
    assert scene.path.next_phase_ms() is None


def test_a_schedule_that_went_by_unseen_is_made_up_for() -> None:
    scene = Scene(opens_at=10, closes_at=20)
    assert [event.phase for event in scene.keep_schedule(30) if isinstance(event, PhaseChanged)] == ["open", "settling"]


def test_it_ends_when_nobody_waits_and_no_window_is_open() -> None:
    scene = _open(2, closes_at=10)
    scene.keep_schedule(10)
    assert scene.settle(10) == []
    scene.admit(2, 10)
    scene.path.give_up(0, "declined", 11, scene.journal)
    scene.path.complete(1, "", 12, "shop", scene.journal)
    assert scene.settle(12)[-1] == PhaseChanged("general", "ended", 12, None, 10, "")
    assert scene.settle(13) == []


def test_before_the_opening_nobody_is_served_and_nothing_is_concluded() -> None:
    scene = Scene(opens_at=10, stock=0)
    scene.join(1)
    assert (scene.path.servable(), scene.path.next_admission_ms(), scene.settle(0)) == (0, None, [])


def test_servable_is_the_least_of_those_who_wait_the_caps_and_the_stock() -> None:
    scene = _open(9, stock=5, terms={"max_active": 7})
    assert scene.path.servable() == 5
    scene.stock.set_total("a", None)
    assert scene.path.servable() == 7
    scene.over_all.max_active = 6
    assert scene.path.servable() == 6
    scene.path.paused = True
    assert scene.path.servable() == 0


def test_the_rates_of_path_and_experience_both_hold() -> None:
    scene = _open(9, terms={"release_rate_per_minute": 600})
    scene.over_all.bucket.change(60, 1_000, 0)
    assert scene.path.metered(0) == 2
    scene.over_all.admit(2, by_hand=False)
    assert (scene.path.metered(0), scene.path.next_admission_ms()) == (0, 1_000)
    scene.path.meter.bucket.change(0, 1_000, 0)
    assert (scene.path.metered(1_000), scene.path.next_admission_ms()) == (0, None)


def test_more_than_can_be_is_not_admitted() -> None:
    scene = _open(1)
    for count in (0, 2):
        with pytest.raises(AssertionError, match="no more are admitted than can be"):
            scene.admit(count, 0)
    assert scene.path.tickets.waiting == 1


def test_an_admission_is_named_by_secret_path_and_ticket() -> None:
    first, second = _open(2), _open(2)
    (told,), (again,) = first.admit(2, 5), second.admit(2, 99)
    assert isinstance(told, Admitted) and isinstance(again, Admitted)
    assert told.admissions == again.admissions
    assert len({told.admissions[:16], told.admissions[16:]}) == 2
    other = _open(1)
    ((ticket, window),) = other.path.admit(1, 0, "k1", bytes([1] * 32), other.journal, by_hand=True).items()
    assert ticket == 0
    assert window.admission != told.admissions[:16]


def test_windows_expire_together_with_what_they_held() -> None:
    scene = _open(3, stock=3)
    scene.admit(2, 0)
    assert (scene.over_all.active, scene.stock.shelves["a"].reserved, scene.path.has_live) == (2, 2, True)
    scene.path.expire(599_999, scene.journal)
    assert scene.journal.take() == []
    scene.path.expire(600_000, scene.journal)
    assert scene.journal.take() == [Expired("general", 600_000, [0, 1])]
    assert (scene.over_all.active, scene.path.meter.active, scene.stock.shelves["a"].reserved) == (0, 0, 0)


def test_sold_out_is_told_as_it_changes() -> None:
    scene = _open(2, stock=1)
    scene.admit(1, 0)
    assert scene.settle(0) == [SoldOutChanged("general", True, True)]
    assert scene.settle(0) == []
    scene.path.complete(0, "", 1, "shop", scene.journal)
    scene.journal.take()
    assert scene.settle(1) == [SoldOutChanged("general", True, False), WaitingLost("general", 1, "sold_out")]
    scene.stock.set_total("a", 2)
    assert scene.settle(2) == [SoldOutChanged("general", False, False)]


def test_an_outage_moves_all_windows_or_those_that_end_soon() -> None:
    scene = _open(2)
    scene.admit(1, 0)
    scene.admit(1, 10)
    scene.path.move_windows(7, 600_010, scene.journal)
    assert scene.journal.take() == [WindowMoved("general", 0, 600_007)]
    scene.path.move_windows(5, None, scene.journal)
    assert scene.journal.take() == [WindowMoved("general", 0, 600_012), WindowMoved("general", 1, 600_015)]


def test_a_redeemed_window_moves_by_when_its_grace_ends() -> None:
    scene = _open(1, terms={"payment_grace_seconds": 1})
    scene.admit(1, 0)
    scene.path.redeem(0, 5, "shop", scene.journal)
    scene.journal.take()
    scene.path.move_windows(7, 601_000, scene.journal)
    assert scene.journal.take() == []
    scene.path.move_windows(7, 601_001, scene.journal)
    assert scene.journal.take() == [WindowMoved("general", 0, 600_007)]


def test_a_snapshot_gives_back_the_path() -> None:
    scene = _open(3, closes_at=50)
    scene.admit(1, 0)
    scene.path.paused = scene.path.ended_by_hand = True
    scene.path.enter(Phase.SETTLING, 5, "ops", scene.journal)
    kept = _plain(scene.path.snapshot())
    restored = Path.restore(scene.path.settings, kept, scene.stock, scene.over_all)
    assert _plain(restored.snapshot()) == kept
    assert (restored.paused, restored.ended_by_hand, restored.phase) == (True, True, "settling")
    assert restored.windows.next_deadline_ms() == 600_000


def _plain(data: Any) -> Any:
    """As it comes back from the store: lists instead of tuples and structs."""
    if isinstance(data, list | tuple):
        return [_plain(one) for one in data]
    if hasattr(data, "__struct_fields__"):
        return [getattr(data, name) for name in data.__struct_fields__]
    return data
