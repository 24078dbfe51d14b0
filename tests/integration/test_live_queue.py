"""A consumer gets through the queue, over the socket: what is told, to whom, in which order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocol import passes
from tests.support.live import consumer, guest
from tests.support.samples import raw_document, raw_path, raw_product, raw_variant
from tests.support.waiting_room import WaitingRoom


async def make(room: WaitingRoom, name: str, *, path: dict[str, Any] | None = None, **queue: Any) -> None:
    """An experience with one path ``general``, at the first gateway and known to the second."""
    product = raw_product(raw_variant(stock=100))
    one = raw_path(distribution=queue, **(path or {}))
    async with room.control() as control:
        answer = await control.put(
            f"/v1/control/experiences/{name}", json=raw_document(id=name, products=[product], paths=[one])
        )
    assert answer.status_code == 201, answer.text


async def operate(room: WaitingRoom, name: str, action: str, **content: Any) -> None:
    async with room.control() as control:
        answer = await control.post(f"/v1/control/experiences/{name}/{action}", json=content)
    assert answer.status_code == 200, answer.text


async def tokens(room: WaitingRoom, count: int) -> list[str]:
    async with room.client() as client:
        return [await guest(client) for _ in range(count)]


async def test_from_joining_to_the_checkout(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "way", release_rate_per_minute=0)
    (token,) = await tokens(waiting_room, 1)
    async with consumer(waiting_room.origins[0], "way", token=token, join=["general"]) as one:
        welcome = await one.next()
        joined = await one.next()
        position = await one.next()
        phase = await one.until("phase")
        assert (welcome["type"], welcome["v"], welcome["experience"]["id"]) == ("welcome", 1, "way")
        assert "session" not in welcome
        assert (joined["type"], joined["ticket"], joined["state"]) == ("joined", 0, "waiting")
        assert (position["type"], position["ahead"], position["of"], position["eta"]) == ("position", 0, 1, None)
        assert (phase["path"], phase["phase"], phase["at"]) == ("general", "open", None)
        await operate(waiting_room, "way", "paths/general/admit", count=1)
        admitted = await one.until("admitted")
        assert admitted["checkout_url"] == f"https://shop.example/checkout?stanchion_pass={admitted['pass']}"
        async with waiting_room.checkout() as shop:
            redeemed = await shop.post(f"/v1/admissions/{admitted['admission']}/redeem")
            assert redeemed.status_code == 200, redeemed.text
            await one.until("ticket", state="redeemed")
            completed = await shop.post(f"/v1/admissions/{admitted['admission']}/complete")
            assert completed.status_code == 200, completed.text
        await one.until("ticket", state="completed")


async def test_the_pass_is_signed_for_this_experience(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "passes", release_rate_per_minute=6000)
    (token,) = await tokens(waiting_room, 1)
    async with consumer(waiting_room.origins[0], "passes", token=token, join=[""]) as one:
        admitted = await one.until("admitted")
    kid = waiting_room.secrets.kid
    key = load_pem_private_key((waiting_room.secrets.pass_keys_folder / f"{kid}.pem").read_bytes(), None)
    claims = passes.verify(
        admitted["pass"],
        {kid: key.public_key()},  # type: ignore[dict-item]
        audience="passes",
        issuer=waiting_room.origins[0],
        now=admitted["now"] // 1000 + 1,
    )
    assert (claims.jti, claims.path) == (admitted["admission"], "general")
    assert claims.exp == admitted["expires_at"] // 1000


async def test_every_socket_of_a_consumer_is_told_at_every_gateway(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "both", release_rate_per_minute=0)
    (token,) = await tokens(waiting_room, 1)
    async with (
        consumer(waiting_room.origins[0], "both", token=token, join=["general"]) as one,
        consumer(waiting_room.origins[1], "both", token=token, join=["general"]) as other,
    ):
        tickets = [(await socket.until("joined"))["ticket"] for socket in (one, other)]
        assert tickets == [0, 0]
        await operate(waiting_room, "both", "paths/general/admit", count=1)
        told = [await socket.until("admitted") for socket in (one, other)]
        assert told[0]["pass"] == told[1]["pass"]
        await one.send(type="decline", path="general", ref="d")
        answer = await one.until("ticket", state="left")
        elsewhere = await other.until("ticket", state="left")
    assert (answer["ref"], answer["reason"]) == ("d", "declined")
    assert "ref" not in elsewhere


async def test_positions_fall_as_others_are_admitted_and_never_rise(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "fall", release_rate_per_minute=300)
    crowd = await tokens(waiting_room, 12)
    async with waiting_room.client() as client:
        for token in crowd[:-1]:
            answer = await client.post(
                "/v1/experiences/fall/commands", json={"type": "join"}, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 200, answer.text
    async with consumer(waiting_room.origins[1], "fall", token=crowd[-1], join=["general"]) as last:
        await last.until("admitted")
    aheads = [frame["ahead"] for frame in last.told("position")]
    assert aheads == sorted(aheads, reverse=True)
    assert all(frame["eta"][0] <= frame["eta"][1] for frame in last.told("position"))


async def test_a_second_join_repeats_the_ticket_and_the_ref(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "again", release_rate_per_minute=0)
    (token,) = await tokens(waiting_room, 1)
    async with consumer(waiting_room.origins[0], "again", token=token) as one:
        await one.until("phase")
        await one.send(type="join", path="general", ref=1)
        first = await one.until("joined")
        await one.send(type="join", ref="two")
        second = await one.until("joined")
    assert (first["ref"], second["ref"]) == (1, "two")
    assert first["ticket"] == second["ticket"] == 0
    assert first["receipt"] == second["receipt"]


async def test_leaving_gives_up_the_place(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "leave", release_rate_per_minute=0)
    first, second = await tokens(waiting_room, 2)
    async with (
        consumer(waiting_room.origins[0], "leave", token=first, join=["general"]) as one,
        consumer(waiting_room.origins[1], "leave", token=second) as two,
    ):
        await one.until("joined")
        await two.send(type="join", ref="j")
        assert (await two.until("position"))["ahead"] == 1
        await one.send(type="leave", path="general", ref="x")
        assert (await one.until("ticket"))["ref"] == "x"
        assert (await two.until("position"))["ahead"] == 0
        await one.send(type="leave", path="general", ref="y")
        refused = await one.until("error")
    assert (refused["reason"], refused["ref"], refused["path"]) == ("no_ticket", "y", "general")


async def test_a_missed_turn_is_forgiven_once(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "missed", release_rate_per_minute=0, checkout_window_seconds=1, payment_grace_seconds=0)
    (token,) = await tokens(waiting_room, 1)
    async with consumer(waiting_room.origins[0], "missed", token=token, join=["general"]) as one:
        await one.until("joined")
        for may_rejoin in (True, False):
            await operate(waiting_room, "missed", "paths/general/admit", count=1)
            await one.until("admitted")
            expired = await one.until("ticket", state="expired")
            assert expired["may_rejoin"] is may_rejoin
            if may_rejoin:
                await one.send(type="rejoin", path="general", ref="r")
                returned = await one.until("ticket", state="waiting")
                assert (returned["ref"], returned["ticket"]) == ("r", 0)
                assert (await one.until("position"))["ahead"] == 0


async def test_a_missed_turn_is_not_given_up_by_coming_back(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "return", release_rate_per_minute=0, checkout_window_seconds=1, payment_grace_seconds=0)
    (token,) = await tokens(waiting_room, 1)
    async with consumer(waiting_room.origins[0], "return", token=token, join=["general"]) as one:
        await one.until("joined")
        await operate(waiting_room, "return", "paths/general/admit", count=1)
        await one.until("ticket", state="expired")
    async with consumer(waiting_room.origins[1], "return", token=token, join=[""]) as again:
        ticket = await again.until("ticket")
    assert (ticket["state"], ticket["may_rejoin"]) == ("expired", True)


async def test_pause_and_rate_are_told_at_once(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "told", release_rate_per_minute=1)
    crowd = await tokens(waiting_room, 4)
    async with consumer(waiting_room.origins[0], "told", token=crowd[0], join=["general"]) as first:
        await first.until("joined")
        async with waiting_room.client() as client:
            for token in crowd[1:-1]:
                bearer = {"Authorization": f"Bearer {token}"}
                await client.post("/v1/experiences/told/commands", json={"type": "join"}, headers=bearer)
        async with consumer(waiting_room.origins[1], "told", token=crowd[-1], join=["general"]) as one:
            await one.until("position")
            await operate(waiting_room, "told", "paths/general/pause")
            assert (await one.until("position", why="paused"))["eta"] is None
            await operate(waiting_room, "told", "paths/general/resume")
            assert (await one.until("position", why="resumed"))["eta"] is not None
            async with waiting_room.control() as control:
                path = "/v1/control/experiences/told/paths/general"
                await control.patch(path, json={"release_rate_per_minute": 0})
            assert (await one.until("position", why="rate_changed"))["eta"] is None
        phases = [frame.get("paused") for frame in one.told("phase")]
    assert "merchant" in phases


async def test_who_only_watches_is_told_the_states(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "watch", path={"opens_at": 4_102_444_800_000}, release_rate_per_minute=60)
    async with consumer(waiting_room.origins[0], "watch", watch=["general"]) as one:
        welcome = await one.next()
        assert len(welcome["session"]) > 40
        phase = await one.until("phase")
        assert (phase["phase"], phase["at"]) == ("scheduled", 4_102_444_800_000)
        stock = await one.until("stock")
        assert (stock["variant"], stock["band"]) == ("42", "plenty")
        await one.send(type="join", path="general", ref="j")
        refused = await one.until("error")
        assert (refused["reason"], refused["temporary"], refused["opens_at"]) == ("not_open", True, 4_102_444_800_000)
        await operate(waiting_room, "watch", "paths/general/open")
        await one.until("phase", phase="open")
        await one.send(type="unwatch", path="general", ref="u")
        await one.until("ok", ref="u")
        await one.send(type="ping", ref="p")
        assert (await one.until("ok", ref="p"))["now"] > welcome["now"]


async def test_a_notice_reaches_everybody_and_stands_in_welcome(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "notice", release_rate_per_minute=0)
    async with (
        consumer(waiting_room.origins[0], "notice") as one,
        consumer(waiting_room.origins[1], "notice") as other,
    ):
        for socket in (one, other):
            await socket.until("phase")
        await operate(waiting_room, "notice", "notice", text="Ten minutes more", level="info", until=4_102_444_800_000)
        for socket in (one, other):
            assert (await socket.until("notice"))["text"] == "Ten minutes more"
    async with consumer(waiting_room.origins[0], "notice") as late:
        assert (await late.next())["experience"]["notice"]["text"] == "Ten minutes more"


async def test_ending_a_path_loses_those_who_wait(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "over", release_rate_per_minute=0)
    crowd = await tokens(waiting_room, 2)
    async with (
        consumer(waiting_room.origins[0], "over", token=crowd[0], join=["general"]) as one,
        consumer(waiting_room.origins[1], "over", token=crowd[1], join=["general"]) as other,
    ):
        for socket in (one, other):
            await socket.until("joined")
        await operate(waiting_room, "over", "paths/general/end")
        for socket in (one, other):
            assert (await socket.until("ticket"))["reason"] == "ended"


async def test_many_join_at_once_and_get_tickets_in_order(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "many", release_rate_per_minute=0)
    crowd = await tokens(waiting_room, 60)

    async def ticket_of(number: int) -> int:
        origin = waiting_room.origins[number % 2]
        async with consumer(origin, "many", token=crowd[number], join=["general"]) as one:
            ticket = (await one.until("joined"))["ticket"]
            assert (await one.until("position"))["ahead"] == ticket
            return int(ticket)

    tickets = await asyncio.gather(*(ticket_of(number) for number in range(len(crowd))))
    assert sorted(tickets) == list(range(len(crowd)))


async def test_a_guest_can_be_renewed_and_replaced(waiting_room: WaitingRoom) -> None:
    async with waiting_room.client() as client:
        first = await client.post("/v1/session")
        again = await client.post("/v1/session")
        client.cookies.set("stanchion_session", "forged")
        replaced = await client.post("/v1/session")
    assert first.json()["consumer"] == again.json()["consumer"] != replaced.json()["consumer"]
    cookie = first.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/"))


@pytest.mark.parametrize(
    ("content", "status", "wrong"),
    [
        (b"", 200, []),
        (b"{}", 200, []),
        (b'{"assertion":"a.b.c"}', 422, ["assertion"]),
        (b'{"handoff":"123456","more":1}', 422, ["handoff", "more"]),
        (b"[]", 422, ["$"]),
        (b"null", 422, ["$"]),
    ],
)
async def test_a_session_is_a_guests_or_refused(
    waiting_room: WaitingRoom, content: bytes, status: int, wrong: list[str]
) -> None:
    async with waiting_room.client() as client:
        answer = await client.post("/v1/session", content=content)
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 200)
    if wrong:
        assert answer.headers["content-type"] == "application/problem+json"
        assert [problem["path"] for problem in answer.json()["errors"]] == wrong
        assert all("guest sessions only" in problem["message"] for problem in answer.json()["errors"])


async def test_what_is_no_json_makes_no_session(waiting_room: WaitingRoom) -> None:
    async with waiting_room.client() as client:
        answer = await client.post("/v1/session", content=b"garbage")
        described = (await client.get("/openapi.json")).json()["paths"]["/v1/session"]["post"]
    assert (answer.status_code, answer.json()["reason"], "set-cookie" in answer.headers) == (422, "invalid", False)
    assert "guest sessions only" in described["description"]
    assert "`invalid`" in described["responses"]["422"]["description"]
    assert not described["requestBody"]["required"]
