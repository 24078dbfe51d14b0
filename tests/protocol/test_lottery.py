"""The lottery's rule, to the byte: against itself written down naively, in any slices, and with equal keys."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import lottery
from protocol.lottery import Drawing, commitment, draw, key_of, order_digest, roster_root, seed_of, winners_of

SEED = bytes(range(32))
hats_of_some = st.binary(max_size=40).map(lambda chosen: bytes(byte % 6 for byte in chosen))


def by_the_text(seed: bytes, hats: bytes) -> list[int]:
    """The order as the rule's text says it."""
    keys = {
        ticket: min(sha256(seed + ticket.to_bytes(8, "big") + bytes([lot])).digest() for lot in range(count))
        for ticket, count in enumerate(hats)
        if count
    }
    return sorted(keys, key=lambda ticket: (keys[ticket], ticket))


@given(seed=st.binary(min_size=32, max_size=32), hats=hats_of_some)
def test_the_order_is_the_text_s(seed: bytes, hats: bytes) -> None:
    assert list(draw(seed, hats)) == by_the_text(seed, hats)


@given(hats=hats_of_some, lots=st.integers(1, 50))
def test_the_slices_make_no_difference(hats: bytes, lots: int) -> None:
    drawing = Drawing(SEED, hats)
    while not drawing.advance(lots):
        assert drawing.order is None
    assert drawing.order == draw(SEED, hats)
    assert drawing.hashed == len(hats)
    assert drawing.advance(lots)


@given(hats=hats_of_some, lots=st.integers(1, 50), stop=st.integers(0, 30))
def test_a_drawing_goes_on_from_its_snapshot_in_as_many_slices(hats: bytes, lots: int, stop: int) -> None:
    drawing, done = Drawing(SEED, hats), False
    for _ in range(stop):
        done = done or drawing.advance(lots)
    again = Drawing(SEED, hats, bytes(drawing.heads), drawing.passes)
    if done:
        assert again.advance(lots)
    while not done:
        done = drawing.advance(lots)
        assert again.advance(lots) is done
    assert again.order == drawing.order


def test_all_hats_of_a_byte() -> None:
    hats = bytes([255, 64, 1])
    assert list(draw(SEED, hats)) == by_the_text(SEED, hats)


def test_numbers_that_were_worked_out_once() -> None:
    secret = bytes(32)
    root = roster_root(b"\x01\x02\x00\x01")
    assert commitment(secret).hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
    assert root == sha256(b"\0\0\0\0\0\0\0\x04\x01\x02\x00\x01").digest()
    assert seed_of(secret, b"", root) == sha256(secret + root).digest()
    assert seed_of(secret, b"b" * 32, root) == sha256(secret + b"b" * 32 + root).digest()
    assert order_digest(draw(SEED, b"\x01")) == sha256(bytes(8)).digest()
    assert key_of(SEED, 258, 1) == sha256(SEED + b"\0\0\0\0\0\0\x01\x02\0").digest()


def test_heads_that_agree_are_settled_by_the_whole_key_and_then_by_ticket() -> None:
    heads = b"".join(number.to_bytes(8, "big") for number in (7, 3, 7, 3, 7, 1))
    tickets = np.array([5, 1, 3, 0, 2, 4], dtype=np.uintc)
    keys = {1: b"b", 3: b"a", 0: b"z", 2: b"y", 4: b"z"}
    assert list(lottery._settled(tickets, heads, keys.__getitem__)) == [5, 3, 1, 2, 0, 4]


@given(heads=st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_heads_are_sorted_as_big_endian_numbers(heads: list[int]) -> None:
    drawing = Drawing(SEED, bytes([1]) * len(heads), b"".join(head.to_bytes(8, "big") for head in heads))
    for _ in range(4):
        drawing.advance(1)
    assert list(drawing._sorted) == sorted(range(len(heads)), key=lambda ticket: (heads[ticket], ticket))


@pytest.mark.parametrize(("skipped", "count", "winners"), [([], 2, 2), ([0], 2, 2), ([0, 1, 2, 3], 9, 1), ([], 0, 0)])
def test_winners_are_the_first_that_are_not_skipped(skipped: list[int], count: int, winners: int) -> None:
    order = draw(SEED, bytes([1]) * 5)
    expected = [ticket for ticket in order if ticket not in skipped][:winners]
    assert winners_of(order, skipped, count) == expected
