"""Every "no" that a command can get, and the corners in which a command is answered although there is little to do."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.admission import Window, Windows
from engine.core.experience import Batch, Experience
from protocol import commands as c
from protocol.commands import Command, Limits
from protocol.documents import Experience as Document
from protocol.events import (
    Admitted,
    Answered,
    AnyEvent,
    Attached,
    Configured,
    PhaseChanged,
    Refused,
    TicketRefused,
    WindowMoved,
    WriterChanged,
)
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant

SENDER = b"gateway1"
START_MS = 50_000
BY = ("control", "")
NOBODY = bytes(16)
STEERING = (c.Open, c.Pause, c.Resume, c.Close, c.End)

TOLD = document(
    paths=[
        raw_path(variants=["42"], distribution={"checkout_window_seconds": 10}),
        raw_path("vip", min_level="verified", priority=-1),
    ],
    products=[raw_product(raw_variant(stock=5), raw_variant("43"))],
)


class Room:
    """An experience that was set up; ``send`` answers the events of one batch at the present time."""

    def __init__(self, told: Document = TOLD) -> None:
        self.core = Experience(EXPERIENCE)
        self.now_ms, self._number = START_MS, 0
        self.configure(told)

    def configure(self, told: Document) -> list[AnyEvent]:
        return self.send(c.Configure(*BY, told, bytes(32), "k1"))

    def send(self, *commands: Command) -> list[AnyEvent]:
        self._number += 1
        events, applied = self.core.step(self.now_ms, [Batch(SENDER, self._number, list(commands))])
        assert applied == {SENDER: self._number}
        return events

    def refusal(self, *commands: Command) -> tuple[str, dict[str, Any]]:
        (refused,) = [event for event in self.send(*commands) if isinstance(event, Refused)]
        assert refused.index == len(commands) - 1
        return refused.reason, refused.detail

    def answer(self, *commands: Command) -> dict[str, Any]:
        (answered,) = [event for event in self.send(*commands) if isinstance(event, Answered)]
        return answered.answer


@pytest.mark.parametrize(
    ("command", "reason", "detail"),
    [
        (c.Join(NOBODY, "no"), "not_found", {"path": "no"}),
        (c.Join(b"short", "general"), "invalid", {"path": "general"}),
        (c.Join(NOBODY, "general", hats=0), "invalid", {"path": "general"}),
        (c.Join(NOBODY, "general", hats=256), "invalid", {"path": "general"}),
        (c.Join(NOBODY, "general", level=3), "invalid", {"path": "general"}),
        (c.Join(NOBODY, "vip", level=1), "needs_level", {"path": "vip", "level": "verified"}),
        (c.Leave(NOBODY, "no"), "not_found", {"path": "no"}),
        (c.Leave(NOBODY, "general"), "no_ticket", {"path": "general"}),
        (c.Decline(NOBODY, "general"), "no_ticket", {"path": "general"}),
        (c.Rejoin(NOBODY, "no"), "not_found", {"path": "no"}),
        (c.Rejoin(NOBODY, "general"), "no_ticket", {"path": "general"}),
        (c.Redeem(*BY, NOBODY), "not_found", {"admission": NOBODY.hex()}),
        (c.Complete(*BY, NOBODY), "not_found", {"admission": NOBODY.hex()}),
        (c.Release(*BY, NOBODY), "not_found", {"admission": NOBODY.hex()}),
        (c.Extend(*BY, NOBODY), "not_found", {"admission": NOBODY.hex()}),
        (c.SetReleaseRate(*BY, "no", Limits(5)), "not_found", {"path": "no"}),
        (c.SetStock(*BY, "no", 5), "not_found", {"variant": "no"}),
        (c.Open(*BY, "no"), "not_found", {"path": "no"}),
        (c.Pause(*BY, "no"), "not_found", {"path": "no"}),
        (c.Resume(*BY, "no"), "not_found", {"path": "no"}),
        (c.Close(*BY, "no"), "not_found", {"path": "no"}),
        (c.End(*BY, "no"), "not_found", {"path": "no"}),
        (c.AdmitNow(*BY, "no", 1), "not_found", {"path": "no"}),
        (c.RefuseTicket(*BY, "no", 0, ""), "not_found", {"path": "no", "ticket": 0}),
        (c.RefuseTicket(*BY, "general", 0, ""), "not_found", {"path": "general", "ticket": 0}),
        (c.RefuseTicket(*BY, "general", -1, ""), "not_found", {"path": "general", "ticket": -1}),
    ],
)
def test_a_command_about_nothing_is_refused(command: Command, reason: str, detail: dict[str, Any]) -> None:
    room = Room()
    before = room.core.paths["general"].snapshot()
    assert room.refusal(command) == (reason, detail)
    assert room.core.paths["general"].snapshot() == before


@pytest.mark.parametrize(
    "command",
    [
        c.SetReleaseRate(*BY, "general", Limits(None)),
        c.SetReleaseRate(*BY, "general", Limits(-1)),
        c.SetReleaseRate(*BY, "general", Limits(max_active=-1)),
        c.SetReleaseRate(*BY, "", Limits(max_admissions=-1)),
        c.SetStock(*BY, "42", -1),
        c.SetStock(*BY, "42", add=-6),
        c.SetStock(*BY, "43", add=1),
        c.SetStock(*BY, "42", 10**12),
        c.AdmitNow(*BY, "general", 0),
    ],
)
def test_a_number_out_of_bounds_is_refused(command: Command) -> None:
    assert Room().refusal(command)[0] in {"invalid", "stock_below_sold"}


@pytest.mark.parametrize("command", [c.Join(NOBODY), c.Attach(NOBODY), c.Open(*BY, "general")])
def test_before_it_is_set_up_there_is_no_experience(command: Command) -> None:
    core = Experience(EXPERIENCE)
    events, _ = core.step(START_MS, [Batch(SENDER, 1, [command])])
    assert events == [Refused(SENDER, 1, 0, "not_found", {"experience": EXPERIENCE})]
    assert core.next_deadline_ms() is None
    assert Experience.restore(EXPERIENCE, core.snapshot()).digest() == core.digest()


def test_the_first_secret_has_the_right_length_and_stays() -> None:
    core = Experience(EXPERIENCE)
    for number, secret in enumerate([bytes(31), bytes(32), bytes([1]) * 32], 1):
        core.step(START_MS, [Batch(SENDER, number, [c.Configure(*BY, TOLD, secret, f"k{number}")])])
    assert (core.secret, core.kid, core.revision) == (bytes(32), "k3", 2)


def test_a_path_with_live_tickets_is_not_dropped_and_without_them_it_is() -> None:
    room, alone = Room(), document(paths=[raw_path("vip", priority=-1)], products=[raw_product(raw_variant(stock=5))])
    (admission,) = [e.admissions for e in room.send(c.Join(NOBODY, "general")) if isinstance(e, Admitted)]
    assert room.refusal(c.Configure(*BY, alone, bytes(32), "k1")) == ("in_use", {"fields": ["paths.general"]})
    room.send(c.Complete(*BY, admission))
    assert isinstance(room.configure(alone)[0], Configured)
    assert room.refusal(c.Redeem(*BY, admission))[0] == "not_found"
    room.configure(TOLD)
    room.send(c.Join(consumer(1), "general"))
    assert room.refusal(c.Redeem(*BY, admission))[0] in {"not_found", "window_over"}


def test_the_currency_and_the_lots_of_live_tickets_do_not_change() -> None:
    room = Room()
    room.send(c.Join(NOBODY, "general"))
    dollars = document(
        paths=[raw_path(variants=["42"], distribution={"hats_max": 6, "points_per_hat": 7})],
        products=[raw_product(raw_variant(stock=5, currency="USD"))],
    )
    fields = ["variants.currency", "distribution.hats_max", "distribution.points_per_hat"]
    expected = {"fields": [f"paths.general.{field}" for field in fields]}
    assert room.refusal(c.Configure(*BY, dollars, bytes(32), "k1")) == ("in_use", expected)


def test_limits_that_stand_already_change_nothing() -> None:
    room = Room()
    assert room.answer(c.SetReleaseRate(*BY, "general", Limits())) == {"revision": 1, "changed": False}
    assert room.answer(c.SetReleaseRate(*BY, "", Limits(None))) == {"revision": 1, "changed": False}


@pytest.mark.parametrize("kind", STEERING)
def test_steering_a_path_twice_is_steering_it_once(kind: type[c.Open | c.Pause | c.Resume | c.Close | c.End]) -> None:
    room = Room()
    room.send(kind(*BY, "general"))
    assert room.send(kind(*BY, "general")) == []


def test_a_path_that_is_settling_can_still_be_ended() -> None:
    room = Room(document(paths=[raw_path(distribution={"release_rate_per_minute": 0})]))
    room.send(c.Join(NOBODY, "general"))
    room.send(c.Close(*BY, "general"))
    room.send(c.End(*BY, "general"))
    assert room.core.paths["general"].phase == "ended"
    assert room.send(c.Close(*BY, "general")) == []


def test_another_schedule_holds_at_once_and_the_same_one_leaves_the_hand_alone() -> None:
    room = Room()
    later = document(paths=[raw_path(closes_at=START_MS + 5)])
    assert [event.closes_at for event in room.configure(later) if isinstance(event, PhaseChanged)] == [START_MS + 5]
    room.send(c.Close(*BY, "general"))
    room.configure(document(paths=[raw_path(closes_at=START_MS + 5)], name="Other"))
    assert room.core.paths["general"].closes_at == START_MS


def test_whoever_holds_something_anywhere_is_told_when_joining_by_priority() -> None:
    room = Room(document(paths=[raw_path(), raw_path("vip", priority=5, opens_at=START_MS + 9)]))
    events = room.send(c.Join(NOBODY), c.Join(NOBODY))
    assert [e.holdings[0].path for e in events if isinstance(e, Attached)] == ["general"]
    shut = Room(document(paths=[raw_path(opens_at=START_MS + 9), raw_path("vip", min_level="verified")]))
    assert shut.refusal(c.Join(NOBODY)) == ("not_open", {"path": "general", "opens_at": START_MS + 9})


def test_whoever_has_paid_joins_again_only_where_the_path_allows_more() -> None:
    for joins, expected in ((1, "already_done"), (2, None)):
        room = Room(document(paths=[raw_path(joins_per_consumer=joins)]))
        (admission,) = [e.admissions for e in room.send(c.Join(NOBODY, "general")) if isinstance(e, Admitted)]
        room.send(c.Complete(*BY, admission))
        refused = [e.reason for e in room.send(c.Join(NOBODY, "general")) if isinstance(e, Refused)]
        assert refused == ([] if expected is None else [expected])


def test_a_ticket_is_turned_away_without_words_too() -> None:
    room = Room(document(paths=[raw_path(distribution={"release_rate_per_minute": 0})]))
    events = room.send(c.Join(NOBODY, "general"), c.RefuseTicket(*BY, "general", 0, ""))
    assert [event.reason for event in events if isinstance(event, TicketRefused)] == ["refused"]


def test_a_short_outage_moves_the_windows_that_end_soon_and_only_them() -> None:
    room = Room()
    room.send(c.Join(consumer(1), "general"))
    room.now_ms += 9_000
    room.send(c.Join(consumer(2), "general"))
    for epoch in (1, 2):  # two engines one after the other: one outage
        room.now_ms += 1_000
        room.core.take_over(WriterChanged(epoch, bytes(16), "0-0", bytes(32)), room.now_ms)
    moved = [event for event in room.send(c.Attach(NOBODY)) if isinstance(event, WindowMoved)]
    assert [(event.ticket, event.expires_at - START_MS) for event in moved] == [(0, 12_000)]


def test_a_window_noted_twice_with_the_same_end_ends_once() -> None:
    windows, window = Windows(), Window(NOBODY, "k1", 0, 10, 0, "")
    windows.put(0, window)
    windows.put(0, window)
    windows.put(1, Window(NOBODY, "k1", 0, 10, 0, ""))
    assert windows.due(10) == [0, 1]
