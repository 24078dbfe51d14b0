"""Which class runs which kind, and which of the two styles of an auction. Hands over to: the files of the kinds."""

from typing import Final

from engine.distributions.appointment import Appointment
from engine.distributions.auction import Auction
from engine.distributions.base import Distribution
from engine.distributions.draw import Draw
from engine.distributions.dutch_auction import DutchAuction
from engine.distributions.queue import Queue
from engine.distributions.timed_release import TimedRelease
from engine.distributions.waitlist import Waitlist

KINDS: Final[dict[str, type[Distribution]]] = {
    "appointment": Appointment,
    "queue": Queue,
    "draw": Draw,
    "auction": Auction,
    "dutch": DutchAuction,
    "timed_release": TimedRelease,
    "waitlist": Waitlist,
}
