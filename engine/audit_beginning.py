"""Where an audit of a trimmed log begins: with the tickets, windows and admissions that a snapshot says there are.

They are taken on trust, as the entries that made them are gone; what is checked is that everything since follows from
them. Spans of the rate are measured from here on. A snapshot stands behind a step, never behind a take-over alone, so
what the next step does by itself was due after it.

Hands over to: ``engine.audit``, which goes on from there.
"""

from struct import iter_unpack

from engine.audit import Audit
from engine.audits import AUDITED
from engine.audits.path import AuditedPath
from engine.audits.promises import Shelves, SpanMeter
from engine.beginning import Beginning
from engine.core.limits import EXPERIENCE_BURST_MS
from engine.core.path import Path
from protocol.distributions import method_of
from protocol.events import CONSUMER_BYTES
from protocol.streams import parse_entry_id


def audit_from(beginning: Beginning) -> Audit:
    """An audit of all that comes behind ``beginning``."""
    audit, core = Audit(), beginning.experience
    if beginning.manifest is None:
        return audit
    audit.entry_id, audit.chain = beginning.manifest.entry_id, beginning.manifest.chain
    audit.next_seq = parse_entry_id(audit.entry_id)[1] + 1
    audit.now_ms = audit.stepped_ms = core.now_ms
    audit.document = core.document
    for variant, shelf in core.stock.shelves.items():
        audit.shelves.left[variant] = None if shelf.total is None else shelf.left
        audit.shelves.totals[variant] = shelf.total
        audit.shelves.reserved[variant] = shelf.reserved
    audit.paths = {path_id: _path(path, audit.shelves) for path_id, path in core.paths.items()}
    for path_id, path in audit.paths.items():
        path.resume_promise(beginning.replica.paths[path_id].kind)
    audit.link()
    audit.over_all = SpanMeter(core.meter.bucket.rate, EXPERIENCE_BURST_MS)
    audit.admissions = dict(core.admissions)
    return audit


def _path(path: Path, shelves: Shelves) -> AuditedPath:
    audited = AUDITED[method_of(path.settings.distribution)](path.settings, shelves)
    consumers = [consumer for (consumer,) in iter_unpack(f"{CONSUMER_BYTES}s", path.tickets.consumers)]
    windows = {ticket: window.expires_at for ticket, window in path.windows.open.items()}
    audited.resume(bytes(path.tickets.states), consumers, windows, path.meter.completed)
    audited.hats = list(path.tickets.hats)
    audited.phase, audited.paused, audited.closes_at = path.phase, path.paused, path.closes_at
    if path.choices is not None:
        audited.choices = dict(path.choices.wanted)
    if path.settings.product_selection != "checkout":
        audited.allotted = {ticket: window.variant for ticket, window in path.windows.open.items()}
        audited.allotted |= {ticket: offer.variant for ticket, offer in path.offers.open.items()}
    audited.resume_kind(path.distribution.snapshot(), path.offers.snapshot())
    return audited
