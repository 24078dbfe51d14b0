"""Which readers hold the trimming up."""

from __future__ import annotations

import pytest

from engine.trimming import Readers, look_at


@pytest.mark.parametrize(
    ("readers", "found"),
    [
        ({}, Readers(None, [])),
        ({b"worker": b"2-90", b"archive": b"1-40"}, Readers("1-40", [])),
        ({b"worker": b"2-90", b"archive": b"1-39"}, Readers("2-90", ["archive"])),
        ({b"worker": b"10-100", b"archive": b"9-99"}, Readers("9-99", [])),
        ({b"worker": b"", b"archive": b"\xff", b"\xfe": b"1-2-3"}, Readers(None, ["archive", "worker", "�"])),
        ({b"ahead": b"7-1000"}, Readers("7-1000", [])),
    ],
)
def test_the_least_of_those_in_time_counts_and_the_others_are_struck_out(
    readers: dict[bytes, bytes], found: Readers
) -> None:
    assert look_at(readers, last_seq=100, behind_entries_max=60) == found
