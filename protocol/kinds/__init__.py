"""What only some kinds of distributions tell, as a reader of the events keeps it: one file a kind that has any of that.

``REPLICAS`` says which class reads which kind. Hands over to: the files of the kinds.
"""

from typing import Final

from protocol.kinds.appointment import AppointmentReplica
from protocol.kinds.auction import AuctionReplica
from protocol.kinds.base import KindReplica
from protocol.kinds.draw import DrawReplica
from protocol.kinds.queue import QueueReplica
from protocol.kinds.timed_release import TimedReleaseReplica
from protocol.kinds.waitlist import WaitlistReplica

REPLICAS: Final[dict[str, type[KindReplica]]] = {
    "appointment": AppointmentReplica,
    "auction": AuctionReplica,
    "draw": DrawReplica,
    "queue": QueueReplica,
    "timed_release": TimedReleaseReplica,
    "waitlist": WaitlistReplica,
}
