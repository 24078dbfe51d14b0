"""What each kind of distribution tells of its own: ``TELLINGS`` says which class speaks for which.

Hands over to: the files of the kinds. A kind that is not named here tells nothing beside what all do.
"""

from typing import Final

from gateway.kinds.appointment import AppointmentTelling
from gateway.kinds.auction import AuctionTelling
from gateway.kinds.base import KindTelling
from gateway.kinds.draw import DrawTelling
from gateway.kinds.queue import QueueTelling
from gateway.kinds.waitlist import WaitlistTelling
from gateway.people import People
from protocol.distributions import kind_of
from protocol.path_replica import PathReplica
from protocol.replica import Replica

TELLINGS: Final[dict[str, type[KindTelling]]] = {
    "appointment": AppointmentTelling,
    "auction": AuctionTelling,
    "draw": DrawTelling,
    "queue": QueueTelling,
    "timed_release": KindTelling,
    "waitlist": WaitlistTelling,
}
SHARED_EVENTS: Final = tuple(event for telling in dict.fromkeys(TELLINGS.values()) for event in telling.SHARED)
PROMPTING_EVENTS: Final = tuple(event for telling in dict.fromkeys(TELLINGS.values()) for event in telling.PROMPTING)


class Kinds:
    """Who speaks for the paths of one experience; ``all`` by kind."""

    def __init__(self, replica: Replica, people: People) -> None:
        self.all = {kind: telling(replica, people) for kind, telling in TELLINGS.items()}

    def of(self, path: PathReplica) -> KindTelling:
        """Who speaks for ``path``."""
        return self.all[kind_of(path.settings.distribution)]
