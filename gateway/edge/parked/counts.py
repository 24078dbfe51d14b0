"""What the parked edge has counted: for metrics, and for whoever wants to know whether nothing is left behind."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """``parked`` and ``slow`` are how many there are now, lines included in the first; the rest only grows."""

    parked: int = 0
    slow: int = 0
    frames: int = 0
    dropped_states: int = 0
    messages: int = 0
    pings: int = 0
    too_slow: int = 0
    too_many_frames: int = 0
    half_open: int = 0
    no_room: int = 0
    """Handshakes for which there was no descriptor."""
