"""Refusals: one table, complete, and consistent with the status it names."""

from __future__ import annotations

import pytest

from protocol.refusals import MEANINGS, Reason, Refusal


def test_every_reason_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_meaning_is_a_client_or_capacity_error_and_a_whole_sentence(reason: Reason) -> None:
    refusal = Refusal(reason)
    assert refusal.status in {400, 401, 403, 404, 405, 409, 413, 422, 429, 503}
    assert refusal.sentence[0].isupper() and refusal.sentence.endswith(".")
    assert refusal.temporary or refusal.status not in {429, 503}


def test_a_refusal_carries_what_helps() -> None:
    refusal = Refusal(Reason.NOT_OPEN, {"opens_at": 1})
    assert refusal.temporary and refusal.detail == {"opens_at": 1}
    assert Refusal(Reason.CLOSED).detail == {}
