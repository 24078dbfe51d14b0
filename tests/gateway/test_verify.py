"""How far the replica vouches for an admission: open, closed, too young to be known, or unknown."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request

from gateway.edge.parked.lot import Lot
from gateway.metrics import Metrics
from gateway.pass_keys import PassKeys, claims_of
from gateway.proofs import Proofs
from gateway.rooms import Room
from gateway.sockets import Sockets
from gateway.verify_api import UNKNOWN_AGE_S_MAX, open_until, pass_of
from protocol.events import Admitted, Configured, Joined, Left, WindowMoved
from protocol.passes import PassClaims, PassError
from tests.gateway.test_edges import Deaf
from tests.support.samples import consumer, document

ADMITTED_AT = 1_700_000_000_000
EXPIRES_AT = ADMITTED_AT + 600_000


@pytest.fixture
def room() -> Room:
    keys = PassKeys({"k1": Ed25519PrivateKey.generate()})
    made = Room("drop", Sockets(Lot(Deaf(), 10)), Proofs(keys, bytes(32), "http://room"), Metrics(), lambda: None)
    made.replica.apply(Configured(1, document(), "k1", "control"))
    made.replica.apply(Joined("general", 0, consumer(1), b"\x01"))
    made.replica.apply(Admitted("general", ADMITTED_AT, EXPIRES_AT, "k1", [0], b"a" * 16, False))
    return made


def claims(admission: bytes = b"a" * 16, admitted_at: int = ADMITTED_AT) -> PassClaims:
    return claims_of(
        "http://room",
        "drop",
        "general",
        consumer=consumer(1),
        admission=admission,
        admitted_at=admitted_at,
        expires_at=EXPIRES_AT,
    )


def test_an_open_window_tells_its_end(room: Room) -> None:
    assert open_until(room, claims(), ADMITTED_AT) == EXPIRES_AT
    room.replica.apply(WindowMoved("general", 0, EXPIRES_AT + 5_000))
    assert open_until(room, claims(), ADMITTED_AT) == EXPIRES_AT + 5_000


def test_a_pass_of_an_admission_that_a_failover_lost_opens_nobody_elses_window(room: Room) -> None:
    """The turn of the same ticket is named alike, whoever has that ticket now."""
    with pytest.raises(PassError, match="unknown_admission"):
        open_until(room, claims(admitted_at=ADMITTED_AT - 1_000), ADMITTED_AT)


def test_a_window_that_was_given_up_is_closed(room: Room) -> None:
    room.replica.apply(Left("general", ADMITTED_AT + 1, 0, "declined"))
    with pytest.raises(PassError, match="closed"):
        open_until(room, claims(), ADMITTED_AT + 2)


def test_an_unknown_admission_passes_only_while_it_is_young(room: Room) -> None:
    young = ADMITTED_AT + UNKNOWN_AGE_S_MAX * 1_000 - 1
    assert open_until(room, claims(b"b" * 16), young) is None
    with pytest.raises(PassError, match="unknown_admission"):
        open_until(room, claims(b"b" * 16), young + 1)


def test_without_a_room_nothing_is_known() -> None:
    assert open_until(None, claims(), ADMITTED_AT + 86_400_000) is None


def request(query: bytes = b"", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query, "headers": raw})


def test_the_pass_is_looked_for_in_order() -> None:
    query = b"stanchion_pass=query"
    assert pass_of(request(query)) == "query"
    assert pass_of(request(query, cookie="stanchion_pass=cookie")) == "cookie"
    assert pass_of(request(query, cookie="stanchion_pass=cookie", stanchion_pass="header")) == "header"
    assert pass_of(request(query, stanchion_pass="header", authorization="Bearer bearer")) == "bearer"
    assert pass_of(request(query, authorization="Basic abc")) == "query"
    with pytest.raises(PassError, match="missing"):
        pass_of(request(authorization="Bearer "))
