"""The phases of a path: scheduled, lobby, open, settling, ended, one after the other, by its schedule or by hand.

A pause is an overlay, no phase. What was done by hand holds until the merchant changes that part of the schedule.
"""

from __future__ import annotations

from engine.core.journal import Journal
from protocol import documents
from protocol.distributions import MOVED_BY_PAUSE, kind_of
from protocol.events import PhaseChanged
from protocol.states import LEVELS, Phase

TAKING = frozenset({Phase.LOBBY, Phase.OPEN})
"""Phases in which tickets are taken."""

SERVING = frozenset({Phase.OPEN, Phase.SETTLING})
"""Phases in which those who wait are admitted."""


class Schedule:
    """``opens_at`` None: at once; ``closes_at`` None: never. Both begin as the settings have them. ``guarded``: not
    everybody may join."""

    def __init__(self, settings: documents.Path) -> None:
        self.settings = settings
        self.guarded = _is_guarded(settings)
        self.phase = Phase.SCHEDULED
        self.paused = False
        self.ended_by_hand = False
        self.opens_at = settings.opens_at
        self.closes_at = settings.closing

    @property
    def id(self) -> str:
        return self.settings.id

    def plan(self, settings: documents.Path) -> None:
        """Other settings hold from now on; a schedule that did not change keeps what was done by hand."""
        before, self.settings = self.settings, settings
        self.guarded = _is_guarded(settings)
        if settings.opens_at != before.opens_at:
            self.opens_at = settings.opens_at
        if settings.closing != before.closing:
            self.closes_at = settings.closing

    def next_phase_ms(self) -> int | None:
        """When the schedule changes the phase next, or None."""
        if self.phase == Phase.SCHEDULED and (lobby_ms := self._lobby_ms()) is not None:
            return lobby_ms
        if self.phase in (Phase.SCHEDULED, Phase.LOBBY):
            return self.opens_at
        return self.closes_at if self.phase == Phase.OPEN and not self._end_waits() else None

    def keep_schedule(self, at: int, journal: Journal) -> None:
        """Change the phase as the schedule says for ``at``. A path without ``opens_at`` opens at once."""
        if self.phase == Phase.SCHEDULED and (lobby_ms := self._lobby_ms()) is not None and lobby_ms <= at:
            self.enter(Phase.LOBBY, at, "", journal)
        if self.phase in (Phase.SCHEDULED, Phase.LOBBY) and (self.opens_at is None or self.opens_at <= at):
            self.enter(Phase.OPEN, at, "", journal)
        if self.phase == Phase.OPEN and self.closes_at is not None and self.closes_at <= at and not self._end_waits():
            self.enter(Phase.SETTLING, at, "", journal)

    def _end_waits(self) -> bool:
        """Whether the end, which moves by a pause, waits for one to be over."""
        return self.paused and kind_of(self.settings.distribution) in MOVED_BY_PAUSE

    def _lobby_ms(self) -> int | None:
        """When people are let in before the opening, or None if they are not."""
        lobby_ms = self.settings.lobby_opens_at
        return None if lobby_ms is None or self.opens_at is None or lobby_ms >= self.opens_at else lobby_ms

    def enter(self, phase: Phase, at: int, actor: str, journal: Journal) -> None:
        """Be in ``phase``."""
        self.phase = phase
        journal.add(PhaseChanged(self.id, phase, at, self.opens_at, self.closes_at, actor))


def _is_guarded(settings: documents.Path) -> bool:
    return settings.min_level != LEVELS[0] or settings.audience is not None or settings.access_code is not None
