"""A booking as a calendar file: iCalendar, RFC 5545. Pure: who asks gives the time.

Lines end in CRLF and are folded at 75 octets without cutting a character in two (§3.1); text is escaped (§3.3.11);
every time is UTC, "form #2" (§3.3.5), so the file needs no time zone.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from protocol.slots import slot_of

MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_LINE_OCTETS: Final = 75
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})


class Event(Struct, frozen=True):
    """What stands in the calendar. ``uid`` names the booking for ever: a file with the same one and a higher
    ``sequence`` replaces the event (§3.8.7.4). ``starts_at``, ``ends_at``: epoch ms; ``location`` "" = none."""

    uid: str
    sequence: int
    starts_at: int
    ends_at: int
    summary: str
    location: str
    description: str
    url: str


def calendar_file(event: Event, now_ms: int) -> bytes:
    """The file of one event, as of ``now_ms``."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Stanchion//Stanchion//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{_text(event.uid)}",
        f"SEQUENCE:{event.sequence}",
        f"DTSTAMP:{slot_of(now_ms)}",
        f"DTSTART:{slot_of(event.starts_at)}",
        f"DTEND:{slot_of(event.ends_at)}",
        f"SUMMARY:{_text(event.summary)}",
        *([f"LOCATION:{_text(event.location)}"] if event.location else []),
        f"DESCRIPTION:{_text(event.description)}",
        f"URL:{event.url}",
        "STATUS:CONFIRMED",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def _text(value: str) -> str:
    return value.translate(_ESCAPES)


def _folded(line: str) -> bytes:
    """The line with its end, cut into lines of at most 75 octets; each but the first begins with a space."""
    rest, folded, room = line.encode(), b"", _LINE_OCTETS
    while len(rest) > room:
        cut = room
        while rest[cut] & 0xC0 == 0x80:
            cut -= 1
        folded += rest[:cut] + b"\r\n "
        rest, room = rest[cut:], _LINE_OCTETS - 1
    return folded + rest + b"\r\n"
