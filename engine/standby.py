"""What an engine knows of the experiences that others write: when it saw their last entries arrive.

A standby that takes over lets time go on from the last entry by its own steady clock. That holds only for an entry
that it saw as it came; so after the store was away it looks where the logs end and waits for new entries again.

Hands over to: ``engine.io.clock``, which begins a writer's time at a sighting.
"""

from collections.abc import Iterable

import structlog

from engine.io.clock import Reading, Sighting
from engine.io.outside import Outside
from engine.io.streams import RawEntry, StreamError, log_entry
from protocol.streams import events_key

log = structlog.get_logger()


class Standby:
    """The logs that are watched, and what was last seen of every log."""

    def __init__(self) -> None:
        self._sightings: dict[str, Sighting] = {}
        self._after: dict[str, str] = {}
        self._experiences: dict[str, str] = {}

    @property
    def after(self) -> dict[str, str]:
        """For each watched stream the entry behind which to read."""
        return self._after

    async def watch(self, outside: Outside, experiences: Iterable[str]) -> None:
        """Watch these logs and no others, the new ones from where they end now. Raises RedisError."""
        watched = {events_key(experience): experience for experience in experiences}
        self._after = {
            key: self._after.get(key) or await outside.last_entry_id(experience) for key, experience in watched.items()
        }
        self._experiences = watched

    def forget_places(self) -> None:
        """The store was away: what has arrived meanwhile would be seen too late to tell the time by."""
        self._after = {}

    def receive(self, key: str, entries: list[RawEntry], reading: Reading) -> str:
        """New entries of a watched stream; whose they are. One that cannot be read is no sighting: its writer has to
        answer for it."""
        experience, (entry_id, fields) = self._experiences[key], entries[-1]
        self._after[key] = entry_id
        try:
            entry = log_entry(entry_id, fields)
        except StreamError as error:
            log.warning("entry not readable", experience=experience, reason=str(error))
        else:
            self.note(experience, Sighting(entry.chain, reading.steady_ns))
        return experience

    def note(self, experience: str, sighting: Sighting) -> None:
        """This entry was seen as it arrived, or was written here."""
        self._sightings[experience] = sighting

    def sighting(self, experience: str, chain: bytes) -> Sighting | None:
        """When the entry of this chain arrived, if it was seen arriving."""
        sighting = self._sightings.get(experience)
        return sighting if sighting is not None and sighting.chain == chain else None
