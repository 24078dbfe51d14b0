"""The words and forms of the page without JavaScript, from what a poll tells: for each kind its states, truly."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.app import Gateway
from gateway.hub import Hub
from gateway.identity import COOKIE
from gateway.pass_keys import PassKeys
from gateway.plain.page import focus, frame_of, sheets_of, view_of
from gateway.plain.sheet import Sheet
from gateway.settings import GatewaySettings
from gateway.stays import Look
from protocol import codec
from protocol.frames import (
    AdmittedFrame,
    ConsumerView,
    ExperienceView,
    JoinedFrame,
    PathView,
    PhaseFrame,
    PositionFrame,
    ServerFrame,
    SoldOutFrame,
    StockFrame,
    TicketFrame,
    Welcome,
)
from protocol.kind_frames import (
    AnnouncedFrame,
    BidStatusFrame,
    BookedFrame,
    DrawResultFrame,
    HeldFrame,
    HighBidFrame,
    OfferFrame,
    SlotsFrame,
    SlotView,
)
from protocol.sessions import SESSION_SECONDS, Session, sign_session, verify_session
from tests.support.log import Log
from tests.support.samples import EXPERIENCE, consumer

NOW = 1_800_000_000_000
MINUTE_MS = 60_000
OPEN = PhaseFrame("p", "open", None, NOW)
PAUSED = PhaseFrame("p", "open", None, NOW, "merchant")
SETTLING = PhaseFrame("p", "settling", None, NOW)
SHOES = [{"id": size, "name": f"EU {size}", "price": "129.00", "currency": "EUR"} for size in ("41", "42")]
WAITING, OFFERED, TURN, HOLDS, BOOKS = (
    JoinedFrame("p", state, "r", 3) for state in ("waiting", "offered", "admitted", "held", "booked")
)
OFFER = OfferFrame("p", "0a" * 16, NOW + MINUTE_MS, NOW)
ADMITTED = AdmittedFrame("p", "aa", NOW + 61_000, "https://s.example/?a=1&b", NOW, "p")


def welcome(*paths: PathView) -> Welcome:
    products = [{"id": "runner", "name": "Runner", "variants": SHOES}]
    shown = ExperienceView("e", "Drop", "open", products, "https://s.example", [*paths])
    return Welcome(1, NOW, ConsumerView("c", "guest"), shown, [])


def path(kind: str = "queue", path_id: str = "p", access: str = "open", **more: Any) -> PathView:
    return PathView(path_id, kind, "open", None, None, access, **more)


def sheet(kind: str, *frames: ServerFrame, form: str = "", since: int = 0, **more: Any) -> Sheet:
    view = path(kind, **more)
    return Sheet(welcome(view), view, [OPEN, *frames], form=form, since=since, fresh="f1")


def says(told: Sheet, headline: str, *parts: str, never: str = "\0") -> None:
    """The page has this headline, and these parts somewhere."""
    view = view_of(told)
    text = " ".join(str(field) for field in view)
    assert view.headline == headline
    assert [part for part in parts if part not in text] == []
    assert never not in text


def position(eta: tuple[int, int] | None) -> PositionFrame:
    return PositionFrame(path="p", ahead=7, of=20, eta=eta, rate=60, now=NOW)


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([], "The line is open", 'value="join"'),
        ([WAITING, PositionFrame(path="p", of=20, now=NOW)], "You are in the lobby", "people are here"),
        ([PhaseFrame("p", "scheduled", NOW, NOW)], "Not open yet", "15 January 2027, 08:00 UTC"),
        ([PhaseFrame("p", "lobby", NOW, NOW)], "The line is open", 'value="join"'),
        ([PhaseFrame("p", "ended", None, NOW)], "Closed", ""),
        ([SoldOutFrame("p", False, NOW)], "Sold out", ""),
        ([SoldOutFrame("p", True, NOW)], "The line is open", 'value="join"'),
        ([SoldOutFrame("p", False, NOW, over=True)], "The line is open", 'value="join"'),
        ([WAITING, position((60, 125))], "You are in line", "1–3 min"),
        ([WAITING, position((61, 120))], "You are in line", "1–2 min"),
        ([WAITING, position((10, 60))], "You are in line", 'value="leave"'),
        ([WAITING, position(None), PAUSED], "You are in line", "place is safe"),
        ([WAITING, PAUSED], "You are in line", "place is safe"),
        ([WAITING, position(None), SoldOutFrame("p", True, NOW)], "You are in line", "Sold out for now"),
        ([WAITING, position((60, 125)), SoldOutFrame("p", False, NOW, over=True)], "You are in line", "About"),
        ([TURN, ADMITTED], "It is your turn", "1:01"),
        ([TURN], "It is your turn", "comes in a moment"),
        ([TicketFrame("p", "redeemed", 0), ADMITTED], "Your checkout is under way", "Back to the shop"),
        ([TicketFrame("p", "redeemed", 0)], "Your checkout is under way", "Finish your order"),
        ([TicketFrame("p", "expired", 0, may_rejoin=True)], "Your turn has passed", 'value="rejoin"'),
        ([TicketFrame("p", "expired", 0, may_rejoin=False)], "Your turn has passed", 'value="join"'),
        ([TicketFrame("p", "left", 0)], "You have left the line", 'value="join"'),
        ([TicketFrame("p", "lost", 0, reason="failover")], "Your place was lost", 'value="join"'),
        ([TicketFrame("p", "lost", 0, reason="sold_out")], "Sold out", ""),
        ([TicketFrame("p", "completed", 0)], "Thank you", ""),
    ],
)
def test_every_state_of_a_queue_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    says(sheet("queue", *frames), headline, part)


def test_nothing_is_offered_that_would_be_refused() -> None:
    says(sheet("queue", TicketFrame("p", "left", 0), SETTLING), "You have left the line", never="<form")
    says(sheet("queue", access="needs_level"), "Please sign in first", never="<form")
    says(sheet("queue", access="full"), "It is full", never="<form")
    says(sheet("queue", access="needs_code"), "You need a code", 'href="?path=p&amp;form=code"', never="<form")
    asked = sheet("queue", access="needs_code", form="code")
    says(asked, "You need a code", 'name="code"', 'value="join"')
    assert view_of(asked).still


def test_where_there_is_a_choice_each_variant_has_its_button() -> None:
    choices = ["41", "42"]
    outside = sheet("queue", StockFrame("runner", "41", "none"), choices=choices)
    says(
        outside, "The line is open", "Join the line: EU 41, 129.00 EUR, not free just now", 'name="variant" value="42"'
    )
    mine = sheet("queue", msgspec.structs.replace(WAITING, variant="41"), position((60, 120)), choices=choices)
    says(mine, "You are in line", "You wait for EU 41.", "Choose EU 42, 129.00 EUR", never="Choose EU 41")
    says(sheet("queue", TURN, msgspec.structs.replace(ADMITTED, variant="41")), "It is your turn", "EU 41")
    says(sheet("queue", choices=["41"]), "The line is open", never="variant")


PROOF = "/v1/experiences/e/paths/p/proof"
WON = DrawResultFrame("p", True, PROOF)
IN_RESERVE = DrawResultFrame("p", False, PROOF, True)


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([PhaseFrame("p", "open", NOW, NOW)], "The draw is open", "entries close then"),
        ([], "The draw is open", "Enter the draw"),
        ([WAITING], "You are in the draw", "Withdraw my entry"),
        ([WAITING, PAUSED], "You are in the draw", "your entry is safe"),
        ([WAITING, SETTLING], "Entries are closed", "15 January 2027, 08:01 UTC"),
        ([WAITING, WON], "You have won", f'href="{PROOF}"'),
        ([WAITING, IN_RESERVE], "Not drawn, but next in reserve", PROOF),
        ([TicketFrame("p", "lost", 3, "not_drawn"), IN_RESERVE], "You were not drawn", PROOF),
        ([TURN, ADMITTED, WON], "It is your turn", "1:01"),
        ([TicketFrame("p", "left", 3)], "You are not in the draw any more", "Enter the draw"),
    ],
)
def test_every_state_of_a_draw_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    says(sheet("draw", *frames, draw_at=NOW + MINUTE_MS), headline, part)


def test_a_draw_whose_time_has_come_says_what_it_waits_for() -> None:
    says(sheet("draw", WAITING, SETTLING, draw_at=NOW), "The draw is being made")
    beacon = {"beacon": {"source": "drand:aa", "round": 77}}
    says(sheet("draw", WAITING, SETTLING, draw_at=NOW, details=beacon), "Waiting for the beacon", "round 77")


ENGLISH = HighBidFrame("p", "EUR", NOW, NOW, amount="60.00", bids=2, min_next="65.00", reserve_met=False, extensions=0)
UNBID = HighBidFrame("p", "EUR", None, NOW, amount=None, bids=0, min_next="50.00", extensions=0)


@pytest.mark.parametrize(
    ("frames", "headline", "parts"),
    [
        ([], "The auction is running", ["comes in a moment"]),
        ([UNBID], "The auction is running", ["50.00 EUR", "to begin with"]),
        ([ENGLISH], "The auction is running", ["60.00 EUR", "bids: 2", "not met yet", "at least 65.00 EUR", "?path=p"]),
        ([WAITING, ENGLISH, BidStatusFrame("p", "leading", "90.00")], "You are leading", ["maximum is 90.00 EUR"]),
        ([WAITING, ENGLISH, BidStatusFrame("p", "outbid", "55.00")], "You are outbid", ["form=bid"]),
        ([WAITING, ENGLISH, BidStatusFrame("p", "won"), SETTLING], "It is yours", ["begins as soon as"]),
        ([WAITING, ENGLISH, BidStatusFrame("p", "outbid"), SETTLING], "The auction is over", ["hammer"]),
        ([TicketFrame("p", "lost", 3, "outbid"), ENGLISH, SETTLING], "You did not win", ["hammer"]),
        ([OFFERED, OFFER], "A second chance", ["1:00", 'value="claim"', 'value="decline"']),
        ([SETTLING], "Closed", []),
        ([TicketFrame("p", "left", 3), ENGLISH], "You passed it on", ["form=bid"]),
        ([TicketFrame("p", "left", 3), ENGLISH, SETTLING], "You passed it on", []),
    ],
)
def test_every_state_of_an_auction_has_its_words(frames: list[ServerFrame], headline: str, parts: list[str]) -> None:
    says(sheet("auction", *frames, details={"currency": "EUR"}), headline, *parts, never='value="join"')


def test_a_bid_is_typed_on_a_page_that_stands_still() -> None:
    asked = sheet("auction", ENGLISH, form="bid")
    says(asked, "The auction is running", 'name="max"', 'name="id" value="f1"')
    assert view_of(asked).still
    says(sheet("auction", ENGLISH, PAUSED, form="bid"), "The auction is running", "nobody can bid", never="<form")


def test_what_an_auction_settled_stands_beside_the_turn() -> None:
    terms = {"currency": "EUR", "second_chance": True}
    says(
        sheet("auction", TURN, msgspec.structs.replace(ADMITTED, price="60.00"), details=terms),
        "It is your turn",
        "60.00 EUR",
    )
    outbid = BidStatusFrame("p", "outbid")
    says(sheet("auction", WAITING, ENGLISH, outbid, SETTLING, details=terms), "Not won, but next in line")
    offered = msgspec.structs.replace(OFFER, price="55.00")
    says(sheet("auction", OFFERED, offered, details=terms), "A second chance", "55.00 EUR")


@pytest.mark.parametrize(
    ("known", "frames", "headline", "part"),
    [
        ({"price": "90.00", "next_drop_at": NOW + 5_000}, [], "The price is falling", 'name="price" value="90.00"'),
        ({"price": "10.00"}, [], "The price is falling", "lowest it gets"),
        ({"price": "90.00", "left": 0}, [], "Everything is taken", "90.00 EUR"),
        ({"price": "90.00"}, [PAUSED], "The price stands still", "paused"),
        ({}, [], "The auction is running", "in a moment"),
    ],
)
def test_a_falling_price_is_taken_by_a_button(
    known: dict[str, Any], frames: list[ServerFrame], headline: str, part: str
) -> None:
    stands = HighBidFrame("p", "EUR", None, NOW, **{"left": 2} | known)
    says(sheet("auction", stands, *frames, details={"style": "dutch"}), headline, part)


ZONE = {"time_zone": "Europe/Berlin", "location": "Berlin"}
SLOTS = SlotsFrame(
    "p", [SlotView(f"s{n}", NOW + n * MINUTE_MS, NOW + (n + 1) * MINUTE_MS, "Berlin", n % 2) for n in range(60)], NOW
)
BOOKED = BookedFrame("p", "s1", "K7-42")


@pytest.mark.parametrize(
    ("frames", "headline", "parts"),
    [
        ([SLOTS], "Choose a time", ["15 January 2027, 09:01 CET, places: 1", 'name="slot" value="s1"', "Later times"]),
        ([], "Nothing is free just now", []),
        ([SLOTS, PAUSED], "A short pause", []),
        ([SLOTS, HOLDS, HeldFrame("p", "s1", NOW, NOW + 61_000)], "Kept for you", ["1:01", 'value="book"']),
        ([SLOTS, WAITING, HeldFrame("p", "s1", NOW)], "Kept for you until you pay", ["09:01 CET", 'value="cancel"']),
        (
            [SLOTS, BOOKS, BOOKED],
            "You are booked",
            ["K7-42", "09:01 CET, Berlin", "/v1/experiences/e/paths/p/booking.ics", 'value="cancel"', "form=change"],
        ),
        ([SLOTS, TicketFrame("p", "completed", 3)], "Thank you for coming", []),
        ([SLOTS, TicketFrame("p", "expired", 3, may_rejoin=False)], "Choose a time", ['value="book"']),
        ([SLOTS, TicketFrame("p", "expired", 3, may_rejoin=True)], "Your turn has passed", ['value="rejoin"']),
        ([BOOKS, msgspec.structs.replace(BOOKED, slot="gone")], "You are booked", ["K7-42"]),
        ([TURN, ADMITTED], "It is your turn", ["1:01"]),
        ([SETTLING, SLOTS], "Closed", []),
    ],
)
def test_every_state_of_an_appointment_has_its_words(
    frames: list[ServerFrame], headline: str, parts: list[str]
) -> None:
    says(sheet("appointment", *frames, details=ZONE), headline, *parts)


def test_times_are_shown_by_pages_and_a_booking_is_moved_among_them() -> None:
    later = sheet("appointment", SLOTS, since=NOW + 41 * MINUTE_MS, details=ZONE)
    says(later, "Choose a time", 'value="s41"', 'value="s59"', never="Later times")
    says(sheet("appointment", SLOTS, details=ZONE | {"checkout": True}), "Choose a time", "booked when it is paid")
    changing = sheet("appointment", SLOTS, BOOKS, BOOKED, form="change", details=ZONE)
    says(changing, "Choose another time", 'value="reschedule"', "It stays yours", "Keep the time")


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([PhaseFrame("p", "lobby", NOW, NOW)], "Not open yet", "15 January 2027, 08:01 UTC"),
        ([], "It is open", 'value="claim"'),
        ([PAUSED], "On hold", ""),
        ([SoldOutFrame("p", True, NOW)], "Sold out", ""),
        ([SoldOutFrame("p", False, NOW, over=True)], "It is open", 'value="claim"'),
        ([SETTLING], "Closed", ""),
        ([WAITING, TicketFrame("p", "waiting", 3, claimed=True)], "Your claim is in", "by itself"),
        ([WAITING], "It is open", 'value="claim"'),
        ([TicketFrame("p", "left", 3)], "You gave it away", ""),
        ([TicketFrame("p", "lost", 3, "sold_out")], "Sold out", ""),
    ],
)
def test_every_state_of_a_release_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    told = PathView("p", "timed_release", "open", NOW + MINUTE_MS, None, "open")
    says(Sheet(welcome(told), told, [OPEN, *frames]), headline, part, never='value="join"')


def test_a_release_without_an_instant_opens_by_hand() -> None:
    says(sheet("timed_release", PhaseFrame("p", "scheduled", None, NOW)), "Not open yet", never="opens then")


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([], "The waitlist", "Join the waitlist"),
        ([WAITING, position(None)], "You are on the waitlist", "people ahead of you"),
        ([WAITING], "You are on the waitlist", "Leave the waitlist"),
        ([WAITING, PAUSED], "You are on the waitlist", "place is safe"),
        ([WAITING, AnnouncedFrame("p", "drop", NOW)], "You are on the waitlist", 'href="?path=drop"'),
        ([OFFERED, OFFER], "It is free for you", 'name="offer" value="' + "0a" * 16),
        ([OFFERED, msgspec.structs.replace(OFFER, reserved=False)], "It is free for you", "first who take it"),
        ([OFFERED, msgspec.structs.replace(OFFER, gone=True)], "Somebody was faster", "may come back"),
        ([OFFERED, TicketFrame("p", "offered", 3, claimed=True)], "You took it", ""),
        ([TicketFrame("p", "expired", 3, "not_claimed", False)], "Your offer has run out", "went to the next"),
        ([TicketFrame("p", "left", 3, "declined")], "You passed it on", "Join the waitlist"),
        ([TicketFrame("p", "left", 3, "left")], "You left the waitlist", "Join the waitlist"),
    ],
)
def test_every_state_of_a_waitlist_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    says(sheet("waitlist", *frames), headline, part)


def test_markup_in_an_address_stays_text() -> None:
    told = msgspec.structs.replace(ADMITTED, checkout_url='https://s.example/?"><b>')
    assert "<b>" not in view_of(sheet("queue", TURN, told)).action


def test_the_path_in_focus_is_named_or_has_the_ticket_that_is_furthest_on_or_leads_on_soonest() -> None:
    frames: list[ServerFrame] = [PhaseFrame("a", "scheduled", None, NOW)]
    frames += [PhaseFrame(one, "open", None, NOW) for one in "bcd"]
    frames += [JoinedFrame("c", "waiting", "r", 1)]
    paths = [path(path_id=one) for one in "abcd"]
    poll = Look(codec.encode_frame(welcome(*paths)), [codec.encode_frame(frame) for frame in frames], 5_000)
    sheets, name = sheets_of(poll)
    assert (name, focus(sheets, "d").view.id, focus(sheets, "nowhere").view.id) == ("Drop", "d", "c")
    fewer = poll._replace(frames=poll.frames[:-1])
    assert focus(sheets_of(fewer)[0], "").view.id == "b"
    over = poll._replace(frames=[*fewer.frames, codec.encode_frame(TicketFrame("d", "expired", 0))])
    assert focus(sheets_of(over)[0], "").view.id == "d"


@pytest.mark.parametrize(
    ("form", "frame"),
    [
        ({"action": "join"}, {"type": "join"}),
        ({"action": "join", "path": "", "code": "S", "noise": "1"}, {"type": "join", "code": "S"}),
        (
            {"action": "bid", "path": "p", "max": " 60,50", "id": "f"},
            {"type": "bid", "path": "p", "max": "60.50", "id": "f"},
        ),
        ({"action": "ping"}, {"type": ""}),
        ({}, {"type": ""}),
    ],
)
def test_a_form_stands_for_a_frame(form: dict[str, str], frame: dict[str, str]) -> None:
    assert msgspec.json.decode(frame_of(form)) == frame


async def test_nobody_is_at_the_door_before_their_form_is_read() -> None:
    settings = GatewaySettings(session_key="00" * 32, control_key="control-key-01234", checkout_key="checkout-key-0123")
    hub = Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100)
    at_the_door: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        at_the_door.append(hub.bouncer.handshakes)
        return {"type": "http.disconnect"}

    async def send(_message: MutableMapping[str, Any]) -> None:
        pass

    head = {"type": "http", "method": "POST", "path": "/r/drop/plain", "query_string": b"", "headers": []}
    await Gateway(hub, settings)(head, receive, send)
    assert at_the_door == [0]


class Visitor:
    """A browser without script before a gateway whose room is live, over ASGI."""

    def __init__(self) -> None:
        self.settings = GatewaySettings(
            session_key="00" * 32, control_key="control-key-01234", checkout_key="checkout-key-0123"
        )
        hub, log = Hub(self.settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100), Log()
        hub.lot.open()
        room = hub._found(EXPERIENCE)
        log.configure()
        for entry in log.entries:
            room.receive(*entry)
        room.caught_up()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(Gateway(hub, self.settings)),  # type: ignore[arg-type]  # as uvicorn calls it
            base_url="http://room.example",
        )

    def session(self, left_s: int) -> str:
        """A token that is over in ``left_s``."""
        now = int(time.time())
        session = Session(consumer(1), 0, now - SESSION_SECONDS + left_s, now + left_s)
        return sign_session(session, self.settings.session_key_bytes)

    async def ask(self, method: str, token: str, **options: Any) -> httpx.Response:
        headers = {"Cookie": f"{COOKIE}={token}"}
        return await self._client.request(method, f"/r/{EXPERIENCE}/plain", headers=headers, **options)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_visit_makes_an_old_session_last(method: str) -> None:
    visitor = Visitor()
    old = visitor.session(600)
    answer = await visitor.ask(method, old, **({"data": {"action": "leave"}} if method == "POST" else {}))
    kept = verify_session(answer.cookies[COOKIE], visitor.settings.session_key_bytes, int(time.time()) + 86_400)
    assert (answer.cookies[COOKIE] != old, kept.consumer) == (True, consumer(1))
    again = await visitor.ask("GET", answer.cookies[COOKIE])
    assert again.status_code == 200 and COOKIE not in again.cookies


async def test_a_session_that_is_over_is_taken_back_and_said_to_be() -> None:
    visitor = Visitor()
    answer = await visitor.ask("GET", visitor.session(-60))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/r/{EXPERIENCE}/plain?said=bad_token")
    assert f'{COOKIE}=""' in answer.headers["set-cookie"] and "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_number_in_the_address_that_is_too_long_is_none() -> None:
    visitor = Visitor()
    answer = await visitor.ask("GET", visitor.session(60), params={"since": "9" * 5_000})
    assert answer.status_code == 200
