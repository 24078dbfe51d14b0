"""The checkout's four words about an admission: redeem, complete, release, extend.

Each is given the open window that its admission id names; ``find`` says why there is none. An id of a window that was
closed, or of a turn that was given anew, opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.core.admission import Window
from engine.core.limits import MS_PER_SECOND
from engine.core.ticket import ADMITTED, BOOKED, COMPLETED, EXPIRED, REDEEMED, WAITING
from protocol import commands as c
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

Outcome = Refusal | dict[str, Any]
Held = tuple["Path", int, Window]
"""Whose an open window is, and the window."""


def find(experience: Experience, command: c.AdmissionCommand) -> Held | Refusal:
    """The open window of an admission, or why there is none."""
    path_id, ticket = experience.admissions.get(command.admission, ("", 0))
    path = experience.paths.get(path_id)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"admission": command.admission.hex()})
    window = path.windows.open.get(ticket)
    if window is not None and window.admission == command.admission:
        return path, ticket, window
    state = path.tickets.state(ticket)
    if state in (COMPLETED, BOOKED):
        return Refusal(Reason.ALREADY_DONE, {"state": state.word})
    return Refusal(
        Reason.WINDOW_OVER, {"state": EXPIRED.word if state in (WAITING, ADMITTED, REDEEMED) else state.word}
    )


def redeem(experience: Experience, held: Held, command: c.Redeem) -> Outcome:
    """Use the pass; once."""
    path, ticket, window = held
    if window.redeemed:
        return Refusal(Reason.ALREADY_DONE, {"state": "redeemed"})
    path.redeem(ticket, experience.now_ms, command.actor, experience.journal)
    return _answer(experience, held)


def complete(experience: Experience, held: Held, command: c.Complete) -> Outcome:
    """The order is paid; an admission that was not redeemed is by this."""
    path, ticket, _ = held
    path.complete(ticket, command.order_id, experience.now_ms, command.actor, experience.journal)
    answer = _answer(experience, held)
    answer["order_id"] = command.order_id
    return answer


def release(experience: Experience, held: Held, command: c.Release) -> Outcome:
    """End the admission without an order; its slot and stock are free again."""
    path, ticket, _ = held
    path.give_up(ticket, "released", experience.now_ms, experience.journal)
    return _answer(experience, held)


def extend(experience: Experience, held: Held, command: c.Extend) -> Outcome:
    """Move the end of the window, once, by at most one window."""
    path, ticket, window = held
    seconds_max = path.settings.distribution.checkout_window_seconds
    if not 0 <= command.seconds <= seconds_max:
        return Refusal(Reason.INVALID, {"field": "seconds", "allowed": f"0 to {seconds_max}"})
    if window.extended:
        return Refusal(Reason.ALREADY_DONE, {"state": "extended"})
    if window.expires_at <= experience.now_ms:
        return Refusal(Reason.WINDOW_OVER)
    path.extend(ticket, (command.seconds or seconds_max) * MS_PER_SECOND, experience.journal)
    return _answer(experience, held)


def _answer(experience: Experience, held: Held) -> dict[str, Any]:
    path, ticket, window = held
    tickets = path.tickets
    return {
        "admission": window.admission.hex(),
        "experience": experience.id,
        "path": path.settings.id,
        "ticket": ticket,
        "state": tickets.state(ticket).word,
        "consumer": tickets.consumer(ticket).hex(),
        "kid": window.kid,
        "admitted_at": window.admitted_at,
        "expires_at": window.expires_at,
    }
