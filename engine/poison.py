"""Poison is set aside: an entry of the commands stream that cannot be applied costs nobody but itself.

A step that raises has spoilt the state, so that is rebuilt; then the entries of that step are applied one by one
(``Care``). The one that raises alone, too, is logged as ``Skipped`` and applied by nobody, ever: a replay honours it.
Its number counts as applied all the same, or its sender would send it for ever. What raises without any command, or
with its entry already skipped, is no poison but a fault of ours that no skipping cures: that experience stops.

Pure. Hands over to: ``engine.writer`` and ``engine.restoration``, which take their batches from here.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from engine.core.experience import Batch
from engine.io.streams import RawEntry, StreamError, command_entry
from protocol import codec
from protocol.events import Skipped
from protocol.streams import parse_entry_id


class Care(NamedTuple):
    """Entries up to and with ``until`` are applied one by one; ``skip`` is not applied ("": none is known yet), because
    of ``error`` (a SHA-256)."""

    until: str
    skip: str = ""
    error: bytes = b""

    def ends_at(self, command_id: str) -> bool:
        """Whether everything is applied, by this entry, that called for care."""
        return parse_entry_id(command_id) >= parse_entry_id(self.until)


class PoisonError(Exception):
    """A batch does not decode, or applying it raised: the state is spoilt. ``care``: how to go on, None: not at all."""

    def __init__(self, text: str, care: Care | None) -> None:
        super().__init__(text)
        self.care = care


def care_after(error: Exception, taken: Sequence[str], care: Care | None) -> Care | None:
    """How to go on after a step with the entries ``taken``, taken with ``care``, has raised ``error``."""
    if not taken or (care is not None and care.skip in taken):
        return None
    if care is None or len(taken) > 1:
        return Care(taken[-1])
    digest = sha256(f"{type(error).__name__}: {error}".encode()).digest()
    return Care(max(care.until, taken[0], key=parse_entry_id), taken[0], digest)


def skipped_of(entry: RawEntry, error: bytes) -> Skipped:
    """The event that sets ``entry`` aside."""
    try:
        found = command_entry(*entry)
    except StreamError:
        return Skipped(entry[0], error, b"", 0)
    return Skipped(entry[0], error, found.sender, found.number)


def batch_of(entry: RawEntry, skipped: Skipped | None) -> Batch:
    """The commands of ``entry``; none where it is ``skipped``. Raises StreamError, DecodeError."""
    if skipped is not None:
        return Batch(skipped.sender, skipped.number, [])
    found = command_entry(*entry)
    return Batch(found.sender, found.number, codec.decode_commands(found.batch))
