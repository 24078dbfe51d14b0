"""A replica comes back from its bytes as it was, goes on alike, and is small."""

from __future__ import annotations

import random
import zlib

import msgspec
import pytest

from protocol import events, replica_codec
from protocol.events import AnyEvent
from protocol.replica import Replica
from protocol.replica_codec import ReplicaDecodeError, decode_replica, encode_replica
from protocol.states import Phase
from tests.support.log import START_MS, Log, Read
from tests.support.samples import consumer, raw_path, raw_product, raw_variant

ADMISSION = bytes(15)
TICKETS = 100_000
BYTES_PER_TICKET_MAX = 6


def admitted(path: str, *tickets: int) -> events.Admitted:
    ids = b"".join(ADMISSION + bytes([ticket]) for ticket in tickets)
    return events.Admitted(path, START_MS + 5, START_MS + 60_000, "k1", list(tickets), ids, False)


LIFE: list[list[AnyEvent]] = [
    [events.Admitted("vip", START_MS, START_MS + 9, "k1", [0], b"v" * 16, True), events.Redeemed("vip", 1, 0, "shop")],
    [admitted("general", 0, 1, 2), events.StockChanged("42", 9, 3, 0)],
    [events.WindowMoved("general", 1, START_MS + 90_000), events.Completed("general", 6, 0, "order", "shop")],
    [events.Expired("general", 7, [1]), events.Returned("general", 1), events.PauseChanged("vip", True, 8, "control")],
    [events.Left("general", 9, 2, "declined"), events.NoticePosted("Hello", "info", None, 10, "control")],
    [events.TicketRefused("general", 9, 3, "no", "control"), events.SoldOutChanged("general", True, True)],
    [events.ReleaseRateChanged("general", 60, 5, None, 2, "control")],
    [events.PhaseChanged("vip", Phase.SETTLING, 11, None, START_MS + 70_000, "")],
    [events.WaitingLost("general", 12, "sold_out")],
    [events.WaitingLost("vip", 13, "ended"), events.SoldOutChanged("general", False, False)],
]


def lived() -> tuple[Log, list[Read]]:
    """A log in which everything happened that a replica knows of, and the entries of its life."""
    log = Log()
    log.configure(paths=[raw_path(), raw_path("vip")], products=[raw_product(raw_variant("42", stock=9))])
    log.join(0, *range(10))
    log.now_ms += 1_234
    log.join(0, 20, 21, path="vip")
    log.join(10, *range(30, 40))
    return log, [log.append(*events) for events in LIFE]


def follow(replica: Replica, entries: list[Read]) -> Replica:
    for entry in entries:
        for event in replica.follow(*entry).events:
            replica.apply(event)
    return replica


def test_at_every_entry_a_replica_comes_back_as_it_was_and_goes_on_alike() -> None:
    log, _ = lived()
    whole = follow(Replica("drop"), log.entries)
    for number in range(len(log.entries) + 1):
        replica = follow(Replica("drop"), log.entries[:number])
        again = decode_replica(encode_replica(replica))
        assert encode_replica(again) == encode_replica(replica)
        assert (again.entry_id, again.chain, again.now_ms) == (replica.entry_id, replica.chain, replica.now_ms)
        assert encode_replica(follow(again, log.entries[number:])) == encode_replica(whole)


def test_all_that_is_asked_of_a_replica_is_there_again() -> None:
    log, _ = lived()
    replica = follow(Replica("drop"), log.entries)
    again = decode_replica(encode_replica(replica))
    assert again.admissions == replica.admissions
    for path_id, path in replica.paths.items():
        other = again.paths[path_id]
        assert (other.states, other.hats, other.windows) == (path.states, path.hats, path.windows)
        assert list(other.roster.waiting_tickets()) == list(path.roster.waiting_tickets())
        assert (other.roster.places, other.roster.waiting) == (path.roster.places, path.roster.waiting)
        assert other.waits.percentiles(0, (50, 90)) == path.waits.percentiles(0, (50, 90))
        assert other.admissions_since(START_MS) == path.admissions_since(START_MS)
        assert other.settings == path.settings
        assert (other.sold_out, other.was_sold_out) == (False, path_id == "general")
        assert other.ended_by_hand == path.ended_by_hand == (path_id == "vip")
        assert all(other.may_rejoin(one) == path.may_rejoin(one) for one in range(path.tickets))


def test_what_was_stored_before_it_was_known_that_a_path_was_sold_out_is_sold_out_once() -> None:
    log = Log()
    log.configure()
    log.append(events.SoldOutChanged("general", True, False))
    replica = follow(Replica("drop"), log.entries)
    replica.paths["general"].was_sold_out = False
    assert decode_replica(encode_replica(replica)).paths["general"].was_sold_out


def test_of_the_admissions_the_open_ones_and_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_codec, "ADMISSIONS_MAX", 2)
    log = Log()
    log.configure()
    log.join(0, *range(6))
    log.append(admitted("general", 0, 1, 2, 3, 4, 5))
    log.append(events.Expired("general", 7, [0, 2, 4, 5]))
    replica = follow(Replica("drop"), log.entries)
    again = decode_replica(encode_replica(replica))
    assert [ticket for _, ticket in again.admissions.values()] == [1, 3, 4, 5]
    assert encode_replica(again) == encode_replica(replica)


def test_a_path_that_is_no_more_leaves_its_admissions() -> None:
    log, _ = lived()
    log.configure()
    replica = follow(Replica("drop"), log.entries)
    again = decode_replica(encode_replica(replica))
    assert again.admissions[b"v" * 16] == ("vip", 0)
    assert again.window_of(b"v" * 16) is None


def test_who_may_hold_a_ticket_is_known_again_and_who_comes_later_too() -> None:
    log, _ = lived()
    again = decode_replica(encode_replica(follow(Replica("drop"), log.entries)))
    log.join(20, 100)
    follow(again, log.entries[-1:])
    for number in (*range(10), 20, 21, *range(30, 40), 100):
        assert again.holders.may_hold(consumer(number))
    assert not again.holders.may_hold(b"\xff" * 16)


def test_of_a_replica_that_does_not_tell_who_took_tickets_everybody_may_hold_one() -> None:
    log, _ = lived()
    data = encode_replica(follow(Replica("drop"), log.entries))
    fields = msgspec.msgpack.decode(zlib.decompress(data))
    del fields["holders"]
    replica = decode_replica(zlib.compress(msgspec.msgpack.encode(fields)))
    for one in (replica, decode_replica(encode_replica(replica))):
        assert one.holders.everybody
        assert one.holders.may_hold(b"\xff" * 16)


@pytest.mark.parametrize("batch", [100, 1])
def test_a_ticket_takes_at_most_6_bytes(batch: int) -> None:
    log, chance = Log(), random.Random(1)
    log.configure()
    replica = follow(Replica("drop"), log.entries)
    for first in range(0, TICKETS, batch):
        replica.now_ms += chance.randrange(200)
        replica.apply(events.Joined("general", first, chance.randbytes(16 * batch), bytes([1]) * batch))
    for ticket in chance.sample(range(TICKETS), 5_000):
        replica.apply(events.Left("general", replica.now_ms, ticket, "left"))
    assert len(encode_replica(replica)) <= BYTES_PER_TICKET_MAX * TICKETS


def test_what_is_no_replica_is_refused() -> None:
    log, _ = lived()
    data = encode_replica(follow(Replica("drop"), log.entries))
    fields = msgspec.msgpack.decode(zlib.decompress(data))

    def packed(**changed: object) -> bytes:
        return zlib.compress(msgspec.msgpack.encode(fields | changed))

    assert encode_replica(decode_replica(packed(something_new=1))) == data
    for broken, why in (
        (data[:-9], "does not decode"),
        (packed(version=2), "version 2; this one knows 1"),
        (packed(document=None), "a path general that its document has not"),
        (packed(kid=7), "does not decode"),
        (packed(paths=[fields["paths"][0] | {"runs": ([1 << 63], [0])}]), "does not decode"),
        (packed(holders=[(16, 1, b"\0")]), "who may hold a ticket does not decode: a filter of 16 bits in 1 bytes"),
        (packed(holders=[(24, 1, bytes(3))]), "who may hold a ticket does not decode"),
        (packed(holders=[(0, 1, b"")]), "who may hold a ticket does not decode"),
        (zlib.compress(b"\xc1"), "does not decode"),
    ):
        with pytest.raises(ReplicaDecodeError, match=why):
            decode_replica(broken)
