"""What a reader keeps of a draw, and that its proof is one: from events as an engine writes them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocol import bls
from protocol.distributions import Beacon
from protocol.kinds.draw import DrawReplica
from protocol.lottery import roster_root
from protocol.proof import Verdict, check, encode
from protocol.replica import Replica
from protocol.replica_codec import decode_replica, encode_replica
from tests.support.beacons import REAL
from tests.support.draws import DRAW_PATH, drawn_log


def replica_of(*, beacon: str | None = None, drawn: bool = True) -> Replica:
    replica = Replica("drop")
    for entry in drawn_log(beacon=beacon, drawn=drawn).entries:
        for event in replica.follow(*entry).events:
            replica.apply(event)
    return replica


def kind_of(replica: Replica) -> DrawReplica:
    kind = replica.paths[DRAW_PATH].kind
    assert isinstance(kind, DrawReplica)
    return kind


@pytest.mark.parametrize("beacon", [None, "quicknet", "default"])
def test_the_proof_of_a_drawn_path_is_ok(beacon: str | None) -> None:
    proof = kind_of(replica_of(beacon=beacon)).proof("drop")
    assert proof is not None
    assert proof.beacon == (None if beacon is None else REAL[beacon])
    assert check(encode(proof), bls.unproven) == (Verdict.OK, [], None)


def test_whoever_left_before_the_close_has_no_hats_and_after_it_is_passed_over() -> None:
    kind = kind_of(replica_of())
    assert kind.hats == bytes([1, 0, 1, 1, 1, 1])
    assert [skip.reason for skip in kind.skipped] == ["refused"]
    assert kind.skipped[0].ticket not in kind.winners


def test_there_is_no_proof_before_the_draw() -> None:
    kind = kind_of(replica_of(drawn=False))
    assert kind.proof("drop") is None and kind.root == roster_root(kind.hats)


def test_one_of_which_nothing_is_known_is_stored_too() -> None:
    replica = Replica("drop")
    for entry in drawn_log().entries[:2]:
        for event in replica.follow(*entry).events:
            replica.apply(event)
    assert kind_of(decode_replica(encode_replica(replica))).image() == kind_of(replica).image() == [None, None, False]


@pytest.mark.parametrize("beacon", [None, "default"])
def test_it_is_stored_and_read_again(beacon: str | None) -> None:
    before = replica_of(beacon=beacon)
    after = decode_replica(encode_replica(before))
    assert kind_of(after).proof("drop") == kind_of(before).proof("drop")
    assert kind_of(after).image() == kind_of(before).image()


def test_a_beacon_of_an_unknown_chain_has_no_key_and_stays_unproven() -> None:
    replica = replica_of(beacon="quicknet")
    path = replica.paths[DRAW_PATH]
    settings = replace(path.settings.distribution, beacon=Beacon("drand:" + "ab" * 32, 6))
    path.settings = replace(path.settings, distribution=settings)
    proof = kind_of(replica).proof("drop")
    assert proof is not None and proof.beacon is not None and proof.beacon.public_key == ""
    assert check(encode(proof), bls.unproven).verdict is Verdict.UNPROVEN
