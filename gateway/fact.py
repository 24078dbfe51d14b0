"""A fact: something that happened to one consumer, told to every socket of theirs, every time.

Hands over to: `gateway.facts` and `gateway.kinds`, which make them of events.
"""

from typing import NamedTuple

from gateway.people import Person
from protocol.commands import ConsumerCommand
from protocol.frames import AdmittedFrame, JoinedFrame, TicketFrame
from protocol.kind_frames import (
    AnnouncedFrame,
    BidStatusFrame,
    BookedFrame,
    CancelledFrame,
    DrawResultFrame,
    HeldFrame,
    OfferFrame,
)

FactFrame = (
    JoinedFrame | AdmittedFrame | TicketFrame | OfferFrame | AnnouncedFrame
    | DrawResultFrame | BidStatusFrame | HeldFrame | BookedFrame | CancelledFrame
)  # fmt: skip
Commands = tuple[type[ConsumerCommand], ...]


class Fact(NamedTuple):
    """``frame`` for all sockets of ``person``; it answers those of ``answers`` that one of them sent for its path, and
    where there is an ``id``, only the one that has it."""

    person: Person
    frame: FactFrame
    answers: Commands = ()
    id: str = ""
