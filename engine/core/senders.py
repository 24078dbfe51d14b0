"""At least once in, exactly once in effect.

Two memories make it so. ``Senders``: a gateway numbers its batches 1, 2, 3 …; the one after the last applied is
applied, any other is dropped, so a sender costs two integers however often it repeats itself. ``Answers``: what a
merchant may repeat through another gateway carries an Idempotency-Key; the answer is kept with a hash of the content.
Both forget by log time, oldest first, so that replaying forgets at the same entry.
"""

from collections import OrderedDict
from hashlib import sha256
from typing import Any

from msgspec import structs

from engine.core.limits import ANSWER_AGE_MS_MAX, ANSWERS_MAX, SENDER_SILENT_MS_MAX
from protocol.codec import encode_command
from protocol.commands import Command, Configure, MerchantCommand

_HASH_BYTES = 16


class Senders:
    """The last number applied of each sender, least recently heard first."""

    def __init__(self) -> None:
        self._last: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        """How many were heard lately."""
        return len(self._last)

    def accept(self, sender: bytes, number: int, now_ms: int) -> bool:
        """Whether this batch is the next of its sender; if so it counts as applied."""
        last, _ = self._last.get(sender, (0, 0))
        if number != last + 1:
            return False
        self._last[sender] = (number, now_ms)
        self._last.move_to_end(sender)
        return True

    def last(self, sender: bytes) -> int:
        """The last number applied, 0 for an unknown sender."""
        return self._last.get(sender, (0, 0))[0]

    def forget(self, now_ms: int) -> None:
        """Close the senders that have been silent for too long."""
        while self._last:
            _, heard_ms = self._last[next(iter(self._last))]
            if heard_ms >= now_ms - SENDER_SILENT_MS_MAX:
                break
            self._last.popitem(last=False)

    def snapshot(self) -> list[Any]:
        return list(self._last.items())

    def restore(self, data: list[Any]) -> None:
        self._last = OrderedDict((sender, (number, heard_ms)) for sender, (number, heard_ms) in data)


class Answers:
    """Idempotency-Keys with the answers they got, oldest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[bytes, int, dict[str, Any]]] = OrderedDict()

    def find(self, command: MerchantCommand) -> dict[str, Any] | None:
        """The answer that this very command, which has a key, got before, or None. Raises KeyError if the key had
        another content."""
        kept = self._kept.get(command.key)
        if kept is None:
            return None
        if kept[0] != _content(command):
            raise KeyError(command.key)
        return kept[2]

    def keep(self, command: MerchantCommand, answer: dict[str, Any], now_ms: int) -> None:
        """Keep the answer for a repeat of this command, which has a key."""
        self._kept[command.key] = (_content(command), now_ms, answer)

    def forget(self, now_ms: int) -> None:
        """Drop what is too old or too many."""
        while self._kept:
            _, kept_ms, _ = self._kept[next(iter(self._kept))]
            if kept_ms >= now_ms - ANSWER_AGE_MS_MAX and len(self._kept) <= ANSWERS_MAX:
                break
            self._kept.popitem(last=False)

    def snapshot(self) -> list[Any]:
        return list(self._kept.items())

    def restore(self, data: list[Any]) -> None:
        self._kept = OrderedDict((key, (content, kept_ms, answer)) for key, (content, kept_ms, answer) in data)


def _content(command: MerchantCommand) -> bytes:
    """A hash of what is asked, without who asks, the key itself and what a gateway makes anew each time."""
    bare: Command = structs.replace(command, actor="", key="")  # type: ignore[assignment]
    if isinstance(bare, Configure):
        bare = structs.replace(bare, secret=b"", kid="")
    return sha256(encode_command(bare)).digest()[:_HASH_BYTES]
