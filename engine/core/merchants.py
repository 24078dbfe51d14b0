"""What the merchant may ask of an experience as a whole: its document, its rates and caps, its stock, a notice.

Each answers with a Refusal, which changed nothing, or with what the sender is told. A repeat with the same
Idempotency-Key never gets here: ``Experience.step`` gives it the answer it got before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UnsetType

from engine.core.limits import SECRET_BYTES
from protocol import commands as c
from protocol.distributions import Queue, kind_of, promised_of
from protocol.documents import Experience as Document
from protocol.documents import Path as PathSettings
from protocol.documents import with_release_rate, with_stock
from protocol.events import NoticePosted, ReleaseRateChanged
from protocol.fields import Count, Rate
from protocol.forms import fits
from protocol.refusals import Reason, Refusal

if TYPE_CHECKING:
    from engine.core.experience import Experience
    from engine.core.path import Path

Outcome = Refusal | dict[str, Any]


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
    if kind_of(before) != kind_of(after):
        return [*found, "distribution.kind"]
    changed = path.distribution.changed_fields(settings)
    return found + [f"distribution.{field}" if hasattr(before, field) else field for field in changed]


def _currencies(document: Document, variants: list[str]) -> list[str]:
    sold = frozenset(variants)
    every = [variant for product in document.products for variant in product.variants]
    return [variant.currency for variant in every if variant.id in sold]


def set_release_rate(experience: Experience, command: c.SetReleaseRate) -> Outcome:
    """Change rate and caps of a path, or of all paths together, from this instant on."""
    path = experience.paths.get(command.path)
    if command.path and path is None:
        return Refusal(Reason.NOT_FOUND, {"path": command.path})
    assert experience.document is not None, "commands before the first Configure are refused"
    told = path.settings.distribution if path else experience.document
    before = (told.release_rate_per_minute, told.max_active, told.max_admissions)
    asked = (command.limits.release_rate_per_minute, command.limits.max_active, command.limits.max_admissions)
    rate, max_active, max_admissions = map(_new, asked, before)
    if path and rate is None and isinstance(path.settings.distribution, Queue):
        return Refusal(Reason.INVALID, {"field": "release_rate_per_minute", "allowed": "a number: a queue has a rate"})
    if not (fits(rate, Rate) and fits(max_active, Count) and fits(max_admissions, Count)):
        return Refusal(Reason.INVALID, {"allowed": "rates and caps as the document allows them, or null"})
    if path and max_admissions is not None and max_admissions != told.max_admissions:
        promised = promised_of(path.settings.distribution)
        if promised is not None and max_admissions < promised[1]:
            allowed = f"at least {promised[0]}, {promised[1]}, or null: so many are promised a turn"
            return Refusal(Reason.INVALID, {"field": "max_admissions", "allowed": allowed})
    if (rate, max_active, max_admissions) == before:
        return {"revision": experience.revision, "changed": False}
    experience.revision += 1
    experience.document = with_release_rate(experience.document, command.path, rate, max_active, max_admissions)
    if path:
        path.settings = experience.settings_of(path.id)
        path.limit(path.settings, experience.now_ms)
    else:
        experience.limit(experience.document)
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


def post_notice(experience: Experience, command: c.PostNotice) -> Outcome:
    """Tell everybody."""
    experience.journal.add(NoticePosted(command.text, command.level, command.until, experience.now_ms, command.actor))
    return {}
