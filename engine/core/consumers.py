"""What consumers may ask: join, leave, decline, rejoin, attach. A "no" is a value and changes nothing.

Joining is the hot path of the engine, so the ordinary case, a new consumer in a path that is open, does little more
than append to the ticket arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.ticket import ADMITTED, EXPIRED, WAITING
from protocol.commands import Attach, Decline, Join, Leave, Rejoin
from protocol.events import CONSUMER_BYTES, Attached
from protocol.refusals import Reason, Refusal
from protocol.states import LEVELS

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

HATS_MAX = 255


def join(experience: Experience, command: Join) -> Refusal | None:
    """Take a ticket, or be told of the live one."""
    if command.path:
        path = experience.paths.get(command.path)
        if path is None:
            return Refusal(Reason.NOT_FOUND, {"path": command.path})
        return _join_path(experience, path, command)
    return _join_any(experience, command)


def _join_path(experience: Experience, path: Path, command: Join) -> Refusal | None:
    consumer, tickets = command.consumer, path.tickets
    last = tickets.latest.get(consumer)
    if last is not None and _keeps(path, last, command):
        return _attached(experience, consumer)
    refusal = path.join_refusal(command.level) if last is None else path.rejoining_refusal(consumer, command.level)
    if refusal is not None:
        return _attached(experience, consumer) if command.implicit and last is not None else refusal
    if len(consumer) != CONSUMER_BYTES or not 0 < command.hats <= HATS_MAX or command.level >= len(LEVELS):
        return Refusal(Reason.INVALID, {"path": path.id})
    experience.journal.joined(path.settings.id, tickets.add(consumer, command.hats), consumer, command.hats)
    if last is not None or len(experience.paths) > 1:
        _tell_other_holdings(experience, path, consumer, had_ticket=last is not None)
    return None


def _join_any(experience: Experience, command: Join) -> Refusal | None:
    """The path where this consumer has a ticket already, else the first by priority that takes them."""
    refusal, knows_them = None, False
    for path in experience.by_priority:
        last = path.tickets.latest.get(command.consumer)
        if last is not None and _keeps(path, last, command):
            return _attached(experience, command.consumer)
        knows_them = knows_them or last is not None
    for path in experience.by_priority:
        had_one = command.consumer in path.tickets.latest
        no = path.rejoining_refusal(command.consumer, command.level) if had_one else path.join_refusal(command.level)
        if no is None:
            return _join_path(experience, path, command)
        refusal = refusal or no
    return _attached(experience, command.consumer) if command.implicit and knows_them else refusal


def _keeps(path: Path, last: int, command: Join) -> bool:
    """Whether the last ticket stands: it is live, or it may be taken back and nobody asked to give it up."""
    return path.tickets.live(command.consumer) is not None or (command.implicit and path.may_rejoin(last))


def _tell_other_holdings(experience: Experience, path: Path, consumer: bytes, *, had_ticket: bool) -> None:
    others = (other for other in experience.by_priority if other is not path)
    if had_ticket or any(consumer in other.tickets.latest for other in others):
        _attached(experience, consumer)


def leave(experience: Experience, command: Leave) -> Refusal | None:
    """Give up a waiting ticket."""
    return _give_up(experience, command, WAITING, "left")


def decline(experience: Experience, command: Decline) -> Refusal | None:
    """Give up an admission that was not redeemed."""
    return _give_up(experience, command, ADMITTED, "declined")


def _give_up(experience: Experience, command: Leave | Decline, state: int, reason: str) -> Refusal | None:
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    ticket = path.tickets.latest.get(command.consumer)
    if ticket is None or path.tickets.states[ticket] != state:
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    path.give_up(ticket, reason, experience.now_ms, experience.journal)
    return None


def rejoin(experience: Experience, command: Rejoin) -> Refusal | None:
    """Take the old place again after a missed turn; where that is not forgiven it is a new join."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    ticket = path.tickets.latest.get(command.consumer)
    if ticket is None:
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    if path.may_rejoin(ticket):
        path.take_back(ticket, experience.journal)
        return None
    if path.tickets.states[ticket] == EXPIRED:
        return _join_path(experience, path, Join(command.consumer, path.id, False, command.hats, command.level))
    return _attached(experience, command.consumer)


def attach(experience: Experience, command: Attach) -> Refusal | None:
    """Tell all that this consumer holds."""
    return _attached(experience, command.consumer)


def _attached(experience: Experience, consumer: bytes) -> Refusal | None:
    holdings = []
    for path in experience.paths.values():
        ticket = path.tickets.latest.get(consumer)
        if ticket is not None:
            holdings.append(path.holding(ticket))
    experience.journal.add(Attached(consumer, holdings))
    return None
