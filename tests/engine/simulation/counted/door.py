"""The door of a path as the recount has it: whoever came in could, by what they brought; and a "no" at it was true.

Asked of everybody who joins a path that is not for everybody. Whoever claims a place that a waitlist offers is let in
by that, whatever they bring. What a code may be used, the audit of the log counts as well (``engine.audits.path``).

Hands over to: ``recount.py`` and ``counted.path``, which ask.
"""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.documents import Path
from protocol.refusals import Reason
from protocol.states import LEVELS
from tests.engine.simulation.world import Broken

Entrant = c.Join | c.Rejoin | c.TicketCommand | c.EnterCode


def lets_in(settings: Path, command: c.Command, consumer: bytes, now_ms: int) -> bool:
    """Whether ``command`` is of this consumer, and brings what the path asks for."""
    if not isinstance(command, Entrant) or command.consumer != consumer:
        return False
    return not any(_stands_in_the_way(settings, command, reason, now_ms) for reason in REASONS)


def check_refusal(settings: Path, uses: int, command: c.Command, reason: str, now_ms: int) -> None:
    """Somebody was turned away at the door when so many used its code. Raises Broken where nothing was in the way."""
    if not isinstance(command, Entrant) or reason not in REASONS:
        return
    is_used_up = _code_is_used_up(settings, uses) and reason == Reason.BAD_CODE
    if not is_used_up and not _stands_in_the_way(settings, command, reason, now_ms):
        raise Broken(f"refusals: {reason} was said to {command} at {settings.id}, with {uses} inside")


def opens(settings: Path, uses: int, command: c.EnterCode, now_ms: int, *, is_inside: bool) -> bool:
    """Whether the code that somebody brings is the path's, and can be used, or was by whoever is inside."""
    brought, code = command.credentials or c.NOTHING, settings.access_code
    if code is not None and is_inside:
        return brought.code == code.code
    wrong = any(_stands_in_the_way(settings, command, one, now_ms) for one in (Reason.NEEDS_CODE, Reason.BAD_CODE))
    return code is not None and not wrong and not _code_is_used_up(settings, uses)


def _code_is_used_up(settings: Path, uses: int) -> bool:
    code = settings.access_code
    return code is not None and code.max_uses is not None and uses >= code.max_uses


def _stands_in_the_way(settings: Path, command: Any, reason: str, now_ms: int) -> bool:
    """Whether it is for this ``reason`` that the path is closed to what is brought."""
    brought, code = command.credentials or c.NOTHING, settings.access_code
    if reason == Reason.NEEDS_LEVEL:
        return bool(command.level < LEVELS.index(settings.min_level))
    if reason == Reason.NOT_ELIGIBLE:
        return settings.audience not in (None, *brought.audiences)
    if code is None:
        return False
    is_over = code.expires_at is not None and code.expires_at <= now_ms
    return not brought.code if reason == Reason.NEEDS_CODE else is_over or brought.code != code.code


REASONS = (Reason.NEEDS_LEVEL, Reason.NOT_ELIGIBLE, Reason.NEEDS_CODE, Reason.BAD_CODE)
"""What is said to whoever may not come in."""
