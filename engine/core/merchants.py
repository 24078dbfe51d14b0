"""What the merchant and the operators may ask: configure, meter, steer, and the checkout's four words.

Each answers with a Refusal, which changed nothing, or with what the sender is told. A repeat with the same
Idempotency-Key never gets here: ``Experience.step`` gives it the answer it got before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UnsetType

from engine.core.admission import Window
from engine.core.limits import MS_PER_SECOND, SECRET_BYTES
from engine.core.ticket import ADMITTED, COMPLETED, EXPIRED, REDEEMED, WAITING
from protocol import commands as c
from protocol.documents import Count, Rate, fits, with_release_rate, with_stock
from protocol.documents import Experience as Document
from protocol.documents import Path as PathSettings
from protocol.events import NoticePosted, PauseChanged, ReleaseRateChanged
from protocol.refusals import Reason, Refusal
from protocol.states import Phase

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

Outcome = Refusal | dict[str, Any]

_DONE: dict[str, Any] = {}


# The document


def configure(experience: Experience, command: c.Configure) -> Outcome:
    """Make the experience be as the document says."""
    document = command.document
    if document == experience.document and command.kid == experience.kid:
        return {"revision": experience.revision, "changed": False}
    fields = _fields_in_use(experience, document)
    if fields:
        return Refusal(Reason.IN_USE, {"fields": fields})
    below = experience.stock.below_sold(document)
    if below:
        return Refusal(Reason.STOCK_BELOW_SOLD, {"variants": below})
    if not experience.secret and len(command.secret) != SECRET_BYTES:
        return Refusal(Reason.INVALID, {"field": "secret", "allowed": f"{SECRET_BYTES} random bytes"})
    experience.secret = experience.secret or command.secret
    experience.configure(document, command.kid, command.actor)
    return {"revision": experience.revision, "changed": True}


def _fields_in_use(experience: Experience, document: Document) -> list[str]:
    """What the document would change although live tickets depend on it."""
    found = []
    for path in experience.paths.values():
        settings = document.path(path.id)
        if not path.has_live:
            continue
        if settings is None:
            found.append(f"paths.{path.id}")
        else:
            found += [f"paths.{path.id}.{field}" for field in _changed_fields(experience, path, document, settings)]
    return found


def _changed_fields(experience: Experience, path: Path, document: Document, settings: PathSettings) -> list[str]:
    assert experience.document is not None, "a path with live tickets was configured"
    sold = document.variants_of(settings)
    found = [] if sold == path.variants else ["variants"]
    currencies = [_currencies(one, sold) for one in (experience.document, document)]
    if not found and currencies[0] != currencies[1]:
        found.append("variants.currency")
    before, after = path.settings.distribution, settings.distribution
    fixed = ("loyalty_bias", "hats_max", "points_per_hat")
    return found + [f"distribution.{field}" for field in fixed if getattr(before, field) != getattr(after, field)]


def _currencies(document: Document, variants: list[str]) -> list[str]:
    every = [variant for product in document.products for variant in product.variants]
    return [variant.currency for variant in every if variant.id in variants]


def set_release_rate(experience: Experience, command: c.SetReleaseRate) -> Outcome:
    """Change rate and caps of a path, or of all paths together, from this instant on."""
    path = experience.paths.get(command.path)
    if command.path and path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    meter = path.meter if path else experience.meter
    rate = _new(command.limits.release_rate_per_minute, meter.bucket.rate)
    max_active = _new(command.limits.max_active, meter.max_active)
    max_admissions = _new(command.limits.max_admissions, meter.max_admissions)
    if path and rate is None:
        return Refusal(Reason.INVALID, {"field": "release_rate_per_minute", "allowed": "a number: a queue has a rate"})
    if not (fits(rate, Rate) and fits(max_active, Count) and fits(max_admissions, Count)):
        return Refusal(Reason.INVALID, {"allowed": "rates and caps as the document allows them, or null"})
    if (rate, max_active, max_admissions) == (meter.bucket.rate, meter.max_active, meter.max_admissions):
        return {"revision": experience.revision, "changed": False}
    meter.bucket.change(rate, meter.bucket.burst_ms, experience.now_ms)
    meter.max_active, meter.max_admissions = max_active, max_admissions
    experience.revision += 1
    assert experience.document is not None, "commands before the first Configure are refused"
    experience.document = with_release_rate(experience.document, command.path, rate, max_active, max_admissions)
    if path:
        path.settings = experience.settings_of(path.id)
    experience.journal.add(
        ReleaseRateChanged(command.path, rate, max_active, max_admissions, experience.revision, command.actor)
    )
    return {"revision": experience.revision, "changed": True}


def _new(asked: int | None | UnsetType, present: int | None) -> int | None:
    return present if isinstance(asked, UnsetType) else asked


def set_stock(experience: Experience, command: c.SetStock) -> Outcome:
    """Set the total of a variant, or add to it; it cannot go below what is reserved and sold."""
    shelf = experience.stock.shelves.get(command.variant)
    if shelf is None:
        return Refusal(Reason.NOT_FOUND, {"variant": command.variant})
    total = command.stock
    if command.add is not None:
        if shelf.total is None:
            return Refusal(Reason.INVALID, {"field": "add", "allowed": "a variant whose stock is counted"})
        total = shelf.total + command.add
    gone = shelf.reserved + shelf.completed
    if total is not None and total < gone:
        return Refusal(Reason.STOCK_BELOW_SOLD, {"variant": command.variant, "reserved_and_sold": gone})
    if not fits(total, Count):
        return Refusal(Reason.INVALID, {"field": "stock", "allowed": "a total as the document allows it, or null"})
    experience.stock.set_total(command.variant, total)
    assert experience.document is not None, "commands before the first Configure are refused"
    experience.document = with_stock(experience.document, command.variant, total)
    for path in experience.paths.values():
        path.settle(experience.now_ms, experience.journal)
    return {"variant": command.variant, "stock": total, "reserved": shelf.reserved, "completed": shelf.completed}


# Steering a path


def open_path(experience: Experience, command: c.Open) -> Outcome:
    """Open now; a path that was closed by hand or by its schedule opens again, one that has ended does not. If the
    document closes it later, it still does."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if path.phase == Phase.ENDED or path.ended_by_hand:
        return Refusal(Reason.CLOSED, {"path": path.id})
    if path.phase != Phase.OPEN:
        path.opens_at = experience.now_ms
        planned = path.settings.closes_at
        path.closes_at = planned if planned is not None and planned > experience.now_ms else None
        path.enter(Phase.OPEN, experience.now_ms, command.actor, experience.journal)
    return _DONE


def close_path(experience: Experience, command: c.Close) -> Outcome:
    """Take no more joins."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if path.phase not in (Phase.SETTLING, Phase.ENDED):
        path.closes_at = experience.now_ms
        path.enter(Phase.SETTLING, experience.now_ms, command.actor, experience.journal)
    return _DONE


def end_path(experience: Experience, command: c.End) -> Outcome:
    """Take no more joins and lose those who wait; open windows keep their time."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if path.phase != Phase.ENDED and not path.ended_by_hand:
        if path.phase != Phase.SETTLING:
            path.closes_at = experience.now_ms
        path.ended_by_hand = True
        path.enter(Phase.SETTLING, experience.now_ms, command.actor, experience.journal)
        path.lose_waiting("ended", experience.now_ms, experience.journal)
    return _DONE


def pause_path(experience: Experience, command: c.Pause) -> Outcome:
    """Admit nobody for now."""
    return _set_paused(experience, command, paused=True)


def resume_path(experience: Experience, command: c.Resume) -> Outcome:
    """Go on."""
    return _set_paused(experience, command, paused=False)


def _set_paused(experience: Experience, command: c.Pause | c.Resume, *, paused: bool) -> Outcome:
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if path.paused != paused:
        path.paused = paused
        experience.journal.add(PauseChanged(path.id, paused, experience.now_ms, command.actor))
    return _DONE


def admit_now(experience: Experience, command: c.AdmitNow) -> Outcome:
    """Admit by hand: outside the rate, within the caps and the stock."""
    path = experience.paths.get(command.path)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    if command.count < 1:
        return Refusal(Reason.INVALID, {"field": "count", "allowed": "1 or more"})
    if path.paused:
        return Refusal(Reason.PAUSED, {"path": path.id})
    if path.phase == Phase.SCHEDULED:
        return Refusal(Reason.NOT_OPEN, {"path": path.id})
    count = min(command.count, path.servable())
    if count:
        experience.admit(path, count, experience.now_ms, by_hand=True)
    return {"admitted": count}


def refuse_ticket(experience: Experience, command: c.RefuseTicket) -> Outcome:
    """Turn a waiting ticket away."""
    path = experience.paths.get(command.path)
    if path is None or not 0 <= command.ticket < len(path.tickets):
        return Refusal(Reason.NOT_FOUND, {"path": command.path, "ticket": command.ticket})
    if path.tickets.states[command.ticket] != WAITING:
        return Refusal(Reason.NO_TICKET, {"path": path.id, "state": path.tickets.state(command.ticket).word})
    path.turn_away(command.ticket, command.reason, experience.now_ms, command.actor, experience.journal)
    return _DONE


def post_notice(experience: Experience, command: c.PostNotice) -> Outcome:
    """Tell everybody."""
    experience.journal.add(NoticePosted(command.text, command.level, command.until, experience.now_ms, command.actor))
    return _DONE


# The merchant's checkout


def redeem(experience: Experience, command: c.Redeem) -> Outcome:
    """Use the pass; once."""
    found = _admission(experience, command)
    if isinstance(found, Refusal):
        return found
    path, ticket, window = found
    if window.redeemed:
        return Refusal(Reason.ALREADY_DONE, {"state": "redeemed"})
    path.redeem(ticket, experience.now_ms, command.actor, experience.journal)
    return _answer(experience, command, path, ticket, window)


def complete(experience: Experience, command: c.Complete) -> Outcome:
    """The order is paid; an admission that was not redeemed is by this."""
    found = _admission(experience, command)
    if isinstance(found, Refusal):
        return found
    path, ticket, window = found
    path.complete(ticket, command.order_id, experience.now_ms, command.actor, experience.journal)
    return {**_answer(experience, command, path, ticket, window), "order_id": command.order_id}


def release(experience: Experience, command: c.Release) -> Outcome:
    """End the admission without an order; its slot and stock are free again."""
    found = _admission(experience, command)
    if isinstance(found, Refusal):
        return found
    path, ticket, window = found
    path.give_up(ticket, "released", experience.now_ms, experience.journal)
    return _answer(experience, command, path, ticket, window)


def extend(experience: Experience, command: c.Extend) -> Outcome:
    """Move the end of the window, once, by at most one window."""
    found = _admission(experience, command)
    if isinstance(found, Refusal):
        return found
    path, ticket, window = found
    seconds_max = path.settings.distribution.checkout_window_seconds
    if not 0 <= command.seconds <= seconds_max:
        return Refusal(Reason.INVALID, {"field": "seconds", "allowed": f"0 to {seconds_max}"})
    if window.extended:
        return Refusal(Reason.ALREADY_DONE, {"state": "extended"})
    if window.expires_at <= experience.now_ms:
        return Refusal(Reason.WINDOW_OVER)
    path.extend(ticket, (command.seconds or seconds_max) * MS_PER_SECOND, experience.journal)
    return _answer(experience, command, path, ticket, window)


def _admission(experience: Experience, command: c.AdmissionCommand) -> tuple[Path, int, Window] | Refusal:
    """The open window of an admission, or why there is none."""
    path_id, ticket = experience.admissions.get(command.admission, ("", 0))
    path = experience.paths.get(path_id)
    if path is None:
        return Refusal(Reason.NOT_FOUND, {"admission": command.admission.hex()})
    window = path.windows.open.get(ticket)
    if window is not None and window.admission == command.admission:
        return path, ticket, window
    state = path.tickets.state(ticket)
    if state == COMPLETED:
        return Refusal(Reason.ALREADY_DONE, {"state": "completed"})
    return Refusal(
        Reason.WINDOW_OVER, {"state": EXPIRED.word if state in (WAITING, ADMITTED, REDEEMED) else state.word}
    )


def _answer(
    experience: Experience, command: c.AdmissionCommand, path: Path, ticket: int, window: Window
) -> dict[str, Any]:
    return {
        "admission": command.admission.hex(),
        "experience": experience.id,
        "path": path.id,
        "ticket": ticket,
        "state": path.tickets.state(ticket).word,
        "consumer": path.tickets.consumer(ticket).hex(),
        "kid": window.kid,
        "admitted_at": window.admitted_at,
        "expires_at": window.expires_at,
    }
