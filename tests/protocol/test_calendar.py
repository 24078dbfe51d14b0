"""The calendar file: what RFC 5545 asks of its lines, and what stands in them."""

from __future__ import annotations

import pytest

from protocol.calendar import Event, calendar_file

URL = "https://room.example/r/drop"
EVENT = Event("one@drop", 2, 1_792_915_200_000, 1_792_917_000_000, "Fitting", "Berlin Mitte", "K7Q2", URL)


def _unfolded(file: bytes) -> list[str]:
    """The content lines, put together again (§3.1)."""
    assert file.endswith(b"\r\n")
    return file.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


def test_the_file_of_an_appointment() -> None:
    assert _unfolded(calendar_file(EVENT, 1_792_828_800_999)) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Stanchion//Stanchion//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        "UID:one@drop",
        "SEQUENCE:2",
        "DTSTAMP:20261024T080000Z",
        "DTSTART:20261025T080000Z",
        "DTEND:20261025T083000Z",
        "SUMMARY:Fitting",
        "LOCATION:Berlin Mitte",
        "DESCRIPTION:K7Q2",
        f"URL:{URL}",
        "STATUS:CONFIRMED",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def _with_summary(summary: str) -> bytes:
    return calendar_file(Event("one", 0, 0, 1, summary, "", "", URL), 0)


def test_an_appointment_that_is_nowhere_has_no_location() -> None:
    assert b"LOCATION" not in _with_summary("Call")


@pytest.mark.parametrize("length", [0, 1, 66, 67, 68, 140, 141, 142, 500])
@pytest.mark.parametrize("letter", ["a", "ü", "€", "\U0001f45f"])
def test_no_line_is_longer_than_75_octets_and_no_character_is_cut(length: int, letter: str) -> None:
    for text in (letter * length, "x" + letter * length):
        file = _with_summary(text)
        lines = file.split(b"\r\n")
        assert max(map(len, lines)) <= 75
        assert all(line.decode().strip() or not line for line in lines)
        assert f"SUMMARY:{text}" in _unfolded(file)


def test_a_line_of_75_octets_is_not_folded_and_one_of_76_is() -> None:
    fits, folds = _with_summary("x" * 67), _with_summary("x" * 68)
    assert b"SUMMARY:" + b"x" * 67 + b"\r\n" in fits
    assert b"SUMMARY:" + b"x" * 67 + b"\r\n x\r\n" in folds


def test_text_is_escaped_and_can_begin_no_line_of_its_own() -> None:
    file = _with_summary("a\\b; c, d\r\nATTENDEE:mallory")
    assert "SUMMARY:a\\\\b\\; c\\, d\\nATTENDEE:mallory" in _unfolded(file)
