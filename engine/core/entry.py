"""Who may take a ticket in a path: phase, level, audience, access code, what the distribution says, and, where one
person has one path, whether they have another. A "no" is a value, and the first that stands in the way is the one that
is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from engine.core.schedule import TAKING
from engine.core.ticket import COMPLETED, REFUSED
from protocol.commands import NOTHING, EnterCode, Join, Rejoin, TicketCommand
from protocol.documents import AccessCode
from protocol.refusals import Reason, Refusal
from protocol.states import LEVELS, Phase

if TYPE_CHECKING:
    from engine.core.path import Path

Entrant = Join | Rejoin | TicketCommand | EnterCode
"""Commands that tell who somebody is: level, audiences, access code."""


def join_refusal(path: Path, who: Entrant, now_ms: int) -> Refusal | None:
    """Why a consumer cannot take a first ticket now, or None."""
    if path.phase not in TAKING:
        if path.phase == Phase.SCHEDULED:
            opens = {} if path.opens_at is None else {"opens_at": path.opens_at}
            return Refusal(Reason.NOT_OPEN, {"path": path.id, **opens})
        return path.distribution.closed_refusal()
    if path.guarded and (refusal := _guard_refusal(path, who, now_ms)):
        return refusal
    return path.distribution.join_refusal()


def _guard_refusal(path: Path, who: Entrant, now_ms: int) -> Refusal | None:
    """Why this one may not join a path that is not for everybody, or None."""
    settings = path.settings
    if who.level < LEVELS.index(settings.min_level):
        return Refusal(Reason.NEEDS_LEVEL, {"path": path.id, "level": settings.min_level})
    brought = NOTHING if who.credentials is None else who.credentials
    if settings.audience is not None and settings.audience not in brought.audiences:
        return Refusal(Reason.NOT_ELIGIBLE, {"path": path.id})
    return None if settings.access_code is None else _code_refusal(path, brought.code, now_ms)


def rejoining_refusal(path: Path, who: Entrant, now_ms: int) -> Refusal | None:
    """Why a consumer who had a ticket here cannot take another now, or None."""
    if path.tickets.spent.get(who.consumer, 0) < path.settings.joins_per_consumer:
        return join_refusal(path, who, now_ms)
    last = path.tickets.latest[who.consumer]
    if path.tickets.state(last) == REFUSED:
        return Refusal(Reason.REFUSED, {"path": path.id, "text": path.tickets.reason(last)})
    return Refusal(Reason.ALREADY_DONE, {"path": path.id})


def seat_refusal(path: Path, consumer: bytes) -> Refusal | None:
    """Why somebody to whom a place here was offered cannot take a ticket for it, or None."""
    if path.tickets.spent.get(consumer, 0) >= path.settings.joins_per_consumer:
        return Refusal(Reason.ALREADY_DONE, {"path": path.id})
    return return_refusal(path)


def refusal_of(path: Path, who: Entrant, now_ms: int) -> Refusal | None:
    """Why a consumer without a live ticket cannot take one now, or None."""
    had_one = who.consumer in path.tickets.latest
    return rejoining_refusal(path, who, now_ms) if had_one else join_refusal(path, who, now_ms)


def live_elsewhere(paths: Iterable[Path], path: Path, consumer: bytes) -> Iterator[tuple[Path, int]]:
    """The other paths of these where the consumer has a live ticket, each with that."""
    for other in paths:
        ticket = other.tickets.live(consumer)
        if other is not path and ticket is not None:
            yield other, ticket


def one_path_refusal(paths: Iterable[Path], path: Path, consumer: bytes) -> Refusal | None:
    """Why somebody who may have one path cannot have this one, or None."""
    for other, ticket in live_elsewhere(paths, path, consumer):
        return Refusal(Reason.ONE_PATH, {"path": other.id, "state": other.tickets.state(ticket).word})
    return None


def return_refusal(path: Path) -> Refusal | None:
    """Why a missed turn cannot be taken back although it would be forgiven: others have used up the code."""
    code = path.settings.access_code
    return Refusal(Reason.BAD_CODE, {"path": path.id}) if code is not None and _is_used_up(path, code) else None


def opens_with(path: Path, code: str, consumer: bytes, now_ms: int) -> bool:
    """Whether ``code`` is the path's own, and can still be used or has been by this consumer, who is in."""
    wanted = path.settings.access_code
    if wanted is None or code != wanted.code:
        return False
    return path.tickets.live(consumer) is not None or not _is_spent(path, wanted, now_ms)


def _code_refusal(path: Path, code: str, now_ms: int) -> Refusal | None:
    wanted = path.settings.access_code
    assert wanted is not None, "asked where there is a code"
    if not code:
        return Refusal(Reason.NEEDS_CODE, {"path": path.id})
    if code != wanted.code or _is_spent(path, wanted, now_ms):
        return Refusal(Reason.BAD_CODE, {"path": path.id})
    return None


def _is_spent(path: Path, code: AccessCode, now_ms: int) -> bool:
    over = code.expires_at is not None and code.expires_at <= now_ms
    return over or _is_used_up(path, code)


def _is_used_up(path: Path, code: AccessCode) -> bool:
    """Uses are live and completed tickets. Counting runs at memory speed, and only where a code is used."""
    return code.max_uses is not None and path.tickets.alive + path.tickets.states.count(COMPLETED) >= code.max_uses
