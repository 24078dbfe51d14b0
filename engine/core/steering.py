"""How a merchant steers one path by hand: open, close, end, pause, resume, admit, turn a ticket away.

Each is given the path that its command names. What is so already is done: a repeat changes nothing and is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.core.ticket import WAITING
from protocol import commands as c
from protocol.events import PauseChanged
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

Outcome = Refusal | dict[str, Any]

_DONE: Final[dict[str, Any]] = {}


def open_path(experience: Experience, path: Path, command: c.Open) -> Outcome:
    """Open now; a path that was closed by hand or by its schedule opens again, one that has ended does not. If the
    document closes it later, it still does."""
    if path.phase == Phase.ENDED or path.ended_by_hand:
        return Refusal(Reason.CLOSED, {"path": path.id})
    if refusal := path.distribution.open_refusal():
        return refusal
    if path.phase != Phase.OPEN:
        path.opens_at = experience.now_ms
        planned = path.settings.closing
        path.closes_at = planned if planned is not None and planned > experience.now_ms else None
        path.enter(Phase.OPEN, experience.now_ms, command.actor, experience.journal)
    return _DONE


def close_path(experience: Experience, path: Path, command: c.Close) -> Outcome:
    """Take no more joins."""
    if path.phase not in (Phase.SETTLING, Phase.ENDED):
        path.closes_at = experience.now_ms
        path.enter(Phase.SETTLING, experience.now_ms, command.actor, experience.journal)
    return _DONE


def end_path(experience: Experience, path: Path, command: c.End) -> Outcome:
    """Take no more joins and lose those who wait; open windows keep their time."""
    if path.phase != Phase.ENDED and not path.ended_by_hand:
        if path.phase != Phase.SETTLING:
            path.closes_at = experience.now_ms
        path.ended_by_hand = True
        path.enter(Phase.SETTLING, experience.now_ms, command.actor, experience.journal)
        path.lose_waiting("ended", experience.now_ms, experience.journal)
        path.distribution.ended(experience.now_ms, experience.journal)
    return _DONE


def pause_path(experience: Experience, path: Path, command: c.Pause) -> Outcome:
    """Admit nobody for now."""
    return _set_paused(experience, path, command, paused=True)


def resume_path(experience: Experience, path: Path, command: c.Resume) -> Outcome:
    """Go on."""
    return _set_paused(experience, path, command, paused=False)


def _set_paused(experience: Experience, path: Path, command: c.Pause | c.Resume, *, paused: bool) -> Outcome:
    if path.paused != paused:
        path.paused = paused
        experience.journal.add(PauseChanged(path.id, paused, experience.now_ms, command.actor))
        if paused:
            path.distribution.paused(experience.now_ms)
        else:
            path.distribution.resumed(experience.now_ms, experience.journal)
    return _DONE


def admit_now(experience: Experience, path: Path, command: c.AdmitNow) -> Outcome:
    """Admit by hand: outside the rate, within the caps and the stock."""
    if command.count < 1:
        return Refusal(Reason.INVALID, {"field": "count", "allowed": "1 or more"})
    if path.paused:
        return Refusal(Reason.PAUSED, {"path": path.id})
    if path.phase in (Phase.SCHEDULED, Phase.LOBBY):
        return Refusal(Reason.NOT_OPEN, {"path": path.id})
    left = command.count
    while count := min(left, path.servable()):
        experience.admit(path, count, experience.now_ms, by_hand=True)
        left -= count
    return {"admitted": command.count - left}


def refuse_ticket(experience: Experience, path: Path, command: c.RefuseTicket) -> Outcome:
    """Turn a waiting ticket away."""
    if not 0 <= command.ticket < len(path.tickets):
        return Refusal(Reason.NOT_FOUND, {"path": command.path, "ticket": command.ticket})
    if path.tickets.states[command.ticket] != WAITING:
        return Refusal(Reason.NO_TICKET, {"path": path.id, "state": path.tickets.state(command.ticket).word})
    path.turn_away(command.ticket, command.reason, experience.now_ms, command.actor, experience.journal)
    return _DONE


def act(experience: Experience, path: Path, command: c.PathCommand) -> Outcome:
    """What only some kinds take."""
    if type(command) not in path.distribution.TAKES:
        return Refusal(Reason.NOT_TAKEN, {"path": path.id})
    if path.paused and type(command) in path.distribution.HALTED:
        return Refusal(Reason.PAUSED, {"path": path.id})
    refusal = path.distribution.act_refusal(command, None, experience.now_ms)
    return refusal or path.distribution.act(command, None, experience.now_ms, experience.journal) or _DONE
