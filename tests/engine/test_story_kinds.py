"""The story of a ticket of each kind of distribution: every sentence that only some kinds have."""

from __future__ import annotations

from typing import Any

from engine.story_kinds import TELLS_OF_KINDS
from protocol import commands as c
from protocol import kind_events as k
from protocol.documents import Experience as Document
from protocol.slots import slot_of
from tests.engine.stage import ACTOR, SHOP, START_MS, Stage
from tests.engine.test_story import joins, story_of
from tests.support.beacons import REAL
from tests.support.samples import consumer, document, raw_auction, raw_path, raw_product, raw_variant, with_slots

CLOSES_MS = START_MS + 1_000
BEACON = REAL["quicknet"]
SLOTS_MS = [START_MS + 10_000, START_MS + 60_000]
TEN, SIXTY = map(slot_of, SLOTS_MS)


def told(story: list[str], *beginnings: str) -> list[str]:
    """The sentences that begin like these, in the order in which they are told."""
    return [one for one in story if one.startswith(beginnings)]


def draw(**terms: Any) -> Document:
    own = {"kind": "draw", "winner_count": 1, "closes_at": CLOSES_MS, "checkout_window_seconds": 2}
    return document(paths=[raw_path(distribution=own | {"payment_grace_seconds": 0} | terms)])


def test_who_wins_a_draw_who_moves_up_and_who_is_not_drawn() -> None:
    stage = Stage(draw(redraw_until=CLOSES_MS + 2_500))
    stage.later(1, *(c.Join(consumer(who), "general", hats=1 + (who == 0)) for who in range(3)))
    stage.step(CLOSES_MS)
    stage.later(5_000)
    stories = [story_of(stage, ticket) for ticket in range(3)]
    assert stories[0][0] == "Ticket 0 joined as number 1 of general; it waits, the rate is 600 a minute."
    assert stories[0][1] == "general became settling, as scheduled."
    closed = "Entries closed: 3 tickets, it with 2 hats, root "
    assert [one[: len(closed)] for one in told(stories[0], "Entries")] == [closed]
    (won,) = [one for one in stories if any(line.endswith("it won, as number 1 of 1.") for line in one)]
    assert told(won, "It was admitted")[0].startswith("It was admitted by the rate, after 999 ms; its window ends at")
    others = [one for one in stories if one is not won]
    hoped = [[line for line in one if line.endswith("it is none of the 1 winners, and may move up.")] for one in others]
    assert [len(one) for one in hoped] == [1, 1]
    ends = sorted(told(one, "It was admitted", "Nobody moved up")[0][:33] for one in others)
    assert ends == ["It was admitted by the rate, afte", "Nobody moved up any more: it was "]


def test_a_beacon_that_a_draw_waited_for_and_a_reserve_that_is_let_go() -> None:
    named = {"source": BEACON.source, "round": BEACON.round}
    stage = Stage(draw(beacon=named, winner_count=2, backfill=False, release_rate_per_minute=60, burst_ms=1))
    stage.later(1, *joins(0, 1, 2, 3))
    stage.step(CLOSES_MS)
    given = bytes.fromhex(BEACON.randomness), bytes.fromhex(BEACON.signature)
    stage.later(10, c.DrawBeacon(ACTOR, "", "general", BEACON.source, BEACON.round, *given))
    stories = [story_of(stage, ticket) for ticket in range(4)]
    assert told(stories[0], "The beacon") == [f"The beacon was given (control): {BEACON.randomness}."]
    let_go = sorted(line for one in stories for line in told(one, "Nobody moved up"))
    assert let_go == [
        *["Nobody moved up any more: it was not drawn."] * 2,
        *["Nobody moved up any more: its turn still comes."] * 2,
    ]


def test_a_lobby_has_no_places_until_its_order_is_drawn() -> None:
    opens = {"opens_at": START_MS + 1_000, "lobby_opens_at": START_MS}
    slow = {"release_rate_per_minute": 60, "burst_ms": 1, "checkout_window_seconds": 60, "max_active": 1}
    stage = Stage(document(paths=[raw_path(distribution=slow) | opens]))
    stage.later(1, *joins(0, 1, 2))
    in_the_lobby = [story_of(stage, ticket) for ticket in range(3)]
    stage.step(START_MS + 1_000)
    stage.later(10, *joins(3))
    stories = [story_of(stage, ticket) for ticket in range(4)]
    pace = "the rate is 60 a minute, at most 1 windows at once; general is lobby"
    assert {one[-1] for one in in_the_lobby} == {f"Now its place is not drawn yet; {pace}."}
    assert stories[1][0] == f"Ticket 1 joined as number 2 of general; its place is not drawn yet, {pace}."
    drawn = sorted(line.rpartition(": ")[2] for one in stories[:3] for line in told(one, "The order was drawn"))
    assert drawn == ["1 is ahead of it.", "2 are ahead of it.", "nobody is ahead of it."]
    assert stories[3][0].startswith("Ticket 3 joined as number 4 of general; 2 are ahead of it")
    (first,) = [one for one in stories if told(one, "It was admitted")]
    assert told(first, "The order was drawn")[0].endswith(": nobody is ahead of it.")


def auction(**terms: Any) -> Document:
    own: dict[str, Any] = {"start_price": "10.00", "ends_at": CLOSES_MS}
    own |= {"checkout_window_seconds": 2, "payment_grace_seconds": 0}
    return document(paths=[raw_auction(**own | terms)])


def bid(who: int, maximum: int) -> c.PlaceBid:
    return c.PlaceBid(consumer(who), "auction", maximum=maximum)


def test_bids_that_lead_and_are_outbid_the_hammer_and_a_second_chance() -> None:
    stage = Stage(auction(second_chance=True, extend_window_seconds=1, extend_by_seconds=1, claim_window_seconds=10))
    stage.later(1, bid(0, 1_200))
    stage.later(1, bid(1, 1_100), bid(2, 1_500))
    stage.later(3_000)
    stage.later(2_000)
    stage.take_over(stage.now_ms + 6_000)
    stage.later(0)
    stage.later(10, c.Claim(consumer(0), "auction"))
    stage.later(10, c.Complete(SHOP, "", stage.admission(0, "auction")))
    winner, second, third = (story_of(stage, ticket, path="auction") for ticket in (2, 0, 1))
    assert told(winner, "It bid", "The hammer", "It was admitted")[:2] == [
        "It bid up to 15.00 EUR: the price was 13.00 EUR then, and it leads.",
        "The hammer fell at 13.00 EUR: it won.",
    ]
    assert told(winner, "It was admitted")[0].startswith("It was admitted at 13.00 EUR by the rate")
    assert told(second, "It bid", "It was outbid", "It leads", "The hammer") == [
        "It bid up to 12.00 EUR: the price was 10.00 EUR then, and it leads.",
        "It was outbid from then on, at a price of 13.00 EUR.",
        "The hammer fell at 13.00 EUR: it did not win.",
    ]
    (offered,) = told(second, "It was offered")
    assert offered.startswith("It was offered a place at 12.00 EUR (second_chance) until ")
    assert offered.endswith("; one is kept for it.")
    assert len(told(second, "Its offer was moved and can be claimed until ")) == 1
    assert told(second, "It claimed") == [
        "It claimed: its turn comes behind those who claimed before, as the limits allow."
    ]
    assert told(second, "It was admitted")[0].startswith("It was admitted at 12.00 EUR by the rate")
    assert told(third, "It bid", "It lost") == [
        "It bid up to 11.00 EUR: the price was 12.00 EUR then, and it does not lead.",
        "It lost its place (outbid).",
    ]


def test_a_bid_that_leads_again_when_another_is_turned_away() -> None:
    stage = Stage(auction())
    stage.later(1, bid(0, 1_500), bid(1, 1_500))
    stage.later(1, c.RefuseTicket(ACTOR, "", "auction", 0, ""))
    story = story_of(stage, 1, path="auction")
    assert told(story, "It leads") == ["It leads from then on, at a price of 15.00 EUR."]


def test_a_price_that_falls_stands_still_and_is_taken() -> None:
    falls = {"floor_price": "8.00", "drop_amount": "1.00", "drop_interval_seconds": 1, "quantity": 2}
    stage = Stage(auction(style="dutch", **falls, ends_at=START_MS + 60_000, max_active=1))
    stage.later(1, *(c.Join(consumer(who), "auction") for who in range(3)))
    stage.later(1_100, c.Pause(ACTOR, "", "auction"))
    stage.later(500, c.Resume(ACTOR, "", "auction"))
    stage.later(1_000, c.Claim(consumer(0), "auction", price=900))
    stage.later(1, c.Claim(consumer(1), "auction", price=2_000))
    story, lost = (story_of(stage, ticket, path="auction") for ticket in (1, 2))
    assert [one[:33] for one in told(story, "The price")] == [
        "The price became 9.00 EUR until 1",
        "The price became 8.00 EUR and sta",
    ]
    (moved,) = told(story, "Time in which")
    assert moved.startswith("Time in which nobody could bid was given back: it ends at 1970-01-01 00:17:40.500")
    assert " and the price drops at " in moved
    assert told(story, "It took") == ["It took one at 8.00 EUR: its turn comes as the limits allow."]
    assert told(lost, "It lost") == ["It lost its place (sold_out)."]


def fitting() -> Document:
    windows = [{"date": "1970-01-14", "from": "10:00", "to": "11:00"}]
    terms = {"kind": "appointment", "windows": windows, "capacity_per_slot": 2, "hold_seconds": 5}
    return with_slots(document(paths=[{"id": "fitting", "min_level": "guest", "distribution": terms}]), SLOTS_MS)


def test_a_place_that_is_held_booked_changed_given_back_and_used() -> None:
    stage = Stage(fitting())
    me = consumer(0)
    stage.later(1, c.Hold(me, "fitting", slot=TEN))
    held = story_of(stage, 0, path="fitting")
    stage.take_over(stage.now_ms + 1_500)
    stage.later(0)
    stage.later(6_000)
    stage.later(1, c.Book(me, "fitting", slot=TEN))
    stage.later(1, c.Reschedule(me, "fitting", slot=SIXTY))
    booked = story_of(stage, 0, path="fitting")
    stage.later(1, c.Cancel(me, "fitting"))
    stage.later(1, c.Book(me, "fitting", slot=SIXTY), c.Book(consumer(1), "fitting", slot=SIXTY))
    stage.later(1, c.CancelBooking(ACTOR, "", "fitting", code(stage, 0)), c.Book(me, "fitting", slot=SIXTY))
    stage.later(1, c.CheckIn(ACTOR, "", "fitting", code(stage, 0)))
    stage.step(SLOTS_MS[1], c.NoShow(ACTOR, "", "fitting", code(stage, 1)))
    assert held[-2:] == [
        f"A place in {TEN} was held for it until 1970-01-01 00:16:45.001.",
        f"Now it is held in {TEN} until 1970-01-01 00:16:45.001.",
    ]
    assert booked[-1] == f"Now it is booked in {SIXTY}."
    assert story_of(stage, 0, path="fitting")[2:] == [
        "For 1 second no engine wrote; another one took over, nobody was admitted meanwhile.",
        "Its hold was moved and ends at 1970-01-01 00:16:46.501.",
        "Its hold ended without a booking, and it waits again.",
        f"It booked {TEN}.",
        f"It booked {SIXTY} instead of {TEN}.",
        f"Its booking of {SIXTY} was cancelled, and it waits again.",
        f"It booked {SIXTY}.",
        f"Its booking of {SIXTY} was cancelled by the merchant (control), and it waits again.",
        f"It booked {SIXTY}.",
        "Its holder came (control).",
        "Now it is completed.",
    ]
    assert told(story_of(stage, 1, path="fitting"), "Its holder") == ["Its holder did not come (control)."]


def test_a_place_that_is_given_back_is_booked_by_whom_it_is_offered_to() -> None:
    windows = [{"date": "1970-01-14", "from": "10:00", "to": "11:00"}]
    terms = {"kind": "appointment", "windows": windows}
    paths = [{"id": "fitting", "min_level": "guest", "distribution": terms}]
    paths.append({"id": "waitlist", "attached_to": "fitting", "distribution": {"kind": "waitlist"}})
    stage = Stage(with_slots(document(paths=paths), SLOTS_MS))
    stage.later(1, *(c.Book(consumer(who), "fitting", slot=slot) for who, slot in enumerate((TEN, SIXTY))))
    stage.later(1, *(c.Join(consumer(who), "waitlist") for who in (1, 2)))
    stage.later(1, c.Cancel(consumer(0), "fitting"))
    stage.later(1, c.Claim(consumer(2), "waitlist"))
    passed, offered = (story_of(stage, ticket, path="waitlist") for ticket in range(2))
    assert told(passed, "It was passed over") == [
        "It was passed over and keeps its place: its holder has booked a slot already (already_booked)."
    ]
    assert told(offered, "It was offered")[0].startswith(f"It was offered a place in {TEN} (cancelled) until ")
    assert told(offered, "It booked") == ["It booked what it was offered."]


def test_a_place_is_paid_for_or_free_again() -> None:
    windows = [{"date": "1970-01-14", "from": "10:00", "to": "11:00"}]
    terms = {"kind": "appointment", "windows": windows, "checkout": True, "checkout_window_seconds": 2}
    paths = [{"id": "fitting", "min_level": "guest", "distribution": terms | {"payment_grace_seconds": 0}}]
    stage = Stage(with_slots(document(paths=paths), SLOTS_MS))
    stage.later(1, *(c.Book(consumer(who), "fitting", slot=slot) for who, slot in enumerate((TEN, SIXTY))))
    stage.later(1, c.Complete(SHOP, "", stage.admission(0, "fitting"), "order"))
    stage.later(2_001)
    paid, missed = (story_of(stage, ticket, path="fitting") for ticket in range(2))
    assert told(paid, "Its place") == [f"Its place in {TEN} was kept until it would be paid for."]
    assert paid[-1] == f"Now it is booked in {TEN}."
    assert told(missed, "Its place") == [
        f"Its place in {SIXTY} was kept until it would be paid for.",
        f"Its place in {SIXTY} was free again: it was not paid for.",
    ]


def code(stage: Stage, ticket: int) -> str:
    """The confirmation code of a booking."""
    return str(stage.path("fitting").distribution.details(ticket)["confirmation"])


def listed(**terms: Any) -> Document:
    """A queue that sells one thing, for two seconds each, and its waitlist."""
    own = {"kind": "waitlist", "claim_window_seconds": 2, "checkout_window_seconds": 2, "payment_grace_seconds": 0}
    queue = raw_path(distribution={"checkout_window_seconds": 2, "payment_grace_seconds": 0}, variants=["a"])
    queue |= {"opens_at": START_MS + 2}
    waits = {"id": "waitlist", "attached_to": "general", "distribution": own | terms, "variants": ["a"]}
    return document(paths=[queue, waits], products=[raw_product(raw_variant("a", stock=1))])


def test_what_became_free_was_offered_passed_over_and_missed() -> None:
    stage = Stage(listed())
    stage.later(1, *(c.Join(consumer(who), "waitlist") for who in range(3)))
    stage.later(1)
    stage.later(1, *joins(0))
    stage.later(1, c.SetStock(ACTOR, "", "a", add=1))
    stage.later(5_000)
    skipped, offered, last = (story_of(stage, ticket, path="waitlist") for ticket in range(3))
    assert told(skipped, "It was passed over") == [
        "It was passed over and keeps its place: its holder was admitted elsewhere already (already_admitted)."
    ]
    assert told(offered, "All who wait", "1 became free") == [
        "All who wait were told that general had opened; nothing was kept.",
        "1 became free in waitlist (stock_added).",
    ]
    (offer,) = told(offered, "It was offered")
    assert offer.startswith("It was offered a place (stock_added) until ") and offer.endswith("; one is kept for it.")
    assert told(offered, "It did not claim") == ["It did not claim what it was offered in time."]
    assert told(last, "Now it is offered")[0].startswith("Now it is offered, and can claim it until ")
    stage.later(1, c.Claim(consumer(2), "waitlist"))
    (admitted,) = told(story_of(stage, 2, path="waitlist"), "It was admitted")
    assert admitted.startswith("It was admitted by the rate, after ")
    assert "(of those ahead: 2 offered something)" in admitted


def test_what_is_offered_to_all_goes_and_may_come_back() -> None:
    stage = Stage(listed(strategy="all", claim_window_seconds=60, release_rate_per_minute=0))
    stage.later(1, *(c.Join(consumer(who), "waitlist") for who in range(2)))
    stage.later(1, *joins(9))
    stage.later(1, c.SetStock(ACTOR, "", "a", add=1))
    stage.later(1, c.Claim(consumer(0), "waitlist"))
    stage.later(1, c.Decline(consumer(0), "waitlist"))
    first, second = (story_of(stage, ticket, path="waitlist") for ticket in range(2))
    assert told(second, "It was offered")[0].endswith("; whoever claims first gets it.")
    assert told(second, "Nothing was left of", "What it may") == [
        "Nothing was left of what it may claim.",
        "What it may claim was there again.",
    ]
    assert told(first, "It claimed", "It was given up")[1] == "It was given up (declined)."
    stage.later(1, c.Claim(consumer(1), "waitlist"))
    assert story_of(stage, 1, path="waitlist")[-1] == "Now it is offered, and has claimed it."


def test_who_chooses_is_told_what_they_want_and_pay() -> None:
    product = raw_product(raw_variant("a", stock=0), raw_variant("b", stock=2))
    queue = raw_path(product_selection="consumer", variants=["a", "b"])
    waits = {"id": "waitlist", "distribution": {"kind": "waitlist"}, "variants": ["a", "b"]}
    waits |= {"product_selection": "consumer"}
    stage = Stage(document(paths=[queue, waits], products=[product]))
    stage.later(1, c.Join(consumer(0), "general"), c.Choose(consumer(0), "general", "a"))
    stage.later(1, c.Choose(consumer(0), "general", "b"), c.Join(consumer(1), "waitlist"))
    stage.later(1, c.Choose(consumer(1), "waitlist", "a"), c.Offer(ACTOR, "", "waitlist", 1))
    story = story_of(stage, 0)
    assert told(story, "It wants") == ["It wants a.", "It wants b."]
    assert told(story, "It was admitted")[0].startswith("It was admitted for b by the rate")
    passed = "It was passed over and keeps its place: nothing was free of what it wants (variant_not_free)."
    assert told(story_of(stage, 0, path="waitlist"), "It was passed over") == [passed]
    stage.later(1, c.Complete(SHOP, "", stage.admission(0)))
    assert story_of(stage, 0)[-1] == "Now it is completed."


def test_whatever_happens_to_one_ticket_is_told() -> None:
    named = [kind for kind in vars(k).values() if "ticket" in getattr(kind, "__struct_fields__", ())]
    assert [kind for kind in named if kind not in TELLS_OF_KINDS] == [k.HoldingDetails], "which changes nothing"
