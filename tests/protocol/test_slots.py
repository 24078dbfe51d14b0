"""Slots from opening windows, on the four nights when clocks are changed: tables worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from protocol.distributions import Appointment, OpeningWindow
from protocol.documents import DocumentError, Experience, parse
from protocol.slots import SLOTS_MAX, arranged, as_put, slot_of, slots_of, start_of, starts_of
from tests.support.samples import raw_document, raw_path


@pytest.fixture(autouse=True)
def appointments_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is what a document says, whichever kinds the engine runs."""
    monkeypatch.setattr("protocol.documents.RUNNING", frozenset({"queue", "appointment"}))


def _terms(date: str, begins: str, ends: str, minutes: int, buffer: int = 0) -> Appointment:
    return Appointment(windows=[OpeningWindow(date, begins, ends)], duration_minutes=minutes, buffer_minutes=buffer)


def _shown(starts: list[int]) -> list[str]:
    """Day and time of each, in UTC."""
    return [datetime.fromtimestamp(start / 1_000, UTC).strftime("%dT%H:%M") for start in starts]


def _half_hours(day: int, first: int, last: int) -> list[str]:
    """Every half hour from the hour ``first`` until ``last``."""
    return [f"{day:02}T{hour:02}:{minute}" for hour in range(first, last) for minute in ("00", "30")]


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
HALF_HOURS = [
    # An ordinary day: 10:00 in Berlin is 08:00 UTC in summer, 09:00 in winter.
    (BERLIN, "2026-07-01", "10:00", "11:30", ["01T08:00", "01T08:30", "01T09:00"]),
    (BERLIN, "2026-12-01", "10:00", "11:00", ["01T09:00", "01T09:30"]),
    # Berlin, 29 March: after 01:59:59 comes 03:00:00, at 01:00 UTC. 02:00 to 03:00 does not exist.
    (BERLIN, "2026-03-29", "01:00", "04:00", ["29T00:00", "29T00:30", "29T01:00", "29T01:30"]),
    (BERLIN, "2026-03-29", "02:00", "03:00", []),
    (BERLIN, "2026-03-29", "02:30", "03:30", ["29T01:00"]),
    (BERLIN, "2026-03-29", "01:30", "02:30", ["29T00:30"]),
    # Berlin, 25 October: after 02:59:59 comes 02:00:00, at 01:00 UTC. 02:00 to 03:00 comes twice.
    (
        *(BERLIN, "2026-10-25", "01:30", "03:30"),
        ["24T23:30", "25T00:00", "25T00:30", "25T01:00", "25T01:30", "25T02:00"],
    ),
    (BERLIN, "2026-10-25", "02:00", "03:00", ["25T00:00", "25T00:30", "25T01:00", "25T01:30"]),
    (BERLIN, "2026-10-25", "02:00", "02:30", ["25T00:00", "25T01:00"]),
    (BERLIN, "2026-10-25", "02:30", "03:00", ["25T00:30", "25T01:30"]),
    # New York, 8 March: after 01:59:59 comes 03:00:00, at 07:00 UTC. 02:00 to 03:00 does not exist.
    (NEW_YORK, "2026-03-08", "01:00", "04:00", ["08T06:00", "08T06:30", "08T07:00", "08T07:30"]),
    (NEW_YORK, "2026-03-08", "02:00", "03:00", []),
    (NEW_YORK, "2026-03-08", "00:00", "24:00", _half_hours(8, 5, 24) + _half_hours(9, 0, 4)),
    # New York, 1 November: after 01:59:59 comes 01:00:00, at 06:00 UTC. 01:00 to 02:00 comes twice.
    (
        *(NEW_YORK, "2026-11-01", "00:30", "02:30"),
        ["01T04:30", "01T05:00", "01T05:30", "01T06:00", "01T06:30", "01T07:00"],
    ),
    (NEW_YORK, "2026-11-01", "01:00", "01:30", ["01T05:00", "01T06:00"]),
    # A zone that never changes, and one a day ahead of UTC at noon: Kiritimati, UTC+14.
    ("UTC", "2026-10-25", "02:00", "03:00", ["25T02:00", "25T02:30"]),
    ("Pacific/Kiritimati", "2026-10-25", "13:30", "14:30", ["24T23:30", "25T00:00"]),
]


@pytest.mark.parametrize(("zone", "date", "begins", "ends", "expected"), HALF_HOURS)
def test_half_hours(zone: str, date: str, begins: str, ends: str, expected: list[str]) -> None:
    assert _shown(starts_of(_terms(date, begins, ends, 30), zone)) == expected


@pytest.mark.parametrize(
    ("zone", "date", "begins", "ends", "minutes", "buffer", "expected"),
    [
        # A slot is elapsed time: this one ends at 03:30 on the wall, an hour after it began at 01:30.
        (BERLIN, "2026-03-29", "01:30", "03:30", 60, 0, ["29T00:30"]),
        # 90 minutes begin at 02:00 and end at 02:30 on the wall.
        (BERLIN, "2026-10-25", "02:00", "03:30", 90, 0, ["25T00:00"]),
        # The two pieces of 01:30 to 02:30: one hour, then half an hour, which is too short.
        (BERLIN, "2026-10-25", "01:30", "02:30", 60, 0, ["24T23:30"]),
        # The buffer is elapsed time too, and no slot needs one behind it.
        (BERLIN, "2026-10-25", "02:00", "03:00", 30, 15, ["25T00:00", "25T00:45", "25T01:30"]),
        (NEW_YORK, "2026-11-01", "00:00", "02:00", 45, 15, ["01T04:00", "01T05:00", "01T06:00"]),
        ("UTC", "2026-10-25", "10:00", "10:59", 60, 0, []),
        ("UTC", "2026-10-25", "23:00", "24:00", 60, 0, ["25T23:00"]),
    ],
)
def test_longer_ones_and_buffers(
    zone: str, date: str, begins: str, ends: str, minutes: int, buffer: int, expected: list[str]
) -> None:
    assert _shown(starts_of(_terms(date, begins, ends, minutes, buffer), zone)) == expected


def _raw(*windows: tuple[str, str, str], **terms: Any) -> dict[str, Any]:
    told = [{"date": date, "from": begins, "to": ends} for date, begins, ends in windows]
    path = {"id": "fitting", "distribution": {"kind": "appointment", "windows": told} | terms}
    return raw_document(paths=[raw_path(), path], time_zone=BERLIN)


def _parsed(raw: dict[str, Any]) -> tuple[Experience, Appointment]:
    document = parse(raw, "drop")
    terms = document.paths[1].distribution
    assert isinstance(terms, Appointment)
    return document, terms


def test_a_document_that_is_taken_in_has_its_slots_in_order_and_shows_what_was_written() -> None:
    raw = _raw(("2026-07-02", "10:00", "10:30"), ("2026-07-01", "10:00", "11:00"))
    document, terms = _parsed(raw)
    assert list(slots_of(terms)) == ["20260701T080000Z", "20260701T083000Z", "20260702T080000Z"]
    assert [slot_of(start) for start in slots_of(terms).values()] == list(slots_of(terms))
    assert [start_of(slot) for slot in slots_of(terms)] == list(slots_of(terms).values())
    _, elsewhere = _parsed(_raw(("2026-07-01", "10:00", "10:30"), time_zone=NEW_YORK))
    assert list(slots_of(elsewhere)) == ["20260701T140000Z"]
    shown = as_put(document)
    assert [one for one in shown.paths if getattr(one.distribution, "starts", UNSET) is not UNSET] == []
    assert arranged(shown) == document
    assert slots_of(_terms("2026-07-01", "10:00", "11:00", 30)) == {}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (_raw(("2026-07-01", "10:00", "12:00"), ("2026-07-01", "11:00", "13:00")), "windows[1].from"),
        (_raw(("2026-07-01", "11:00", "13:00"), ("2026-07-01", "10:00", "12:00")), "windows[0].from"),
        (_raw(("1970-01-01", "10:00", "12:00")), "windows[0].date"),
        (_raw(("9999-01-01", "10:00", "12:00")), "windows[0].date"),
        (_raw(("2026-07-01", "10:00", "12:00"), starts=[0]), "starts"),
        (_raw(("2026-03-29", "02:00", "03:00")), "windows"),
        (_raw(*((f"2026-07-0{day}", "00:00", "24:00") for day in range(1, 9)), duration_minutes=1), "windows"),
    ],
)
def test_what_a_document_cannot_ask_for(raw: dict[str, Any], path: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(raw, "drop")
    assert [problem.path for problem in caught.value.problems] == [f"paths[1].distribution.{path}"]


def test_windows_that_take_turns_in_an_hour_that_comes_twice_are_in_order_of_time() -> None:
    """02:00 to 02:30 comes at 00:00 and at 01:00 UTC, 02:30 to 03:00 half an hour behind each."""
    _, terms = _parsed(_raw(("2026-10-25", "02:00", "02:30"), ("2026-10-25", "02:30", "03:00")))
    assert _shown(list(slots_of(terms).values())) == ["25T00:00", "25T00:30", "25T01:00", "25T01:30"]


def test_windows_may_touch_and_lie_on_the_same_day() -> None:
    _, terms = _parsed(_raw(("2026-07-01", "12:00", "12:30"), ("2026-07-01", "10:00", "12:00")))
    assert len(slots_of(terms)) == 5
    assert SLOTS_MAX >= 5
