"""How the engine goes on after a step that raised: with care, then without the one entry, then not at all."""

from __future__ import annotations

from hashlib import sha256

import pytest

from engine.core.experience import Batch
from engine.io.streams import StreamError
from engine.poison import Care, batch_of, care_after, skipped_of
from protocol.codec import DecodeError, encode_commands
from protocol.commands import Attach, Command
from protocol.events import Skipped
from protocol.streams import FIELD_BATCH, FIELD_NUMBER, FIELD_SENDER
from tests.support.samples import consumer

ERROR = ValueError("no")
DIGEST = sha256(b"ValueError: no").digest()
COMMANDS: list[Command] = [Attach(consumer(1))]
FIELDS = {FIELD_SENDER: b"sender-1", FIELD_NUMBER: b"7", FIELD_BATCH: encode_commands(COMMANDS)}


@pytest.mark.parametrize(
    ("taken", "care", "then"),
    [
        ([], None, None),
        ([], Care("9-0"), None),
        (["9-0", "10-0"], None, Care("10-0")),
        (["9-0"], None, Care("9-0")),
        (["9-0"], Care("10-0"), Care("10-0", "9-0", DIGEST)),
        (["10-0"], Care("9-0"), Care("10-0", "10-0", DIGEST)),
        (["9-0"], Care("10-0", "8-0", bytes(32)), Care("10-0", "9-0", DIGEST)),
        (["9-0"], Care("10-0", "9-0", DIGEST), None),
    ],
)
def test_care_narrows_down_to_the_one_that_raises(taken: list[str], care: Care | None, then: Care | None) -> None:
    assert care_after(ERROR, taken, care) == then


def test_care_ends_with_the_last_entry_that_called_for_it() -> None:
    care = Care("10-5")
    assert [care.ends_at(one) for one in ("9-99", "10-4", "10-5", "11-0")] == [False, False, True, True]


def test_what_is_skipped_keeps_its_number_and_loses_its_commands() -> None:
    assert batch_of(("5-0", FIELDS), None) == Batch(b"sender-1", 7, COMMANDS)
    skipped = skipped_of(("5-0", FIELDS), DIGEST)
    assert skipped == Skipped("5-0", DIGEST, b"sender-1", 7)
    assert batch_of(("5-0", FIELDS), skipped) == Batch(b"sender-1", 7, [])


def test_what_cannot_even_be_read_is_skipped_without_a_sender() -> None:
    assert skipped_of(("5-0", {b"other": b""}), DIGEST) == Skipped("5-0", DIGEST, b"", 0)
    with pytest.raises(StreamError):
        batch_of(("5-0", {b"other": b""}), None)
    with pytest.raises(DecodeError):
        batch_of(("5-0", FIELDS | {FIELD_BATCH: b"\xc1"}), None)
