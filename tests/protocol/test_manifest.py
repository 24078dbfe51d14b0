"""Manifests: whatever is changed in what was stored, on the way or by time, is found and named."""

from __future__ import annotations

import hashlib
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import manifest as m
from protocol.manifest import CHUNK_BYTES, Manifest, ManifestError

DATA = random.Random(1).randbytes(2 * CHUNK_BYTES + 5)
PART = m.part_of(DATA)


def made(entry_id: str = "3-7", **fields: object) -> Manifest:
    whole = Manifest(m.VERSION, 1, entry_id, bytes(32), "5-0", PART, m.part_of(b""))
    return msgspec.structs.replace(whole, **fields)


def test_what_is_cut_is_put_together_again() -> None:
    chunks = list(m.chunks_of(DATA))
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 5]
    assert PART.chunks == 3
    assert m.whole(PART, chunks) == DATA
    assert m.whole(m.part_of(b""), []) == b""


@given(st.integers(0, len(DATA) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_found(place: int, bit: int) -> None:
    flipped = bytearray(DATA)
    flipped[place] ^= 1 << bit
    with pytest.raises(ManifestError, match="digest differs"):
        m.whole(PART, m.chunks_of(bytes(flipped)))


def test_a_chunk_that_is_gone_or_cut_is_found() -> None:
    chunks = list(m.chunks_of(DATA))
    with pytest.raises(ManifestError, match="chunk 1 of 3 is gone"):
        m.whole(PART, [chunks[0], None, chunks[2]])
    with pytest.raises(ManifestError, match="were written"):
        m.whole(PART, [*chunks[:2], chunks[2][:-1]])
    with pytest.raises(ManifestError, match="were written"):
        m.whole(PART, chunks[:2])


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert m.decode_manifest(m.encode_manifest(made())) == made()


@given(st.data())
def test_any_changed_byte_of_a_manifest_is_found(data: st.DataObject) -> None:
    sealed = bytearray(m.encode_manifest(made()))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ManifestError, match="digest differs"):
        m.decode_manifest(bytes(sealed))


def test_a_manifest_of_another_kind_or_version_is_not_believed() -> None:
    for body in (b"\xc1", msgspec.msgpack.encode({"version": b"\xff"})):
        with pytest.raises(ManifestError, match="does not decode"):
            m.decode_manifest(hashlib.sha256(body).digest() + body)
    with pytest.raises(ManifestError, match="version 99"):
        m.decode_manifest(m.encode_manifest(made(version=99)))


def test_of_many_the_newest_comes_first_and_what_is_wrong_is_said() -> None:
    fields = {one.encode(): m.encode_manifest(made(one)) for one in ("2-900", "10-1000", "3-901")}
    fields |= {
        b"11-2000": b"",
        b"4-4": m.encode_manifest(made("4-5")),
        b"5-5": b"cut",
        b"x": m.encode_manifest(made("x")),
    }
    found = m.read_manifests(fields)
    assert [one.entry_id for one in found.manifests] == ["10-1000", "3-901", "2-900"]
    assert [fault.split(":")[0] for fault in found.faults] == [
        "the manifest at 4-4",
        "the manifest at 5-5",
        "the manifest at x",
    ]
