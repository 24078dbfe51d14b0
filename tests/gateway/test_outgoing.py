"""Numbered batches: each is applied once or answered otherwise, nothing is skipped, nothing is forgotten unseen."""

from __future__ import annotations

import itertools

from gateway.outgoing import (
    BACKLOG_COMMANDS_MAX,
    COMMANDS_PER_BATCH_MAX,
    RESEND_AFTER_MS,
    SENDER_MS_MAX,
    SILENCE_MS_MAX,
    Outgoing,
)
from protocol import codec
from protocol.commands import Attach
from protocol.events import Answered, AnyEvent, Entry, Refused, Skipped
from protocol.refusals import Reason
from tests.support.samples import consumer


def outgoing() -> Outgoing:
    senders = (bytes([number]) * 8 for number in itertools.count(1))
    return Outgoing(lambda: next(senders), 0)


def entry(out: Outgoing, number: int, *events: AnyEvent) -> Entry:
    return Entry(1, 0, "0-0", {out.sender: number}, "", list(events))


def add(out: Outgoing, *names: str) -> None:
    for name in names:
        assert out.add(Attach(consumer(1)), name)


def write(out: Outgoing, now_ms: int = 0, at: int = 1_000) -> list[int]:
    """Write what there is, as the entries ``at``-0, ``at``-1 … of the commands stream; the numbers written."""
    batches = out.to_write(64)
    out.written(batches, [f"{at}-{place}" for place in range(len(batches))], now_ms)
    return [sent.number for sent in batches]


def test_what_gathers_is_one_batch() -> None:
    out = outgoing()
    add(out, "a", "b")
    (sent,) = out.to_write(64)
    assert codec.decode_commands(sent.payload) == [Attach(consumer(1))] * 2
    assert (sent.number, out.backlog) == (1, 2)
    assert out.unwritten
    out.written([sent], ["1000-0"], 0)
    assert (out.to_write(64), out.unwritten) == ([], False)


def test_many_are_several_batches_in_order() -> None:
    out = outgoing()
    add(out, *("x" * (COMMANDS_PER_BATCH_MAX * 2 + 1)))
    assert [len(sent.waiting) for sent in out.to_write(2)] == [COMMANDS_PER_BATCH_MAX] * 2
    assert write(out) == [1, 2, 3]


def test_answers_come_back_to_whoever_asked() -> None:
    out = outgoing()
    add(out, "a", "b")
    write(out)
    add(out, "c")
    write(out)
    said = (Refused(out.sender, 1, 1, "full", {"x": 1}), Answered(out.sender, 2, 0, {"admitted": 3}))
    settled = out.settle("1-7", entry(out, 2, *said), 5)
    assert [waits for waits, _ in settled] == ["a", "b", "c"]
    answers = [answer for _, answer in settled]
    assert [answer.entry for answer in answers] == ["1-7"] * 3
    assert answers[0].refusal is None
    assert answers[1].refusal is not None
    assert (answers[1].refusal.reason, answers[1].refusal.detail) == (Reason.FULL, {"x": 1})
    assert answers[2].content == {"admitted": 3}
    assert (out.backlog, out.settle("1-8", entry(out, 2), 6)) == (0, [])


def test_what_another_sender_was_told_is_not_ours() -> None:
    out = outgoing()
    add(out, "a")
    write(out)
    other = Entry(1, 0, "0-0", {bytes(8): 9}, "", [Refused(bytes(8), 1, 0, "full", {})])
    assert out.settle("1-1", other, 0) == []


def test_a_rewind_writes_everything_unapplied_again_in_order() -> None:
    out = outgoing()
    for name in "abc":
        add(out, name)
        write(out)
    out.settle("1-1", entry(out, 1), 0)
    out.rewind()
    add(out, "d")
    assert write(out) == [2, 3, 4]


def test_what_was_applied_while_it_was_on_its_way_is_not_written_again() -> None:
    out = outgoing()
    add(out, "a")
    batches = out.to_write(64)
    out.settle("1-1", entry(out, 1), 0)
    add(out, "b")
    out.written(batches, ["1000-0"], 1)
    assert write(out) == [2]


def passed(out: Outgoing, command_id: str, number: int = 0) -> Entry:
    """An entry of the log up to and with the commands entry ``command_id``; ours up to ``number`` are applied."""
    return Entry(1, 0, command_id, {out.sender: number} if number else {}, "", [])


def test_a_batch_that_the_engine_dropped_is_sent_again_and_then_by_another_sender() -> None:
    out = outgoing()
    add(out, "a")
    write(out)
    assert [waits for waits, _ in out.settle("1-1", entry(out, 1), 0)] == ["a"]
    add(out, "b", "c")
    write(out, at=2_000)
    before = out.sender
    out.settle("1-2", passed(out, "1999-9"), 0)
    assert not out.unwritten
    out.settle("1-3", passed(out, "2000-0"), 0)
    assert (write(out, at=3_000), out.sender) == ([2], before), "the store may have lost it, so once more"
    out.settle("1-4", passed(out, "3000-5"), 0)
    assert out.sender != before
    assert (write(out, at=4_000), out.backlog) == ([1], 2)
    assert [waits for waits, _ in out.settle("1-5", passed(out, "4000-0", 1), 0)] == ["b", "c"]
    assert (out.backlog, out.unwritten) == (0, False)


def test_nothing_is_dropped_that_is_applied_or_of_which_nobody_knows_where_it_is() -> None:
    out = outgoing()
    add(out, "a")
    out.to_write(64)
    out.settle("1-1", passed(out, "9000-0"), 0)
    write(out)
    out.settle("1-2", passed(out, "9000-0", 1), 0)
    add(out, "b")
    write(out, at=9_001)
    out.rewind()
    before = out.sender
    out.settle("1-3", passed(out, "9999-0"), 0)
    assert (write(out, at=10_000), out.sender) == ([2], before)


def test_what_is_written_under_a_sender_that_is_gone_does_not_count() -> None:
    out = outgoing()
    add(out, "a")
    for at in (1_000, 2_000):
        batches = out.to_write(64)
        out.written(batches, [f"{at}-0"], 0)
        out.settle("1-1", passed(out, f"{at}-0"), 0)
    out.written(batches, ["2001-0"], 0)
    assert write(out, at=3_000) == [1]


def test_patience_doubles_until_something_moves() -> None:
    out = outgoing()
    add(out, "a")
    write(out)
    assert not out.is_overdue(RESEND_AFTER_MS - 1)
    assert out.is_overdue(RESEND_AFTER_MS)
    out.rewind()
    assert not out.is_overdue(10 * RESEND_AFTER_MS)
    write(out, RESEND_AFTER_MS)
    assert not out.is_overdue(3 * RESEND_AFTER_MS - 1)
    assert out.is_overdue(3 * RESEND_AFTER_MS)
    assert out.waits_since_ms() == 0
    out.settle("1-1", entry(out, 1), 9)
    assert (out.is_overdue(99_999), out.waits_since_ms()) == (False, None)


def test_a_full_backlog_takes_no_more() -> None:
    out = outgoing()
    add(out, *["x"] * BACKLOG_COMMANDS_MAX)
    assert not out.add(Attach(consumer(1)), "one more")


def test_a_silent_sender_is_replaced() -> None:
    out = outgoing()
    first = out.sender
    assert out.renew(SILENCE_MS_MAX) == []
    assert out.sender == first
    add(out, "a")
    write(out)
    out.settle("1-1", entry(out, 1), 10)
    assert out.renew(SILENCE_MS_MAX) == []
    assert out.sender == first
    out.renew(SILENCE_MS_MAX + 10)
    assert out.sender != first
    add(out, "b")
    assert write(out) == [1]


def test_what_nobody_answered_for_that_long_is_given_up() -> None:
    out = outgoing()
    add(out, "a")
    write(out)
    add(out, "later")
    ((waits, answer),) = out.renew(SILENCE_MS_MAX)
    assert (waits, answer.entry) == ("a", "")
    assert answer.refusal is not None
    assert answer.refusal.reason == Reason.ENGINE_AWAY
    assert (out.backlog, write(out)) == (1, [1])


def test_nothing_is_given_up_because_nobody_asked_for_long() -> None:
    out = outgoing()
    add(out, "a")
    write(out)
    out.settle("1-1", entry(out, 1), 0)
    for now_ms in range(SILENCE_MS_MAX - 1_000, 3 * SILENCE_MS_MAX, 1_000):
        assert out.renew(now_ms) == []
    add(out, "b")
    write(out, 3 * SILENCE_MS_MAX)
    assert out.renew(3 * SILENCE_MS_MAX + 1_000) == []
    out.settle("1-2", entry(out, 1), 3 * SILENCE_MS_MAX + 1_000)
    add(out, "c")
    write(out, 4 * SILENCE_MS_MAX)
    assert out.renew(4 * SILENCE_MS_MAX + 2_000) == []
    ((waits, _),) = out.renew(3 * SILENCE_MS_MAX + 1_000 + SENDER_MS_MAX)
    assert waits == "c"


def test_a_batch_that_was_set_aside_is_refused_for_good() -> None:
    outgoing = Outgoing(lambda: b"sender-1", 0)
    outgoing.add(Attach(consumer(1)), "one")
    outgoing.written(outgoing.to_write(9), ["5-0"], 0)
    outgoing.add(Attach(consumer(2)), "two")
    outgoing.written(outgoing.to_write(9), ["5-1"], 0)
    skipped = [Skipped("5-0", bytes(32), b"sender-1", 1), Skipped("5-1", bytes(32), b"sender-2", 2)]
    settled = outgoing.settle("1-4", Entry(1, 0, "5-1", {b"sender-1": 2}, "", list(skipped)), 5)
    reasons = [(waits, answer.refusal and answer.refusal.reason) for waits, answer in settled]
    assert reasons == [("one", Reason.INVALID), ("two", None)]
    assert (outgoing.backlog, outgoing.unwritten) == (0, False)
    assert outgoing.sender == b"sender-1", "it was applied, as far as its sender is concerned"


def test_what_was_written_can_be_given_up_and_what_was_not_goes_on() -> None:
    senders = iter((b"sender-1", b"sender-2"))
    outgoing = Outgoing(lambda: next(senders), 0)
    spare = outgoing.spare
    outgoing.add(Attach(consumer(1)), "one")
    on_its_way = outgoing.to_write(9)
    outgoing.add(Attach(consumer(2)), "two")
    assert outgoing.spare == spare - 2
    ((waits, answer),) = outgoing.give_up(10)
    outgoing.written(on_its_way, ["5-0"], 11)
    assert (waits, answer.refusal and answer.refusal.reason) == ("one", Reason.ENGINE_AWAY)
    assert (outgoing.sender, outgoing.backlog) == (b"sender-2", 1)
    assert write(outgoing, at=6) == [1]
    assert outgoing.settle("1-2", passed(outgoing, "5-9"), 12) == []
    assert (outgoing.sender, outgoing.unwritten) == (b"sender-2", False), "the log has not come to it"


def test_what_another_sender_took_up_can_be_given_up_too() -> None:
    out = outgoing()
    add(out, "a")
    for at in (1_000, 2_000):
        write(out, at=at)
        out.settle("1-1", passed(out, f"{at}-0"), 0)
    taken_up = out.sender
    assert [waits for waits, _ in out.give_up(10)] == ["a"]
    assert (out.sender == taken_up, out.backlog, out.unwritten) == (False, 0, False)
    add(out, "b")
    assert write(out, at=3_000) == [1]
