"""What the recount counts with, kind by kind: one path as the log tells it, and what must have happened to it by now.

``COUNTED`` says which class counts which kind. Hands over to: the files of the kinds.
"""

from typing import Final

from tests.engine.simulation.counted.appointment import CountedAppointment
from tests.engine.simulation.counted.draw import CountedDraw
from tests.engine.simulation.counted.dutch import CountedDutch
from tests.engine.simulation.counted.english import CountedEnglish
from tests.engine.simulation.counted.path import CountedPath
from tests.engine.simulation.counted.queue import CountedQueue
from tests.engine.simulation.counted.timed_release import CountedTimedRelease
from tests.engine.simulation.counted.waitlist import CountedWaitlist

COUNTED: Final[dict[str, type[CountedPath]]] = {
    "queue": CountedQueue,
    "appointment": CountedAppointment,
    "draw": CountedDraw,
    "auction": CountedEnglish,
    "dutch": CountedDutch,
    "timed_release": CountedTimedRelease,
    "waitlist": CountedWaitlist,
}
