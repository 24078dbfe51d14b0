"""Sessions and receipts: what was signed is read, and nothing else is."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import sessions
from protocol.sessions import Receipt, Session, TokenError, sign_receipt, sign_session, verify_receipt, verify_session
from tests.support.samples import consumer

KEY = bytes(range(sessions.KEY_BYTES))
OTHER_KEY = bytes(sessions.KEY_BYTES)
NOW = 1_790_000_000
SESSION = sessions.new_session(consumer(7), 1, NOW)
RECEIPT = Receipt(consumer(7), "drop", "general", 41, 3)

IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=64)


def _reason_of(token: str, *, key: bytes = KEY, now: int = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        verify_session(token, key, now)
    return caught.value.reason


def _resealed(body: bytes, purpose: bytes) -> str:
    return urlsafe_b64encode(body + sessions._mac(body, purpose, KEY)).rstrip(b"=").decode()


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2), st.integers(0, 2**31), st.integers(1, 2**30))
def test_a_session_is_read_as_it_was_signed(who: bytes, level: int, issued: int, seconds: int) -> None:
    session = Session(who, level, issued, issued + seconds)
    assert verify_session(sign_session(session, KEY), KEY, issued) == session


@given(st.binary(min_size=16, max_size=16), IDS, IDS, st.integers(0, 2**63), st.integers(1, 64))
def test_a_receipt_is_read_as_it_was_signed(who: bytes, experience: str, path: str, ticket: int, hats: int) -> None:
    receipt = Receipt(who, experience, path, ticket, hats)
    token = sign_receipt(receipt, KEY)
    assert verify_receipt(token, KEY) == receipt
    assert len(token) <= sessions.TOKEN_LENGTH_MAX


def test_a_session_lasts_thirty_days_to_the_second() -> None:
    token = sign_session(SESSION, KEY)
    assert verify_session(token, KEY, NOW + sessions.SESSION_SECONDS - 1) == SESSION
    assert _reason_of(token, now=NOW + sessions.SESSION_SECONDS) == "expired"


def test_another_key_proves_nothing() -> None:
    assert _reason_of(sign_session(SESSION, KEY), key=OTHER_KEY) == "forged"
    with pytest.raises(TokenError, match="the token is forged"):
        verify_receipt(sign_receipt(RECEIPT, KEY), OTHER_KEY)


def test_a_receipt_is_no_session_and_the_other_way_round() -> None:
    assert _reason_of(sign_receipt(RECEIPT, KEY)) == "forged"
    with pytest.raises(TokenError, match="forged"):
        verify_receipt(sign_session(SESSION, KEY), KEY)


@pytest.mark.parametrize(
    ("token", "verify"),
    [
        (sign_session(SESSION, KEY), lambda token: verify_session(token, KEY, NOW)),
        (sign_receipt(RECEIPT, KEY), lambda token: verify_receipt(token, KEY)),
    ],
    ids=["session", "receipt"],
)
def test_a_token_with_any_changed_character_is_refused(token: str, verify: Callable[[str], object]) -> None:
    for index, character in enumerate(token):
        for other in "ABgw_9-=!\u00e9 ":
            changed = token[:index] + other + token[index + 1 :]
            if other != character:
                with pytest.raises(TokenError):
                    verify(changed)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "forged"),
        ("A", "malformed"),
        ("AAAA", "forged"),
        ("AA==", "malformed"),
        ("A A A A", "malformed"),
        ("\u00e9", "malformed"),
        ("A" * (sessions.TOKEN_LENGTH_MAX + 1), "malformed"),
    ],
)
def test_what_was_never_a_token_is_refused(token: str, reason: str) -> None:
    assert _reason_of(token) == reason


def test_signed_content_of_another_length_or_version_is_malformed() -> None:
    body = urlsafe_b64decode(sign_session(SESSION, KEY))[:-16]
    assert _reason_of(_resealed(body + b"\x00", b"s")) == "malformed"
    assert _reason_of(_resealed(b"\x02" + body[1:], b"s")) == "malformed"
    for body in (bytes(5), b"\x02" + bytes(40)):
        with pytest.raises(TokenError, match="malformed"):
            verify_receipt(_resealed(body, b"r"), KEY)
