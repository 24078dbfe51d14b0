"""The auditor's share of each kind: the slow, obvious model of one path. It shares nothing with the core.

``AUDITED`` says which class audits which kind. Hands over to: the files of the kinds.
"""

from typing import Final

from engine.audits.appointment import AuditedAppointment
from engine.audits.auction import AuditedAuction
from engine.audits.draw import AuditedDraw
from engine.audits.dutch_auction import AuditedDutch
from engine.audits.path import AuditedPath
from engine.audits.queue import AuditedQueue
from engine.audits.timed_release import AuditedTimedRelease
from engine.audits.waitlist import AuditedWaitlist

AUDITED: Final[dict[str, type[AuditedPath]]] = {
    "queue": AuditedQueue,
    "appointment": AuditedAppointment,
    "draw": AuditedDraw,
    "auction": AuditedAuction,
    "dutch": AuditedDutch,
    "timed_release": AuditedTimedRelease,
    "waitlist": AuditedWaitlist,
}
