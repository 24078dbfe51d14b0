"""HMAC under a key that is used again and again: the standard library's is the reference."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from engine.core.keyed import Keyed


@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=4))
def test_it_is_what_the_standard_library_says(key: bytes, messages: list[bytes]) -> None:
    keyed = Keyed(key)
    assert [keyed.digest(message) for message in messages] == [
        hmac.digest(key, message, "sha256") for message in messages
    ]
