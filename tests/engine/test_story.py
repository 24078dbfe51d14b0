"""The story of a ticket, told from the entries of a stage: every sentence that can be in it."""

from __future__ import annotations

from typing import Any

from engine.story import Story
from protocol import codec
from protocol import commands as c
from protocol.replica import Replica
from tests.engine.stage import ACTOR, SHOP, Stage, rate
from tests.support.samples import EXPERIENCE, consumer, document, raw_path, raw_product, raw_variant

SLOW: dict[str, Any] = {
    "release_rate_per_minute": 60,
    "burst_ms": 1,
    "checkout_window_seconds": 60,
    "payment_grace_seconds": 0,
    "max_active": 1,
}


def stage_of(**fields: Any) -> Stage:
    """One path that lets in one after another, each for a minute."""
    return Stage(document(paths=[raw_path(distribution=SLOW)], **fields))


def story_of(stage: Stage, ticket: int, begin: int = 0, path: str = "general") -> list[str]:
    """The story of a ticket, without the dates; ``begin``: the entry behind which a trimmed log begins."""
    story, replica = Story(path, ticket), Replica(EXPERIENCE)
    for seq, payload in enumerate(stage.entries):
        entry = codec.decode_entry(payload)
        replica.stand_at(f"1-{seq}", b"", entry.now_ms)
        if seq >= begin:
            story.entry(entry, replica)
            continue
        for event in entry.events:
            replica.apply(event)
        if seq == begin - 1:
            story.begin(replica, replica.entry_id)
    story.end(replica)
    return [sentence.split(": ", 1)[-1] for sentence in story.sentences]


def joins(*numbers: int) -> list[c.Command]:
    return [c.Join(consumer(number), "general") for number in numbers]


def test_who_waits_is_told_what_moved_it_and_how_many_are_ahead_now() -> None:
    stage = stage_of()
    stage.later(1, *joins(0, 1, 2, 3))
    stage.later(10, c.Pause(ACTOR, "", "general"))
    stage.later(10, c.Resume(ACTOR, "", "general"), rate(600))
    stage.later(10, c.Leave(consumer(1), "general"), c.Close(ACTOR, "", "general"))
    story = story_of(stage, 3)
    limits = "the rate is 60 a minute, at most 1 windows at once"
    assert story[0] == f"Ticket 3 joined as number 4 of general; 3 are ahead of it, {limits}."
    assert "general was paused: nobody was admitted from then on (control)." in story
    assert "general was resumed (control)." in story
    assert "control set the limits of general: the rate is 600 a minute, at most 1 windows at once." in story
    assert "general became settling (control)." in story
    assert story[-1].startswith("Now 1 is ahead of it; the rate is 600 a minute, at most 1 windows at once")


def test_who_was_admitted_is_told_when_and_who_was_ahead() -> None:
    stage = stage_of()
    stage.later(1, *joins(0, 1, 2))
    stage.later(5_000, c.Leave(consumer(1), "general"))
    stage.later(5_000, c.Complete(SHOP, "", stage.admission(0)))
    story = story_of(stage, 2)
    assert story[1].startswith(
        "It was admitted by the rate, after 10 seconds (of those ahead: 1 let in, 1 gone); its window ends at"
    )
    assert story[-1].startswith("Now it is admitted; its window ends at 1970-01-01 00:17:50")


def test_a_missed_turn_a_return_and_a_completed_order() -> None:
    stage = stage_of()
    stage.later(1, *joins(0, 1))
    stage.later(61_000)
    stage.later(61_000, c.Rejoin(consumer(0), "general"))
    stage.later(1_000)
    stage.later(0, c.Redeem(SHOP, "", stage.admission(0)))
    stage.later(0, c.Complete(SHOP, "", stage.admission(0), order_id="A-7"))
    story = story_of(stage, 0)
    missed = "Its window ended without a completed order: a missed turn; it may rejoin once, at its old place."
    assert [one for one in story if one in (missed, "It rejoined at its old place; nobody is ahead of it.")] == [
        missed,
        "It rejoined at its old place; nobody is ahead of it.",
    ]
    assert story[-3:] == [
        "Its pass was redeemed at the checkout.",
        "Its order was completed (A-7).",
        "Now it is completed.",
    ]


def test_a_missed_turn_with_which_the_path_ends_is_not_forgiven() -> None:
    stage = stage_of()
    stage.later(1, *joins(0))
    stage.later(1, c.Close(ACTOR, "", "general"))
    stage.later(61_000)
    assert stage.path().phase == "ended"
    missed = "Its window ended without a completed order: a missed turn; it cannot rejoin at its old place."
    assert missed in story_of(stage, 0)


def test_an_outage_moves_a_window_and_is_told() -> None:
    stage = stage_of()
    stage.later(1, *joins(0, 1))
    stage.take_over(stage.now_ms + 30_000)
    stage.later(0)
    outage = "For 30 seconds no engine wrote; another one took over, nobody was admitted meanwhile."
    assert outage in story_of(stage, 1)
    assert outage in story_of(stage, 0)
    assert any(one.startswith("Its window was moved and ends at") for one in story_of(stage, 0))


def test_who_was_let_in_by_hand_given_up_turned_away_or_lost() -> None:
    stage = stage_of(time_zone="Europe/Berlin")
    stage.later(1, *joins(0, 1, 2, 3))
    stage.later(10, c.AdmitNow(ACTOR, "", "general", 1), c.Leave(consumer(2), "general"))
    stage.later(10, c.RefuseTicket(ACTOR, "", "general", 3, "a robot"))
    stage.later(10, c.Join(consumer(4), "general"))
    stage.later(10, c.End(ACTOR, "", "general"))
    assert story_of(stage, 2)[1:] == ["It was given up (left).", "Now it is left."]
    assert story_of(stage, 3)[1:] == ["The merchant (control) turned it away: a robot.", "Now it is refused."]
    assert story_of(stage, 4)[-2:] == [
        "Everybody who still waited lost their place (ended), it too.",
        "Now it is lost.",
    ]


def test_what_is_sold_and_another_document_are_told() -> None:
    product = raw_product(raw_variant("a", stock=1))
    stage = stage_of(products=[product], release_rate_per_minute=120)
    stage.later(1, *joins(0, 1))
    stage.later(10, c.SetStock(ACTOR, "", "a", add=1))
    changed = document(paths=[raw_path(distribution=SLOW)], products=[product], name="Another name")
    stage.later(10, c.Configure(ACTOR, "", changed, bytes(32), "k1"))
    story = story_of(stage, 1)
    assert "over all paths 120 a minute" in story[0]
    assert "There was something to be sold again." in story
    assert any(one.startswith("control changed the experience; the rate is") for one in story)


def test_a_log_that_was_trimmed_begins_with_what_was_known_then() -> None:
    stage = stage_of()
    stage.later(1, *joins(0, 1))
    stage.later(1, c.Leave(consumer(1), "general"))
    assert story_of(stage, 1, begin=3) == [
        "The log begins with the snapshot at entry 1-2: then it was waiting.",
        "It was given up (left).",
        "Now it is left.",
    ]
    assert story_of(stage, 1, begin=4)[0] == "The log begins with the snapshot at entry 1-3: then it was left."


def test_a_ticket_that_nobody_took_is_said_to_be_none() -> None:
    stage = stage_of()
    stage.later(1, *joins(0))
    assert story_of(stage, 7) == ["so far it gave out 1."]
    assert story_of(stage, 0, path="vip") == ["so far it gave out 0."]
