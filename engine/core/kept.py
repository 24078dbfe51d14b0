"""What a waitlist asks of the appointment that it is attached to: the place in a slot that is kept for its offer is
taken, or given back. Nobody outside the engine can ask this.
"""

from typing import NamedTuple


class TakeKept(NamedTuple):
    """Book a place that is kept in ``slot`` for ``consumer``, who has ``hats`` where a ticket is to be taken first."""

    slot: str
    consumer: bytes
    hats: int


class GiveBackKept(NamedTuple):
    """A place that is kept in ``slot`` is free again."""

    slot: str
