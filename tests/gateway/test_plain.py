"""The words of the page without JavaScript, from what a poll tells."""

from __future__ import annotations

import pytest

from gateway.plain import view_of
from protocol.frames import AdmittedFrame, PhaseFrame, PositionFrame, ServerFrame, TicketFrame

NOW = 1_800_000_000_000
OPEN = PhaseFrame("general", "open", None, NOW)


def position(eta: tuple[int, int] | None) -> PositionFrame:
    return PositionFrame("general", 7, 20, eta, 60, NOW)


@pytest.mark.parametrize(
    ("frames", "headline", "part"),
    [
        ([OPEN], "Welcome", 'value="join"'),
        ([PhaseFrame("general", "scheduled", NOW, NOW)], "Not open yet", "15 January 2027, 08:00 UTC"),
        ([PhaseFrame("general", "ended", None, NOW)], "Closed", ""),
        ([position((60, 125)), OPEN], "You are in line", "1–3 min"),
        ([position((61, 120)), OPEN], "You are in line", "1–2 min"),
        ([position(None), PhaseFrame("general", "open", None, NOW, "merchant")], "You are in line", "place is safe"),
        (
            [AdmittedFrame("general", "aa", NOW + 61_000, "https://s.example/?a=1&b", NOW, "p")],
            "It is your turn",
            "1:01",
        ),
        ([TicketFrame("general", "expired", 0, may_rejoin=True)], "Your turn has passed", 'value="rejoin"'),
        ([TicketFrame("general", "left", 0)], "You have left the line", 'value="join"'),
        ([TicketFrame("general", "completed", 0)], "Thank you", ""),
    ],
)
def test_every_state_has_its_words(frames: list[ServerFrame], headline: str, part: str) -> None:
    view = view_of(frames)
    assert view.headline == headline
    assert part in " ".join(view)


def test_markup_in_an_address_stays_text() -> None:
    view = view_of([AdmittedFrame("general", "aa", NOW, 'https://s.example/?"><b>', NOW, "p")])
    assert "<b>" not in view.action
