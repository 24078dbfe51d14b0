"""What a reader keeps of claims, of what is gone and of what was announced."""

from __future__ import annotations

import pytest

from protocol.events import Admitted, AnyEvent, Expired, Returned
from protocol.kind_events import Announced, Claimed, Offered, UnitsGone
from protocol.kinds import REPLICAS
from protocol.kinds.base import KindReplica
from protocol.kinds.waitlist import WaitlistReplica
from protocol.replica import Replica
from protocol.replica_codec import decode_replica, encode_replica
from tests.support.log import START_MS, Log
from tests.support.samples import raw_path

DROP = {"id": "drop", "distribution": {"kind": "timed_release"}}
LIST = {"id": "list", "attached_to": "drop", "distribution": {"kind": "waitlist", "strategy": "all"}}
OFFERED = Offered("list", START_MS, START_MS + 9, [0, 1], bytes(32), "expired", False, ["", ""], [None, None])


def replica_of(*events: AnyEvent) -> Replica:
    """Three people are at the release and three on its waitlist; then this happened. Read again from its bytes."""
    log = Log()
    log.configure(paths=[DROP, LIST, raw_path()])
    log.join(0, 0, 1, 2, path="drop")
    log.join(0, 3, 4, 5, path="list")
    log.append(*events)
    replica = Replica("drop")
    for entry in log.entries:
        for event in replica.follow(*entry).events:
            replica.apply(event)
    return decode_replica(encode_replica(replica))


def waitlist(replica: Replica) -> WaitlistReplica:
    kind = replica.paths["list"].kind
    assert isinstance(kind, WaitlistReplica)
    return kind


def claimed_at(replica: Replica, path: str) -> list[int]:
    return [ticket for ticket in range(3) if replica.paths[path].kind.is_claimed(ticket)]


def test_a_claim_stands_until_its_turn() -> None:
    claims = [Claimed("drop", START_MS, 2), Claimed("drop", START_MS, 0)]
    assert claimed_at(replica_of(), "drop") == []
    assert claimed_at(replica_of(*claims), "drop") == [0, 2]
    admitted = Admitted("drop", START_MS, START_MS + 9, "k1", [2], bytes(16), False)
    assert claimed_at(replica_of(*claims, admitted), "drop") == [0]
    expired = Expired("drop", START_MS + 9, [2])
    assert claimed_at(replica_of(*claims, admitted, expired), "drop") == [0]


def test_every_kind_says_what_is_stored_of_it() -> None:
    kind = KindReplica(replica_of().paths["list"])
    kind.fill(None)
    with pytest.raises(NotImplementedError):
        kind.image()
    assert all(replica.image is not KindReplica.image for replica in REPLICAS.values())


def test_who_takes_a_missed_turn_back_is_in_line() -> None:
    admitted = Admitted("drop", START_MS, START_MS + 9, "k1", [1], bytes(16), True)
    assert claimed_at(replica_of(admitted, Expired("drop", START_MS + 9, [1]), Returned("drop", 1)), "drop") == [1]


def test_a_claimed_offer_is_in_line() -> None:
    assert claimed_at(replica_of(OFFERED, Claimed("list", START_MS, 1)), "list") == [1]


def test_what_is_gone_may_come_back() -> None:
    gone, back = UnitsGone("list", START_MS, True), UnitsGone("list", START_MS, False)
    assert not waitlist(replica_of()).gone
    assert waitlist(replica_of(OFFERED, gone)).gone
    assert not waitlist(replica_of(OFFERED, gone, back)).gone


def test_an_opening_is_announced_to_those_who_wait_by_then() -> None:
    assert waitlist(replica_of()).announced == 0
    assert waitlist(replica_of(Announced("list", START_MS, "drop"))).announced == 3
