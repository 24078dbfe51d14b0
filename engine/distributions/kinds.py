"""Which class runs which kind. Hands over to: the files of the kinds."""

from typing import Final

from engine.distributions.appointment import Appointment
from engine.distributions.base import Distribution
from engine.distributions.queue import Queue

KINDS: Final[dict[str, type[Distribution]]] = {
    "appointment": Appointment,
    "queue": Queue,
}
