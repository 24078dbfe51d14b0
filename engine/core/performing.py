"""Who does what is asked: for every command the function that does it.

What a merchant asks with the same Idempotency-Key again is not done again: it gets the answer that it got before.
Hands over to: ``consumers``, ``merchants`` (the experience as a whole), ``steering`` (one path), ``checkout`` (one
admission).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.core import checkout, consumers, merchants, steering
from protocol import commands as c
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path


def perform(experience: Experience, command: c.Command) -> Refusal | dict[str, Any] | None:
    """Do what ``command`` asks, of an experience that is configured unless it is a ``Configure``; answers why not, or
    what its sender is told beyond the events."""
    if not isinstance(command, c.MerchantCommand):
        return _CONSUMERS[type(command)](experience, command)
    if not command.key:
        return _perform_for_merchant(experience, command)
    try:
        known = experience.answers.find(command)
    except KeyError:
        return Refusal(Reason.KEY_REUSED)
    if known is not None:
        return known
    outcome = _perform_for_merchant(experience, command)
    if isinstance(outcome, dict):
        experience.answers.keep(command, outcome, experience.now_ms)
    return outcome


def _perform_for_merchant(experience: Experience, command: c.MerchantCommand) -> Refusal | dict[str, Any]:
    if isinstance(command, c.AdmissionCommand):
        held = checkout.find(experience, command)
        return held if isinstance(held, Refusal) else _CHECKOUT[type(command)](experience, held, command)
    if isinstance(command, c.PathCommand):
        path = experience.paths.get(command.path)
        if path is None:
            return Refusal(Reason.NOT_FOUND, {"path": command.path})
        return _STEERING[type(command)](experience, path, command)
    return _MERCHANTS[type(command)](experience, command)


_CONSUMERS: Final[dict[type, Callable[[Experience, Any], Refusal | dict[str, Any] | None]]] = {
    c.Join: consumers.join,
    c.Leave: consumers.leave,
    c.Decline: consumers.decline,
    c.Rejoin: consumers.rejoin,
    c.Attach: consumers.attach,
    c.Choose: consumers.choose,
    c.EnterCode: consumers.enter_code,
    c.Claim: consumers.act,
    c.PlaceBid: consumers.act,
    c.Hold: consumers.act,
    c.Book: consumers.act,
    c.Reschedule: consumers.act,
    c.Cancel: consumers.act,
}
_MERCHANTS: Final[dict[type, Callable[[Experience, Any], Refusal | dict[str, Any]]]] = {
    c.Configure: merchants.configure,
    c.SetReleaseRate: merchants.set_release_rate,
    c.SetStock: merchants.set_stock,
    c.PostNotice: merchants.post_notice,
}
_STEERING: Final[dict[type, Callable[[Experience, Path, Any], Refusal | dict[str, Any]]]] = {
    c.Open: steering.open_path,
    c.Close: steering.close_path,
    c.End: steering.end_path,
    c.Pause: steering.pause_path,
    c.Resume: steering.resume_path,
    c.AdmitNow: steering.admit_now,
    c.RefuseTicket: steering.refuse_ticket,
    c.DrawBeacon: steering.act,
    c.Draw: steering.act,
    c.Offer: steering.act,
    c.CheckIn: steering.act,
    c.NoShow: steering.act,
    c.CancelBooking: steering.act,
}
_CHECKOUT: Final[dict[type, Callable[[Experience, checkout.Held, Any], Refusal | dict[str, Any]]]] = {
    c.Redeem: checkout.redeem,
    c.Complete: checkout.complete,
    c.Release: checkout.release,
    c.Extend: checkout.extend,
}
