"""What an appointment tells: facts to whom they concern, and to everybody the free places, right for the slowest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from typing import Any

import pytest

from gateway import conversations
from gateway.kinds.appointment import SECTION_SLOTS, Sheet
from gateway.rounds import tell_round
from gateway.sockets import TOGETHER_BYTES_MAX, Socket, _together
from protocol.commands import Attach
from protocol.distributions import Appointment
from protocol.events import Admitted, Answered, Attached, Configured, Holding, WaitingLost
from protocol.kind_events import (
    Booked,
    BookingCancelled,
    CheckedIn,
    CheckoutAsked,
    CheckoutDropped,
    HoldEnded,
    HoldMoved,
    NotShown,
    SlotHeld,
    TicketsLost,
)
from protocol.kinds.appointment import AppointmentReplica
from protocol.sessions import Session
from protocol.slots import slot_of, start_of
from protocol.states import TicketState
from tests.support.log import START_MS, joined
from tests.support.rooms import KID, NEVER, Stage, line
from tests.support.samples import consumer, document

PATH = "fitting"
DAY_MS = 86_400_000
UNTIL = START_MS + 600_000
TEN, ELEVEN = "20270201T100000Z", "20270201T110000Z"
SOCKETS_ROOM = 32_768


def raw_fitting(*windows: tuple[str, str, str], **terms: Any) -> dict[str, Any]:
    """An appointment path open to guests: hours from ten to twelve of a day, unless told otherwise."""
    days = windows or (("2027-02-01", "10:00", "12:00"),)
    opening = [{"date": date, "from": begins, "to": ends} for date, begins, ends in days]
    distribution = {"kind": "appointment", "windows": opening, "duration_minutes": 60, "time_zone": "UTC"} | terms
    return {"id": PATH, "min_level": "guest", "distribution": distribution}


def staged(*windows: tuple[str, str, str], **terms: Any) -> Stage:
    return Stage(paths=[raw_fitting(*windows, **terms)])


def many_slots() -> list[tuple[str, str, str]]:
    """Windows of ten thousand slots of a minute."""
    return [*((f"2027-02-{day:02}", "00:00", "24:00") for day in range(1, 7)), ("2027-02-07", "00:00", "22:40")]


def kind_of(stage: Stage) -> AppointmentReplica:
    kind = stage.room.replica.paths[PATH].kind
    assert isinstance(kind, AppointmentReplica)
    return kind


def say(stage: Stage, socket: Socket, **frame: Any) -> None:
    conversations.receive(stage.room, socket, json.dumps(frame), 20)


def merged(frames: list[dict[str, Any]]) -> dict[str, int]:
    """Free places by slot, as a client has them that heard these frames."""
    slots: dict[str, dict[str, Any]] = {}
    for frame in frames:
        if frame["type"] == "slots":
            if "since" in frame:
                until = frame["until"] or float("inf")
                slots = {key: one for key, one in slots.items() if not frame["since"] <= one["start"] < until}
            slots |= {one["id"]: one for one in frame["slots"]}
    return {key: slots[key]["free"] for key in sorted(slots)}


# Facts


def test_whoever_holds_and_books_is_told_as_the_answer_and_others_are_not() -> None:
    stage = staged()
    mine, also_mine, other = stage.enter(1), stage.enter(1), stage.enter(2)
    say(stage, mine, type="hold", path=PATH, slot=TEN, ref="h")
    for one in (mine, also_mine, other):
        line(one).take()
    stage.answer(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL))
    told, without = line(mine).take(), line(also_mine).take()
    assert [frame["type"] for frame in told] == ["joined", "held"]
    held = {"type": "held", "path": PATH, "slot": TEN, "hold_expires_at": UNTIL, "now": START_MS}
    assert (told[1], without[1]) == (held | {"ref": "h"}, held)
    say(stage, mine, type="book", path=PATH, ref="b")
    stage.answer(Booked(PATH, START_MS, 0, TEN, "K7", ""))
    assert line(mine).take() == [{"type": "booked", "path": PATH, "slot": TEN, "confirmation": "K7", "ref": "b"}]
    say(stage, mine, type="reschedule", path=PATH, slot=ELEVEN, ref="r")
    stage.answer(Booked(PATH, START_MS, 0, ELEVEN, "K7", TEN))
    (moved,) = line(mine).take()
    assert (moved["slot"], moved["ref"], kind_of(stage).places[0].moves) == (ELEVEN, "r", 1)
    assert line(other).take() == []


def test_whoever_pays_first_is_told_that_the_place_is_kept_and_then_of_the_turn() -> None:
    stage = staged(checkout=True)
    mine = stage.enter(1)
    say(stage, mine, type="book", path=PATH, slot=TEN, ref="b")
    line(mine).take()
    turn = Admitted(PATH, START_MS, UNTIL, KID, [0], bytes(16), False)
    stage.answer(joined(0, 1, path=PATH), CheckoutAsked(PATH, START_MS, 0, TEN), turn)
    kept = {"type": "held", "path": PATH, "slot": TEN, "now": START_MS}
    told = line(mine).take()
    assert [frame["type"] for frame in told] == ["joined", "held", "admitted"]
    assert told[1] == kept | {"ref": "b"}
    say(stage, mine, type="book", path=PATH, slot=TEN, ref="again")
    line(mine).take()
    stage.answer()
    assert line(mine).take() == [kept | {"ref": "again"}]
    back = stage.enter(1, Attach(consumer(1)))
    window = (bytes(16), KID, START_MS, UNTIL)
    stage.answer(Attached(consumer(1), [Holding(PATH, 0, 1, TicketState.ADMITTED, "", False, *window)]))
    assert line(back).kinds() == ["welcome", "joined", "admitted", "held", "phase", "slots"]


@pytest.mark.parametrize(("at", "reason"), [(START_MS, "cancelled"), (start_of(TEN), "hold_over")])
def test_a_place_that_was_not_paid_for_is_given_back(at: int, reason: str) -> None:
    stage = staged(checkout=True)
    mine = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL)))
    stage.read(stage.log.append(CheckoutAsked(PATH, START_MS, 0, TEN)))
    say(stage, mine, type="cancel", path=PATH, ref="c")
    line(mine).take()
    stage.answer(CheckoutDropped(PATH, at, 0, TEN))
    assert line(mine).take() == [{"type": "cancelled", "path": PATH, "slot": TEN, "reason": reason, "ref": "c"}]
    stage.read(stage.log.append(WaitingLost(PATH, START_MS, "ended")))
    assert [(frame["type"], frame["state"]) for frame in line(mine).take()] == [("ticket", "lost")]


def test_a_hold_that_moves_is_told_again_and_answers_nothing() -> None:
    stage = staged()
    mine = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL)))
    line(mine).take()
    stage.read(stage.log.append(HoldMoved(PATH, 0, UNTIL + 5)))
    (held,) = line(mine).take()
    assert (held["type"], held["hold_expires_at"], "ref" in held) == ("held", UNTIL + 5, False)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (HoldEnded(PATH, START_MS, [0]), "cancelled"),
        (HoldEnded(PATH, UNTIL, [0]), "hold_over"),
        (BookingCancelled(PATH, START_MS, 0, TEN, ""), "cancelled"),
        (BookingCancelled(PATH, START_MS, 0, TEN, "control"), "merchant"),
    ],
)
def test_what_is_given_back_says_why_and_whoever_waits_again_hears_of_the_end(event: Any, reason: str) -> None:
    stage = staged()
    mine = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL)))
    if isinstance(event, BookingCancelled):
        stage.read(stage.log.append(Booked(PATH, START_MS, 0, TEN, "K7", "")))
    say(stage, mine, type="cancel", path=PATH, ref="c")
    line(mine).take()
    stage.answer(event)
    assert line(mine).take() == [{"type": "cancelled", "path": PATH, "slot": TEN, "reason": reason, "ref": "c"}]
    assert stage.room.people.seats(PATH).paces(0)


@pytest.mark.parametrize(("event", "state"), [(CheckedIn, "completed"), (NotShown, "expired")])
def test_whoever_came_or_did_not_is_told(event: Any, state: str) -> None:
    stage = staged()
    mine = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, path=PATH), Booked(PATH, START_MS, 0, TEN, "K7", "")))
    line(mine).take()
    stage.read(stage.log.append(event(PATH, START_MS, 0, "control")))
    (frame,) = line(mine).take()
    assert (frame["type"], frame["state"]) == ("ticket", state)


@pytest.mark.parametrize(
    ("events", "state", "kinds"),
    [
        ([SlotHeld(PATH, START_MS, 0, TEN, UNTIL)], TicketState.HELD, ["joined", "held"]),
        ([Booked(PATH, START_MS, 0, TEN, "K7", "")], TicketState.BOOKED, ["joined", "booked"]),
        (
            [Booked(PATH, START_MS, 0, TEN, "K7", ""), CheckedIn(PATH, START_MS, 0, "")],
            TicketState.COMPLETED,
            ["ticket"],
        ),
        ([], TicketState.WAITING, ["joined"]),
    ],
)
def test_whoever_comes_back_is_told_what_holds(events: list[Any], state: TicketState, kinds: list[str]) -> None:
    stage = staged()
    stage.read(stage.log.append(joined(0, 1, path=PATH), *events))
    socket = stage.enter(1, Attach(consumer(1)))
    line(socket).take()
    stage.answer(Attached(consumer(1), [Holding(PATH, 0, 1, state)]))
    assert line(socket).kinds() == [*kinds, "phase", "slots"]


def test_what_was_done_before_is_answered_by_what_holds() -> None:
    stage = staged()
    mine = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1, path=PATH), Booked(PATH, START_MS, 0, TEN, "K7", "")))
    line(mine).take()
    for frame in ({"type": "book"}, {"type": "reschedule", "slot": TEN}):
        say(stage, mine, path=PATH, ref="again", **frame)
        number = stage.room.outgoing.backlog
        stage.answer(Answered(stage.room.outgoing.sender, number, 0, {"slot": TEN, "confirmation": "K7"}))
        assert line(mine).take() == [
            {"type": "booked", "path": PATH, "slot": TEN, "confirmation": "K7", "ref": "again"}
        ]


# The free places


async def test_all_slots_come_first_and_then_what_has_changed() -> None:
    stage = staged(capacity_per_slot=2, location="Berlin Mitte")
    mine, other = stage.enter(1), stage.enter(2)
    (first,) = [frame for frame in line(other).take() if frame["type"] == "slots"]
    begins = 1_801_476_000_000
    assert first["slots"][0] == {
        "id": TEN, "start": begins, "end": begins + 3_600_000, "location": "Berlin Mitte", "free": 2
    }  # fmt: skip
    assert (len(first["slots"]), first["since"], first["until"]) == (2, 0, None)
    line(mine).take()
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, ELEVEN, UNTIL)))
    await tell_round(stage.room)
    (section,) = [frame for frame in line(other).take() if frame["type"] == "slots"]
    assert [(one["id"], one["free"]) for one in section["slots"]] == [(TEN, 2), (ELEVEN, 1)], "a line gets all of it"
    await tell_round(stage.room)
    assert line(other).take() == []


def test_slots_that_nobody_may_take_yet_or_any_more_have_no_free_place() -> None:
    days = [(f"2027-02-{day:02}", "10:00", "12:00") for day in range(1, 6)]
    stage = staged(*days, min_notice_minutes=60, max_advance_days=2)
    terms = stage.room.replica.paths[PATH].settings.distribution
    assert isinstance(terms, Appointment)
    sheet, kind = Sheet(PATH, terms), kind_of(stage)
    begins = [1_801_476_000_000 + day * DAY_MS + hour * 3_600_000 for day in range(5) for hour in range(2)]
    assert [slot_of(one) for one in begins[:2]] == [TEN, ELEVEN]
    now = begins[0] - 3_600_000
    seen = []
    while (after := sheet.changes_at(now)) is not None:
        sheet.look(kind, now)
        slots = sheet.sections[0].slots
        can = [one.start for one in slots if one.free]
        assert can == [one for one in begins if now + 3_600_000 <= one <= now + 2 * DAY_MS]
        sheet.look(kind, after - 1)
        assert sheet.sections[0].slots == slots, "nothing changes before"
        sheet.look(kind, after)
        assert sheet.sections[0].slots != slots
        seen.append(len(can))
        now = after
    assert set(seen) == {1, 2, 3, 4}
    sheet.look(kind, now)
    assert [one.free for one in sheet.sections[0].slots] == [0] * 10


async def test_time_alone_makes_a_slot_go() -> None:
    stage = staged()
    socket = stage.enter(1)
    line(socket).take()
    stage.log.now_ms = 1_801_476_000_000
    stage.read(stage.log.append())
    assert merged(line(stage.enter(2)).take()) == {TEN: 0, ELEVEN: 1}
    await tell_round(stage.room)
    assert merged(line(socket).take()) == {TEN: 0, ELEVEN: 1}


async def test_a_slot_that_is_no_more_is_known_to_be_gone() -> None:
    stage = staged()
    socket = stage.enter(1)
    frames = line(socket).take()
    later = raw_fitting(("2027-02-01", "11:00", "13:00"))
    stage.read(stage.log.append(Configured(2, document(paths=[later]), "k1", "test")))
    await tell_round(stage.room)
    assert merged(frames + line(socket).take()) == {ELEVEN: 1, "20270201T120000Z": 1}


async def test_first_states_that_had_to_wait_are_those_of_then() -> None:
    stage = staged()
    safe = stage.log.last_id
    socket = stage.enter(1, Attach(consumer(1)))
    stage.answer(Attached(consumer(1), []), durable=safe)
    assert line(socket).kinds() == ["welcome"]
    stage.read(stage.log.append(joined(0, 2, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL), durable=safe))
    await tell_round(stage.room)
    frames = line(socket).take()
    stage.read(stage.log.append(durable=stage.log.last_id))
    assert merged(frames + line(socket).take()) == {TEN: 0, ELEVEN: 1}


def test_what_is_lost_gives_its_place_back() -> None:
    stage = staged()
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, TEN, UNTIL)))
    assert merged(line(stage.enter(2)).take())[TEN] == 0
    stage.read(stage.log.append(TicketsLost(PATH, START_MS, [0], "ended")))
    assert merged(line(stage.enter(3)).take())[TEN] == 1


class Reader:
    """A socket of the room over the kernel, and its client, who reads when told to."""

    def __init__(self, stage: Stage, number: int, stack: contextlib.ExitStack) -> None:
        self._lot = stage.lot
        self.client, server = socket.socketpair()
        stack.enter_context(self.client)
        self.client.setblocking(False)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKETS_ROOM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKETS_ROOM)
        server.setblocking(False)
        slot = stage.lot.park(server.fileno(), b"")
        server.close()
        assert slot is not None
        self.slot, self._data = slot, b""
        self.frames: list[dict[str, Any]] = []
        self.socket = conversations.enter(stage.room, slot, Session(consumer(number), 0, 0, NEVER), None, line=False)
        stage.room.openings.open(self.socket, [])

    def read(self, bytes_max: int) -> int:
        """Take so many bytes, if they are there."""
        try:
            data = self.client.recv(bytes_max)
        except BlockingIOError:
            return 0
        self._data += data
        while len(self._data) >= 2 and self._take():
            pass
        return len(data)

    async def keep_up(self) -> None:
        """Read until nothing waits, here or there."""
        async with asyncio.timeout(30):
            while self.read(65_536) or not self._lot.keeps_up(self.slot):
                await asyncio.sleep(0)

    def _take(self) -> bool:
        """One whole frame of the server (RFC 6455 §5.2), if it is there."""
        size, head = self._data[1], 2
        if size >= 126:
            head += 2 if size == 126 else 8
            size = int.from_bytes(self._data[2:head], "big")
        if len(self._data) < head + size:
            return False
        self.frames.append(json.loads(self._data[head : head + size]))
        self._data = self._data[head + size :]
        return True


async def test_whoever_keeps_up_hears_of_changes_alone_and_whoever_does_not_ends_up_right() -> None:
    """Ten thousand slots change at random under a client that reads as fast as it can, one that does so now and then,
    and one that comes in the middle and reads only at the end."""
    stage = staged(*many_slots(), duration_minutes=1, capacity_per_slot=3)
    stage.lot.open()
    with contextlib.ExitStack() as stack:
        stack.callback(stage.lot.shut)
        random_ = random.Random(7)
        slots = list(kind_of(stage).free())
        assert len(slots) == 10_000
        fast, slow = Reader(stage, 1, stack), Reader(stage, 2, stack)
        holders: dict[int, str] = {}
        stage.read(stage.log.append(joined(0, *range(100, 400), path=PATH)))
        await fast.keep_up()
        late = None
        heard = len(fast.frames)
        for number in range(60):
            events: list[Any] = []
            for ticket in random_.sample(range(300), 20):
                if ticket in holders:
                    events.append(HoldEnded(PATH, START_MS, [ticket]))
                    del holders[ticket]
                else:
                    holders[ticket] = random_.choice(slots)
                    events.append(SlotHeld(PATH, START_MS, ticket, holders[ticket], UNTIL))
            stage.read(stage.log.append(*events))
            await tell_round(stage.room)
            if number == 30:
                late = Reader(stage, 3, stack)
            await fast.keep_up()
            slow.read(random_.randrange(20_000))
        news = [frame for frame in fast.frames[heard:] if frame["type"] == "slots"]
        assert len(news) == 60
        assert all(len(frame["slots"]) <= 20 and "since" not in frame for frame in news)
        assert late is not None
        assert not stage.lot.keeps_up(late.slot)
        backlog = stage.lot._sending._backlogs[late.slot]
        assert backlog._untold.size <= stage.lot.limits.kept_bytes_max, "ten thousand slots are not kept for one client"
        assert backlog.missed
        free = dict(sorted(kind_of(stage).free().items()))
        for reader in (fast, slow, late):
            await reader.keep_up()
            assert merged(reader.frames) == free


def test_a_first_telling_of_ten_thousand_slots_encodes_once_and_a_change_encodes_its_section() -> None:
    stage = staged(*many_slots(), duration_minutes=1)
    stage.enter(1)
    board = stage.room.board
    first = dict(board._encoded)
    assert len([key for key in first if key.startswith("slots")]) == -(-10_000 // SECTION_SLOTS)
    slot = list(kind_of(stage).free())[5_000]
    stage.read(stage.log.append(joined(0, 1, path=PATH), SlotHeld(PATH, START_MS, 0, slot, UNTIL)))
    stage.enter(2)
    changed = [key for key, form in board._encoded.items() if first[key] is not form]
    assert changed == [f"slots {PATH} {5_000 // SECTION_SLOTS}"]


def test_facts_go_out_together_and_long_states_one_by_one() -> None:
    long = b"x" * TOGETHER_BYTES_MAX
    assert _together([(b"fact", None), (b"state", "a")]) == 2
    assert _together([(b"fact", None), (long, "a"), (b"state", "b")]) == 1
    assert _together([(b"state", "a"), (long, None), (b"state", "b")]) == 2
