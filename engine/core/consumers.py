"""What consumers may ask: join, leave, decline, rejoin, choose, enter a code, attach, and what their path's own kind
takes. A "no" is a value and changes nothing.

Joining is the hot path of the engine, so the ordinary case, new consumers in a path that is open to everybody, is done
for many at once and does little more than append to the ticket arrays (`join_together`).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.core import entry
from engine.core.choices import ANY
from engine.core.ticket import ADMITTED, EXPIRED, OFFERED, WAITING
from protocol.commands import (
    NOTHING,
    Attach,
    BookingCommand,
    Choose,
    Command,
    Decline,
    EnterCode,
    Join,
    Leave,
    Rejoin,
    TicketCommand,
)
from protocol.events import CONSUMER_BYTES, Attached
from protocol.kind_events import HoldingDetails
from protocol.refusals import Reason, Refusal
from protocol.states import LEVELS

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

HATS_MAX = 255
LEVEL_MAX = len(LEVELS) - 1


def join_together(experience: Experience, commands: list[Command], start: int) -> int:
    """Take in the ordinary ones of the joins from ``start`` on at once: of new consumers, into one path, named alike,
    that takes everybody. Answers the index of the first command that is none of them; `join` does the same one by
    one."""
    first = commands[start]
    assert isinstance(first, Join), "begins with a join"
    name, by_priority = first.path, experience.by_priority
    path = experience.paths.get(name) if name else by_priority[0]
    if path is None or not path.takes_everybody:
        return start
    shards = path.tickets.latest.shards
    others = [other.tickets.latest for other in by_priority if other is not path] if len(by_priority) > 1 else None
    ticket = next_ticket = len(path.tickets.states)
    consumers, hats = bytearray(), bytearray()
    for command in islice(commands, start, None):
        if type(command) is not Join or command.path != name or command.credentials is not None:
            break
        consumer = command.consumer
        if len(consumer) != CONSUMER_BYTES or not 0 < command.hats <= HATS_MAX or command.level > LEVEL_MAX:
            break
        shard = shards[consumer[-1]]
        if consumer in shard:
            break
        if others and any(consumer in latest for latest in others):
            break
        shard[consumer] = next_ticket
        next_ticket += 1
        consumers += consumer
        hats.append(command.hats)
    if hats:
        path.join_all(ticket, consumers, hats, experience.journal)
    return start + len(hats)


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
    check = entry.join_refusal if last is None else entry.rejoining_refusal
    refusal = check(path, command, experience.now_ms) or _one_path_refusal(experience, path, consumer)
    if refusal is not None:
        knows_them = last is not None or refusal.reason == Reason.ONE_PATH
        return _attached(experience, consumer) if command.implicit and knows_them else refusal
    if _is_malformed(path, command):
        return Refusal(Reason.INVALID, {"path": path.id})
    _take_ticket(experience, path, command)
    return None


def _one_path_refusal(experience: Experience, path: Path, consumer: bytes) -> Refusal | None:
    assert experience.document is not None, "there is a path"
    return entry.one_path_refusal(experience.by_priority, path, consumer) if experience.document.one_path else None


def _is_malformed(path: Path, command: entry.Entrant) -> bool:
    if len(command.consumer) != CONSUMER_BYTES or not 0 < command.hats <= HATS_MAX or command.level > LEVEL_MAX:
        return True
    brought = command.credentials
    return brought is not None and bool(brought.variant) and not _sells_choice(path, brought.variant)


def _sells_choice(path: Path, variant: str) -> bool:
    return path.choices is not None and variant in path.variants


def _take_ticket(experience: Experience, path: Path, command: entry.Entrant) -> int:
    had_ticket = command.consumer in path.tickets.latest
    variant = ANY if command.credentials is None else command.credentials.variant
    ticket = path.join(command.consumer, command.hats, variant, experience.journal)
    if had_ticket or len(experience.paths) > 1:
        _tell_other_holdings(experience, path, command.consumer, had_ticket=had_ticket)
    return ticket


def _join_any(experience: Experience, command: Join) -> Refusal | None:
    """The path where this consumer has a ticket already, else the first by priority that takes them."""
    refusal, knows_them = None, False
    for path in experience.by_priority:
        last = path.tickets.latest.get(command.consumer)
        if last is not None and _keeps(path, last, command):
            return _attached(experience, command.consumer)
        knows_them = knows_them or last is not None
    for path in experience.by_priority:
        no = entry.refusal_of(path, command, experience.now_ms)
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
    return _give_up(experience, command, (WAITING,), "left")


def decline(experience: Experience, command: Decline) -> Refusal | None:
    """Give up an admission that was not redeemed, or an offer; where it names an offer, that one alone."""
    return _give_up(experience, command, (ADMITTED, OFFERED), "declined", command.offer)


def _give_up(
    experience: Experience, command: Leave | Decline, states: tuple[int, ...], reason: str, offer: bytes = b""
) -> Refusal | None:
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    ticket = path.tickets.latest.get(command.consumer)
    if ticket is None or path.tickets.states[ticket] not in states:
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    if offer and path.offers.find(ticket, offer) is None:
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    if path.tickets.states[ticket] == WAITING and (refusal := path.distribution.leave_refusal(ticket)):
        return refusal
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
        if refusal := entry.return_refusal(path) or _one_path_refusal(experience, path, command.consumer):
            return refusal
        path.take_back(ticket, experience.journal)
        return None
    if path.tickets.states[ticket] == EXPIRED:
        joins = Join(command.consumer, path.id, False, command.hats, command.level, command.credentials)
        return _join_path(experience, path, joins)
    return _attached(experience, command.consumer)


def choose(experience: Experience, command: Choose) -> Refusal | None:
    """Want another variant, at the same place."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    ticket = path.tickets.latest.get(command.consumer)
    if ticket is None or path.tickets.states[ticket] != WAITING:
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    if not _sells_choice(path, command.variant):
        return Refusal(Reason.INVALID, {"path": path.id, "field": "variant"})
    path.choose(ticket, command.variant, experience.journal)
    return None


def enter_code(experience: Experience, command: EnterCode) -> Refusal | dict[str, Any]:
    """Go in by an access code: ``advanced`` with a ticket on its path, ``unchanged`` where there is one already, there,
    even if the code opens it no more, or on a path that comes before it, ``gated`` where the code is right and
    something else stands in the way. Where one person has one path, the old place is given up for the new one."""
    code, now_ms = (NOTHING if command.credentials is None else command.credentials).code, experience.now_ms
    opened = (one for one in experience.by_priority if entry.opens_with(one, code, command.consumer, now_ms))
    path = next(opened, None)
    if path is None:
        return Refusal(Reason.BAD_CODE)
    better = experience.by_priority[: experience.by_priority.index(path) + 1]
    if any(one.tickets.live(command.consumer) is not None for one in better):
        _attached(experience, command.consumer)
        return {"outcome": "unchanged", "path": path.id}
    one_path = _one_path_refusal(experience, path, command.consumer)
    given_up = list(entry.live_elsewhere(experience.by_priority, path, command.consumer)) if one_path else []
    refusal = entry.refusal_of(path, command, now_ms)
    if refusal is None and not all(_can_be_left(*place) for place in given_up):
        refusal = one_path
    if refusal is not None:
        return {"outcome": "gated", "path": path.id, "reason": refusal.reason.value}
    if _is_malformed(path, command):
        return Refusal(Reason.INVALID, {"path": path.id})
    for other, ticket in given_up:
        other.give_up(ticket, "left", now_ms, experience.journal)
    _take_ticket(experience, path, command)
    return {"outcome": "advanced", "path": path.id}


def _can_be_left(path: Path, ticket: int) -> bool:
    return path.tickets.states[ticket] == WAITING and path.distribution.leave_refusal(ticket) is None


def act(experience: Experience, command: TicketCommand | BookingCommand) -> Refusal | dict[str, Any] | None:
    """What only some kinds take. Who has no ticket takes one first, if the command itself can be done."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if type(command) not in path.distribution.TAKES:
        return Refusal(Reason.NOT_TAKEN, {"path": path.id})
    ticket, at = path.tickets.live(command.consumer), experience.now_ms
    if ticket is None and (refusal := _taking_refusal(experience, path, command)):
        return refusal
    if path.paused and type(command) in path.distribution.HALTED:
        return Refusal(Reason.PAUSED, {"path": path.id})
    if refusal := path.distribution.act_refusal(command, ticket, at):
        return refusal
    if ticket is None and isinstance(command, TicketCommand):
        ticket = _take_ticket(experience, path, command)
    return path.distribution.act(command, ticket, at, experience.journal)


def _taking_refusal(experience: Experience, path: Path, command: TicketCommand | BookingCommand) -> Refusal | None:
    if not isinstance(command, TicketCommand):
        return Refusal(Reason.NO_TICKET, {"path": path.id})
    if _is_malformed(path, command):
        return Refusal(Reason.INVALID, {"path": path.id})
    return entry.refusal_of(path, command, experience.now_ms) or _one_path_refusal(experience, path, command.consumer)


def attach(experience: Experience, command: Attach) -> Refusal | None:
    """Tell all that this consumer holds."""
    return _attached(experience, command.consumer)


def _attached(experience: Experience, consumer: bytes) -> Refusal | None:
    holdings, details = [], []
    for path in experience.paths.values():
        ticket = path.tickets.latest.get(consumer)
        if ticket is not None:
            holdings.append(path.holding(ticket))
            if more := path.distribution.details(ticket):
                details.append(HoldingDetails(consumer, path.id, ticket, more))
    experience.journal.add(Attached(consumer, holdings))
    for event in details:
        experience.journal.add(event)
    return None
