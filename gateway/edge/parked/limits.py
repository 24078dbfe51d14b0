"""Every bound of the parked edge, in one place, with its unit last, and the relations between them.

The constants that are no field here are facts of the protocol or of the kernel. A ladder: a socket that cannot take
what it is told first loses states, then, without progress for ``slow_s_max`` or with more facts than it may keep, is
closed, and is gone at the latest ``gone_s_max`` after it fell behind.
"""

from dataclasses import dataclass

from gateway.edge.parked.wheel import SPAN

FILES_MIN = 64
FILES_KEPT = 1_024
KEPT_PARTS = 4
"""Descriptors that stay free for handshakes in flight, streams to the store, files: so many, or a quarter of few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one socket may cost and how long it may take. The defaults are the product's."""

    message_bytes_max: int = 4_096
    fragments_max: int = 16
    frames_per_second_max: int = 20
    read_bytes: int = 8_192
    kept_bytes_max: int = 16_384
    """What is kept for a slow socket beside the frame that is half written."""
    slow_s_max: int = 10
    """Without progress."""
    behind_s_max: int = 30
    """With progress, but never through."""
    last_words_s_max: int = 3
    """For the close frame of a socket that was too slow."""
    gone_s_max: int = 15
    closing_s_max: int = 5
    idle_s_max: int = 45
    """Without a frame to the client, after which comes a ping."""
    answer_s_max: int = 12
    """For the answer to a ping."""
    half_open_s_max: int = 60

    def __post_init__(self) -> None:
        assert self.slow_s_max + self.last_words_s_max + 2 <= self.gone_s_max, "two more: ticks are whole seconds"
        assert max(self.behind_s_max, self.closing_s_max, self.idle_s_max) < SPAN, "the wheel sees no further"
        assert self.idle_s_max + self.answer_s_max + 2 <= self.half_open_s_max


PRODUCT = Limits()


def sockets_max(files_max: int) -> int:
    """How many sockets a process with this file limit may park. Raises ValueError for fewer than ``FILES_MIN``."""
    if files_max < FILES_MIN:
        raise ValueError(f"the file limit is {files_max}: at least {FILES_MIN} are needed")
    return files_max - min(FILES_KEPT, files_max // KEPT_PARTS)
