"""Who somebody is, by what the request says."""

from __future__ import annotations

import pytest

from gateway.identity import Caller, origin_refusal
from protocol.refusals import Reason


@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        (b"http://room.example", True),
        (b"https://shop.example", True),
        (b"https://evil.example", False),
        (b"null", False),
        (b"http://[", False),
        (b"http://\xe2\x84\x80.example", False),
    ],
)
def test_an_origin_is_ours_or_allowed_or_refused(origin: bytes, fine: bool) -> None:
    caller = Caller({"headers": [(b"host", b"room.example"), (b"origin", origin)]})
    refusal = origin_refusal(caller, ["https://shop.example"])
    assert refusal is None if fine else refusal is not None and refusal.reason == Reason.BAD_ORIGIN
