"""Appointments against the real parts: held, booked, moved, given back, checked in; and what everybody sees of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from protocol.slots import slot_of
from tests.support.live import Consumer, consumer, guest
from tests.support.samples import raw_document
from tests.support.waiting_room import WaitingRoom

PATH = "fitting"
HOUR_MS = 3_600_000


def tomorrow() -> str:
    """The date in UTC, by the wall clock."""
    return (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")


def slot_at(hour: int) -> str:
    """The slot of tomorrow that begins at ``hour`` UTC."""
    day = datetime.fromisoformat(f"{tomorrow()}T00:00:00+00:00")
    return slot_of(int(day.timestamp()) * 1_000 + hour * HOUR_MS)


NINE, TEN, ELEVEN = slot_at(9), slot_at(10), slot_at(11)


async def put(room: WaitingRoom, name: str, *others: dict[str, Any], **terms: Any) -> str:
    """An experience with one place at nine, ten and eleven tomorrow, and ``others``; the address of its path for the
    merchant."""
    distribution = {
        "kind": "appointment",
        "windows": [{"date": tomorrow(), "from": "09:00", "to": "12:00"}],
        "duration_minutes": 60,
        "location": "Berlin Mitte",
        "time_zone": "UTC",
    }
    path = {"id": PATH, "name": "Fitting", "min_level": "guest", "distribution": distribution | terms}
    async with room.control() as control:
        answer = await control.put(f"/v1/control/experiences/{name}", json=raw_document(id=name, paths=[path, *others]))
    assert answer.status_code == 201, answer.text
    return f"/v1/control/experiences/{name}/paths/{PATH}"


class People(AsyncExitStack):
    """Sockets of new consumers, at either gateway in turn; ``tokens`` has the session of each."""

    def __init__(self, room: WaitingRoom, name: str) -> None:
        super().__init__()
        self._room, self._name = room, name
        self.tokens: list[str] = []

    async def come(self) -> Consumer:
        """One more, who has been told the slots."""
        gateway = len(self.tokens) % 2
        async with self._room.client() as client:
            self.tokens.append(await guest(client))
        socket = consumer(self._room.origins[gateway], self._name, token=self.tokens[-1])
        opened = await self.enter_async_context(socket)
        await opened.until("slots")
        return opened

    async def calendar(self, number: int) -> httpx.Response:
        """The calendar file of one of them."""
        async with self._room.client() as client:
            headers = {"Authorization": f"Bearer {self.tokens[number]}"}
            return await client.get(f"/v1/experiences/{self._name}/paths/{PATH}/booking.ics", headers=headers)


def lines(file: httpx.Response) -> dict[str, str]:
    """The content lines of a calendar file, unfolded, by name."""
    assert file.status_code == 200, file.text
    assert file.headers["content-type"] == "text/calendar; charset=utf-8"
    return dict(line.split(":", 1) for line in file.text.replace("\r\n ", "").splitlines())


async def ask(person: Consumer, answer: str, ref: int, **frame: Any) -> dict[str, Any]:
    """Send a frame for the path and wait for its answer."""
    await person.send(path=PATH, ref=ref, **frame)
    return await person.until(answer, ref=ref)


async def free(person: Consumer, slot: str, count: int) -> None:
    """Wait until somebody is told that ``slot`` has so many free places."""
    while not any((one["id"], one["free"]) == (slot, count) for one in (await person.until("slots"))["slots"]):
        pass


async def test_hold_book_change_and_come(waiting_room: WaitingRoom) -> None:
    merchant = await put(waiting_room, "booked")
    async with People(waiting_room, "booked") as people, waiting_room.control() as control:
        one, two = await people.come(), await people.come()
        first = one.told("slots")[0]["slots"]
        assert [(slot["id"], slot["free"], slot["location"]) for slot in first] == [
            (slot, 1, "Berlin Mitte") for slot in (NINE, TEN, ELEVEN)
        ]
        held = await ask(one, "held", 1, type="hold", slot=TEN)
        assert held["hold_expires_at"] - held["now"] == 600_000
        await free(two, TEN, 0)
        assert (await ask(two, "error", 1, type="hold", slot=TEN))["reason"] == "slot_full"
        assert (await ask(two, "error", 2, type="book"))["reason"] == "hold_over"
        booked = await ask(one, "booked", 2, type="book")
        again = await ask(one, "booked", 3, type="book")
        assert (booked["slot"], again["confirmation"]) == (TEN, booked["confirmation"])
        file = lines(await people.calendar(0))
        assert (file["DTSTART"], file["DTEND"], file["SEQUENCE"]) == (TEN, ELEVEN, "0")
        assert (file["SUMMARY"], file["LOCATION"]) == ("Sneaker drop: Fitting", "Berlin Mitte")
        assert booked["confirmation"] in file["DESCRIPTION"]
        assert (await people.calendar(1)).status_code == 404

        moved = await ask(one, "booked", 4, type="reschedule", slot=ELEVEN)
        assert (moved["slot"], moved["confirmation"]) == (ELEVEN, booked["confirmation"])
        await free(two, TEN, 1)
        later = lines(await people.calendar(0))
        assert (later["UID"], later["SEQUENCE"], later["DTSTART"]) == (file["UID"], "1", ELEVEN)
        await ask(two, "booked", 3, type="book", slot=TEN)
        assert (await ask(one, "error", 5, type="reschedule", slot=TEN))["reason"] == "slot_full"

        listed = (await control.get(f"{merchant}/bookings")).json()["bookings"]
        assert [(line["slot"], line["state"], line["ticket"]) for line in listed] == [
            (TEN, "booked", 1),
            (ELEVEN, "booked", 0),
        ]
        assert not any("consumer" in key for line in listed for key in line)
        typed = booked["confirmation"].lower().replace("0", "o").replace("1", "l")
        address = f"{merchant}/bookings/{typed}/check_in"
        early = await control.post(f"{merchant}/bookings/{booked['confirmation']}/no_show")
        assert (early.status_code, early.json()["reason"]) == (409, "not_open")
        here = await control.post(address, headers={"Idempotency-Key": "desk 1"})
        repeated = await control.post(address, headers={"Idempotency-Key": "desk 1"})
        twice = await control.post(address)
        assert here.status_code == repeated.status_code == 200
        assert (twice.status_code, twice.json()["reason"]) == (409, "already_done")
        await one.until("ticket", state="completed")
        only = {"slot": ELEVEN, "entry": here.json()["entry"]}
        (line,) = (await control.get(f"{merchant}/bookings", params=only)).json()["bookings"]
        assert line["state"] == "completed"
        for wrong in ("0000000000", "nobody!", "x" * 200):
            assert (await control.post(f"{merchant}/bookings/{wrong}/cancel")).status_code == 404
        nowhere = await control.get(f"{merchant}x/bookings")
    async with waiting_room.checkout() as shop:
        other_scope = await shop.post(address)
    assert (nowhere.status_code, other_scope.status_code) == (404, 403)


async def test_a_place_that_is_paid_for_first_is_kept_until_it_is_booked(waiting_room: WaitingRoom) -> None:
    await put(waiting_room, "paid", checkout=True, max_active=1)
    async with People(waiting_room, "paid") as people, waiting_room.checkout() as shop:
        one, two = await people.come(), await people.come()
        kept = await ask(one, "held", 1, type="book", slot=NINE)
        assert kept["slot"] == NINE and "hold_expires_at" not in kept
        turn = await one.until("admitted")
        waits = await ask(two, "held", 1, type="book", slot=TEN)
        assert (waits["slot"], two.told("admitted")) == (TEN, [])
        assert (await ask(two, "cancelled", 2, type="cancel"))["slot"] == TEN
        await ask(two, "held", 3, type="book", slot=TEN)
        paid = await shop.post(f"/v1/admissions/{turn['admission']}/complete", json={"order_id": "o-1"})
        assert paid.status_code == 200, paid.text
        assert (await one.until("booked"))["slot"] == NINE
        await two.until("admitted")
        await ask(two, "ticket", 4, type="decline")
        await ask(two, "held", 5, type="book", slot=TEN)


async def test_a_hold_runs_out_and_its_place_is_free_again(waiting_room: WaitingRoom) -> None:
    await put(waiting_room, "short", hold_seconds=1)
    async with People(waiting_room, "short") as people:
        one, two = await people.come(), await people.come()
        held = await ask(one, "held", 1, type="hold", slot=NINE)
        over = await one.until("cancelled")
        assert (over["slot"], over["reason"], "ref" in over) == (NINE, "hold_over", False)
        assert held["hold_expires_at"] - held["now"] == 1_000
        await free(two, NINE, 1)
        assert (await ask(one, "error", 2, type="book"))["reason"] == "hold_over"
        await ask(two, "booked", 1, type="book", slot=NINE)


async def test_who_gives_up_a_hold_or_a_booking_in_time_is_told_why_it_ended(waiting_room: WaitingRoom) -> None:
    merchant = await put(waiting_room, "cancelled", cancel_cutoff_minutes=0)
    async with People(waiting_room, "cancelled") as people, waiting_room.control() as control:
        one = await people.come()
        await ask(one, "held", 1, type="hold", slot=NINE)
        assert (await ask(one, "cancelled", 2, type="cancel"))["reason"] == "cancelled"
        await ask(one, "booked", 3, type="book", slot=TEN)
        assert (await ask(one, "cancelled", 4, type="cancel"))["slot"] == TEN
        assert (await people.calendar(0)).status_code == 404
        booked = await ask(one, "booked", 5, type="book", slot=ELEVEN)
        taken = await control.post(f"{merchant}/bookings/{booked['confirmation']}/cancel")
        assert taken.status_code == 200, taken.text
        assert (await one.until("cancelled"))["reason"] == "merchant"
        gone = (await control.get(f"{merchant}/bookings", params={"entry": taken.json()["entry"]})).json()
        assert gone["bookings"] == []


async def test_after_the_cutoff_nothing_is_given_back_and_nothing_is_changed(waiting_room: WaitingRoom) -> None:
    await put(waiting_room, "late", cancel_cutoff_minutes=3 * 1_440)
    async with People(waiting_room, "late") as people:
        one = await people.come()
        await ask(one, "booked", 1, type="book", slot=NINE)
        for ref, frame in enumerate(({"type": "cancel"}, {"type": "reschedule", "slot": TEN}), 2):
            refused = await ask(one, "error", ref, **frame)
            assert (refused["reason"], refused["slot"]) == ("cutoff_passed", NINE)
            assert refused["cutoff_at"] < refused.get("now", 2**53)
        assert (await people.calendar(0)).status_code == 200


async def test_whoever_comes_back_by_any_way_is_told_what_they_have(waiting_room: WaitingRoom) -> None:
    await put(waiting_room, "again")
    async with People(waiting_room, "again") as people:
        one = await people.come()
        booked = await ask(one, "booked", 1, type="book", slot=NINE)
        origin, token = waiting_room.origins[1], people.tokens[0]
        async with consumer(origin, "again", token=token) as other:
            back = await other.until("booked")
            await free(other, NINE, 0)
        assert (back["slot"], back["confirmation"]) == (NINE, booked["confirmation"])
        headers = {"Authorization": f"Bearer {token}"}
        async with waiting_room.client() as client:
            told = (await client.get("/v1/experiences/again/status", headers=headers)).json()
            frame = {"type": "reschedule", "path": PATH, "slot": TEN}
            moved = await client.post("/v1/experiences/again/commands", json=frame, headers=headers)
            full = await client.post(
                "/v1/experiences/again/commands", json={"type": "hold", "path": PATH, "slot": TEN}, headers=headers
            )
            nobody = await client.get(f"/v1/experiences/again/paths/{PATH}/booking.ics")
        assert [one["slot"] for one in told["frames"] if one["type"] == "booked"] == [NINE]
        assert (moved.json()["type"], moved.json()["slot"]) == ("booked", TEN)
        assert (full.status_code, full.json()["reason"]) == (409, "already_done")
        assert (nobody.status_code, nobody.json()["reason"]) == (401, "bad_token")
        await one.until("booked", slot=TEN)


async def test_a_place_that_is_given_back_goes_to_the_waitlist(waiting_room: WaitingRoom) -> None:
    line = {"id": "late", "attached_to": PATH, "distribution": {"kind": "waitlist"}}
    await put(waiting_room, "fed", line)
    async with People(waiting_room, "fed") as people:
        one, two, three = await people.come(), await people.come(), await people.come()
        await ask(one, "booked", 1, type="book", slot=NINE)
        await two.send(type="join", path="late", ref=1)
        await two.until("joined", ref=1)
        await ask(one, "cancelled", 2, type="cancel")
        offered = await two.until("offer")
        assert offered["slot"] == NINE
        assert (await ask(three, "error", 1, type="book", slot=NINE))["reason"] == "slot_full"
        await two.send(type="claim", path="late", offer=offered["offer"], ref=2)
        left = await two.until("ticket", ref=2)
        assert (left["state"], left["reason"]) == ("left", "booked")
        assert [frame["slot"] for frame in two.told("booked")] == [NINE] or (await two.until("booked"))["slot"] == NINE
        file = lines(await people.calendar(1))
    assert file["DTSTART"] == NINE


async def test_of_many_who_want_the_last_place_one_gets_it(waiting_room: WaitingRoom) -> None:
    merchant = await put(waiting_room, "rush")
    async with People(waiting_room, "rush") as people, waiting_room.control() as control:
        crowd = [await people.come() for _ in range(8)]

        async def want(person: Consumer) -> str:
            await person.send(type="book", path=PATH, slot=NINE, ref=1)
            while (frame := await person.next()).get("ref") != 1:
                pass
            return str(frame["type"] if frame["type"] == "booked" else frame["reason"])

        ends = await asyncio.gather(*map(want, crowd))
        assert sorted(ends) == ["booked", *["slot_full"] * 7]
        listed = (await control.get(f"{merchant}/bookings")).json()["bookings"]
    assert len(listed) == 1
