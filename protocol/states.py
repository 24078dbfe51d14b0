"""The states of a ticket and the phases of a path: numbers inside, words outside."""

from enum import IntEnum, StrEnum
from typing import Final


class TicketState(IntEnum):
    """One byte a ticket. Which state may follow which is the engine's table (``engine/core/ticket.py``)."""

    WAITING = 0
    OFFERED = 1
    HELD = 2
    BOOKED = 3
    ADMITTED = 4
    REDEEMED = 5
    COMPLETED = 6
    EXPIRED = 7
    LEFT = 8
    LOST = 9
    REFUSED = 10

    @property
    def word(self) -> str:
        """The state as clients read it."""
        return _WORDS[self]


_WORDS: Final = tuple(state.name.lower() for state in TicketState)

LIVE: Final = frozenset(
    {
        TicketState.WAITING,
        TicketState.OFFERED,
        TicketState.HELD,
        TicketState.BOOKED,
        TicketState.ADMITTED,
        TicketState.REDEEMED,
    }
)
"""A consumer has at most one ticket in these states in a path."""


class Phase(StrEnum):
    """Phases of a path, in the order in which they follow one another. A pause is an overlay, not a phase."""

    SCHEDULED = "scheduled"
    LOBBY = "lobby"
    OPEN = "open"
    SETTLING = "settling"
    ENDED = "ended"


LEVELS: Final = ("guest", "registered", "verified")
"""How well a consumer is known; the index is the level inside."""

_EXPERIENCE_PHASE_ORDER: Final = (Phase.OPEN, Phase.LOBBY, Phase.SCHEDULED, Phase.SETTLING, Phase.ENDED)


def experience_phase(path_phases: list[str]) -> Phase:
    """The first of open, lobby, scheduled, settling, ended that one of its paths is in (ended for no path)."""
    return next((phase for phase in _EXPERIENCE_PHASE_ORDER if phase in path_phases), Phase.ENDED)
