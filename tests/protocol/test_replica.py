"""The replica: what each event changes, and that no entry is taken which is not the next one."""

from __future__ import annotations

import pytest

from protocol import codec, events
from protocol.events import AnyEvent, Entry
from protocol.path_replica import RATE_SPAN_MS, OpenWindow, PathReplica
from protocol.replica import Replica, ReplicaError, Stock, over_in
from protocol.states import Phase, TicketState
from protocol.streams import GENESIS_CHAIN, START_ID
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant

WRITER = bytes(16)
DOCUMENT = document(paths=[raw_path(), raw_path("vip")], products=[raw_product(raw_variant("42", stock=9))])


class Log:
    """Writes entries as an engine would; ``feed`` puts one through ``follow`` and ``apply``."""

    def __init__(self) -> None:
        self.replica = Replica("drop")
        self.feed("1-0", self.takes_over(1))
        self.feed("1-1", events.Configured(1, DOCUMENT, "k1", "control"))

    def takes_over(self, epoch: int) -> events.WriterChanged:
        return events.WriterChanged(epoch, WRITER, self.replica.entry_id, self.replica.chain)

    def sealed(self, *carried: AnyEvent, now_ms: int = 1_000) -> tuple[bytes, bytes]:
        payload = codec.encode_entry(Entry(1, now_ms, "0-0", {}, "", list(carried)))
        return payload, codec.next_chain(self.replica.chain, payload)

    def feed(self, entry_id: str, *carried: AnyEvent, now_ms: int = 1_000) -> None:
        entry = self.replica.follow(entry_id, *self.sealed(*carried, now_ms=now_ms))
        assert entry.events == list(carried)
        for event in entry.events:
            self.replica.apply(event)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def replica(log: Log) -> Replica:
    """Four tickets wait in ``general``."""
    _join(log.replica, 4)
    return log.replica


def _join(replica: Replica, count: int, path: str = "general") -> None:
    first = replica.paths[path].tickets
    ids = b"".join(consumer(first + index) for index in range(count))
    replica.apply(events.Joined(path, first, ids, bytes([1] * count)))


def _admit(replica: Replica, *tickets: int, at: int = 1_000, by_hand: bool = False) -> None:
    admissions = b"".join(consumer(100 + ticket) for ticket in tickets)
    replica.apply(events.Admitted("general", at, at + 500, "k1", list(tickets), admissions, by_hand))


def _states(replica: Replica, path: str = "general") -> list[str]:
    return [TicketState(state).word for state in replica.paths[path].states]


def test_before_the_first_entry_there_is_nothing() -> None:
    replica = Replica("drop")
    assert (replica.entry_id, replica.chain, replica.document) == (START_ID, GENESIS_CHAIN, None)
    assert (replica.phase, replica.now_ms) == (Phase.ENDED, 0)
    assert replica.window_of(consumer(1)) is None


def test_entries_that_follow_one_another_are_followed(log: Log) -> None:
    log.feed("1-2", now_ms=2_000)
    log.feed("2-3", log.takes_over(2), now_ms=3_000)
    log.feed("2-4")
    assert log.replica.entry_id == "2-4"
    assert log.replica.now_ms == 1_000


@pytest.mark.parametrize("entry_id", ["1-1", "1-3", "2-2", "1-0"])
def test_a_gap_a_repeat_or_a_new_epoch_without_a_take_over_is_refused(log: Log, entry_id: str) -> None:
    before = log.replica.entry_id, log.replica.chain
    with pytest.raises(ReplicaError, match=f"{entry_id} does not follow 1-1"):
        log.feed(entry_id)
    assert (log.replica.entry_id, log.replica.chain) == before


def test_a_log_begins_with_entry_0_and_a_take_over() -> None:
    log = Log()
    log.replica = Replica("drop")
    for entry_id, carried in [("1-0", []), ("1-1", [log.takes_over(1)]), ("0-1", [])]:
        with pytest.raises(ReplicaError, match="does not follow 0-0"):
            log.feed(entry_id, *carried)


@pytest.mark.parametrize(("previous", "chain"), [("1-0", None), (None, bytes(32))])
def test_a_take_over_behind_another_entry_or_chain_is_refused(
    log: Log, previous: str | None, chain: bytes | None
) -> None:
    event = events.WriterChanged(2, WRITER, previous or log.replica.entry_id, chain or log.replica.chain)
    with pytest.raises(ReplicaError, match="takes over behind"):
        log.feed("2-2", event)


def test_a_changed_byte_breaks_the_chain(log: Log) -> None:
    payload, chain = log.sealed(events.NoticePosted("Hello", "info", None, 5, "control"))
    changed = payload.replace(b"Hello", b"Jello")
    with pytest.raises(ReplicaError, match="the chain breaks at entry 1-2"):
        log.replica.follow("1-2", changed, chain)
    with pytest.raises(ReplicaError, match="the chain breaks"):
        log.replica.follow("1-2", payload, bytes(32))
    log.replica.follow("1-2", payload, chain)


@pytest.mark.parametrize("payload", [b"", b"\xc1", codec.encode_commands([])])
def test_an_entry_that_does_not_decode_is_refused(log: Log, payload: bytes) -> None:
    with pytest.raises(ReplicaError, match="1-2 does not decode"):
        log.replica.follow("1-2", payload, codec.next_chain(log.replica.chain, payload))


def test_those_who_join_wait_in_order(replica: Replica) -> None:
    path = replica.paths["general"]
    assert _states(replica) == ["waiting"] * 4
    assert (path.tickets, path.roster.waiting, path.hats) == (4, 4, bytearray([1] * 4))
    assert path.state(3) is TicketState.WAITING
    with pytest.raises(ReplicaError, match="ticket 3 of general joined behind 4"):
        replica.apply(events.Joined("general", 3, consumer(9), b"\x01"))


def test_an_admission_opens_a_window_that_is_found_by_its_id(replica: Replica) -> None:
    _admit(replica, 0, 2)
    path = replica.paths["general"]
    assert _states(replica) == ["admitted", "waiting", "admitted", "waiting"]
    assert path.roster.waiting_tickets().tolist() == [1, 3]
    assert replica.window_of(consumer(102)) == ("general", 2, OpenWindow(consumer(102), "k1", 1_000, 1_500))
    assert path.admitted == 2


def test_a_window_moves_and_a_pass_is_used(replica: Replica) -> None:
    _admit(replica, 0)
    replica.apply(events.WindowMoved("general", 0, 9_000))
    replica.apply(events.Redeemed("general", 1_100, 0, "checkout"))
    found = replica.window_of(consumer(100))
    assert found is not None and found[2].expires_at == 9_000
    assert _states(replica)[0] == "redeemed"


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (events.Expired("general", 1_500, [0]), "expired"),
        (events.Left("general", 1_500, 0, "declined"), "left"),
        (events.Completed("general", 1_500, 0, "order-7", "checkout"), "completed"),
    ],
)
def test_what_ends_an_admission_closes_its_window(replica: Replica, event: AnyEvent, state: str) -> None:
    _admit(replica, 0)
    replica.apply(event)
    path = replica.paths["general"]
    assert _states(replica)[0] == state
    assert replica.window_of(consumer(100)) is None
    assert (path.completed, path.expired) == (state == "completed", state == "expired")
    assert path.roster.waiting == 3


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (events.Left("general", 1_500, 1, "left"), "left"),
        (events.TicketRefused("general", 1_500, 1, "a bot", "control"), "refused"),
    ],
)
def test_what_ends_a_wait_leaves_the_roster(replica: Replica, event: AnyEvent, state: str) -> None:
    replica.apply(event)
    assert _states(replica) == ["waiting", state, "waiting", "waiting"]
    assert replica.paths["general"].roster.ahead(3) == 2


def test_a_missed_turn_is_forgiven_once_at_the_same_place(replica: Replica) -> None:
    path = replica.paths["general"]
    assert not path.may_rejoin(0)
    _admit(replica, 0)
    replica.apply(events.Expired("general", 1_500, [0]))
    assert not path.may_rejoin(0)
    replica.apply(events.PhaseChanged("general", "open", 1_500, None, None, ""))
    assert path.may_rejoin(0)
    replica.apply(events.Returned("general", 0))
    assert path.roster.waiting_tickets().tolist() == [0, 1, 2, 3]
    _admit(replica, 0)
    replica.apply(events.Expired("general", 2_500, [0]))
    assert not path.may_rejoin(0)


ENDED = events.WaitingLost("general", 1_600, "ended")


def phase(name: str, actor: str = "") -> events.PhaseChanged:
    return events.PhaseChanged("general", name, 1_600, None, 1_600, actor)


@pytest.mark.parametrize(
    ("then", "forgiven"),
    [
        ([phase("settling")], True),
        ([phase("settling", "boss")], True),
        ([phase("settling", "boss"), ENDED], False),
        ([phase("settling"), phase("settling", "boss")], True),
        ([phase("settling"), events.WaitingLost("general", 1_600, "sold_out")], True),
        ([phase("settling"), phase("ended")], False),
    ],
)
def test_no_missed_turn_is_forgiven_in_what_was_ended_by_hand(
    replica: Replica, then: list[AnyEvent], forgiven: bool
) -> None:
    replica.apply(phase("open"))
    _admit(replica, 0)
    for event in [events.Expired("general", 1_500, [0]), *then]:
        replica.apply(event)
    path = replica.paths["general"]
    assert path.may_rejoin(0) is forgiven
    assert path.ended_by_hand is (not forgiven and path.phase == "settling")


def test_which_paths_end_with_an_entry() -> None:
    sold_out, other = events.WaitingLost("sold", 1_500, "sold_out"), events.PhaseChanged("vip", "ended", 1, None, 1, "")
    assert over_in([]) == over_in([events.Expired("general", 1_500, [0]), sold_out, phase("settling")]) == set()
    assert over_in([ENDED, sold_out, other]) == {"general", "vip"}


def test_no_missed_turn_is_forgiven_where_the_path_says_so(log: Log) -> None:
    strict = document(paths=[raw_path(keep_place_once=False)])
    log.replica.apply(events.Configured(2, strict, "k1", "control"))
    _join(log.replica, 1)
    _admit(log.replica, 0)
    log.replica.apply(events.Expired("general", 1_500, [0]))
    assert not log.replica.paths["general"].may_rejoin(0)


def test_all_who_wait_are_lost_and_the_windows_stay(replica: Replica) -> None:
    _admit(replica, 0)
    replica.apply(events.WaitingLost("general", 1_200, "ended"))
    assert _states(replica) == ["admitted", "lost", "lost", "lost"]
    assert replica.paths["general"].roster.waiting == 0
    assert replica.window_of(consumer(100)) is not None


def test_the_measured_rate_is_of_the_last_minute_and_not_of_the_hand() -> None:
    path = PathReplica(DOCUMENT.paths[0])
    path.count_recent(1_000, 3)
    path.count_recent(31_000, 2)
    assert (path.admissions_since(0), path.admissions_since(31_000), path.admissions_since(31_001)) == (5, 2, 0)
    path.count_recent(1_000 + RATE_SPAN_MS, 1)
    assert path.admissions_since(0) == 6
    path.count_recent(1_001 + RATE_SPAN_MS, 1)
    assert path.admissions_since(0) == 4


def test_admissions_by_hand_do_not_count_as_rate(replica: Replica) -> None:
    _admit(replica, 0, by_hand=True)
    _admit(replica, 1)
    assert replica.paths["general"].admissions_since(0) == 1
    assert replica.paths["general"].admitted == 2


def test_phases_pauses_stock_and_words_are_as_last_told(replica: Replica) -> None:
    notice = events.NoticePosted("Hello", "info", None, 5, "control")
    replica.apply(events.PhaseChanged("vip", "open", 5, 1, 9, ""))
    replica.apply(events.PauseChanged("vip", True, 5, "control"))
    replica.apply(events.SoldOutChanged("vip", True, False))
    replica.apply(events.StockChanged("42", 10, 1, 2))
    replica.apply(notice)
    vip = replica.paths["vip"]
    assert (vip.phase, vip.opens_at, vip.closes_at, vip.paused) == ("open", 1, 9, True)
    assert (vip.sold_out, vip.may_return, vip.was_sold_out) == (True, False, True)
    assert not replica.paths["general"].was_sold_out
    replica.apply(events.SoldOutChanged("vip", False, False))
    assert (vip.sold_out, vip.was_sold_out) == (False, True)
    assert replica.stock == {"42": Stock(10, 1, 2)}
    assert replica.notice is notice
    assert replica.phase is Phase.OPEN


def test_waits_are_measured_from_the_join_to_the_first_admission(replica: Replica) -> None:
    waits = replica.paths["general"].waits
    assert waits.joined_ms(3) == replica.now_ms
    replica.apply(events.Admitted("general", 5_000, 9_000, "k1", [0], consumer(100), False))
    replica.apply(events.Expired("general", 9_000, [0]))
    replica.apply(events.Returned("general", 0))
    replica.apply(events.Admitted("general", 50_000, 54_000, "k1", [0], consumer(101), False))
    assert waits.percentiles(0, (50, 100)) == [5_000 - waits.joined_ms(0)] * 2


@pytest.mark.parametrize(
    "event",
    [
        events.Attached(consumer(1), []),
        events.Refused(bytes(8), 1, 0, "full", {}),
        events.Answered(bytes(8), 1, 0, {}),
        events.WriterChanged(1, WRITER, START_ID, GENESIS_CHAIN),
    ],
)
def test_what_concerns_one_alone_changes_nothing(replica: Replica, event: AnyEvent) -> None:
    before = _states(replica), replica.revision
    replica.apply(event)
    assert (_states(replica), replica.revision) == before


def test_a_new_document_keeps_the_tickets_of_the_paths_that_stay(replica: Replica) -> None:
    _admit(replica, 0)
    changed = document(paths=[raw_path(priority=5), raw_path("late", opens_at=7)])
    replica.apply(events.Configured(2, changed, "k2", "control"))
    assert (list(replica.paths), replica.revision, replica.kid) == (["general", "late"], 2, "k2")
    assert replica.paths["general"].tickets == 4
    assert replica.paths["general"].settings.priority == 5
    assert replica.paths["late"].opens_at == 7
    dropped = document(paths=[raw_path("late")])
    replica.apply(events.Configured(3, dropped, "k2", "control"))
    assert replica.window_of(consumer(100)) is None


def test_a_release_rate_changes_the_document_and_the_path(replica: Replica) -> None:
    replica.apply(events.ReleaseRateChanged("vip", 60, 5, None, 2, "control"))
    assert replica.revision == 2
    settings = replica.paths["vip"].settings
    assert (settings.distribution.release_rate_per_minute, settings.distribution.max_active) == (60, 5)
    assert replica.document is not None and replica.document.path("vip") is settings
    assert replica.paths["general"].settings.distribution.release_rate_per_minute == 600
    replica.apply(events.ReleaseRateChanged("", None, None, 7, 3, "control"))
    assert (replica.document.release_rate_per_minute, replica.document.max_admissions) == (None, 7)


def test_another_total_of_a_variant_stands_in_the_document(replica: Replica) -> None:
    replica.apply(events.StockChanged("42", 12, 1, 2))
    assert replica.document is not None
    assert replica.document.products[0].variants[0].stock == 12
    before = replica.document
    replica.apply(events.StockChanged("42", 12, 2, 2))
    assert replica.document is before


def test_stock_told_before_any_document_is_kept() -> None:
    replica = Replica("drop")
    replica.apply(events.StockChanged("42", 12, 1, 2))
    assert (replica.document, replica.stock) == (None, {"42": Stock(12, 1, 2)})
