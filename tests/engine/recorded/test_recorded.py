"""A log that was recorded once replays to the same bytes and the same digest, in this version and every later one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from engine.core.experience import RULES
from engine.takeover import LogError
from protocol.events import AnyEvent
from tests.engine.recorded.recording import BYTES_MAX, FOLDER, RECIPES, read, recipe_of, recordings
from tests.engine.stage import assert_agree


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_a_recorded_log_replays_to_its_digest(path: Path) -> None:
    recording = read(path)
    replayed = recording.replayed()
    assert replayed.entries == len(recording.log), "every entry came out byte for byte"
    assert replayed.experience.digest() == recording.digest
    assert_agree(replayed.experience, replayed.replica)


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_a_recorded_log_holds_all_that_happens(path: Path) -> None:
    counts = read(path).counts()
    assert {kind: count for kind, count in recipe_of(path).wanted.items() if counts[kind] < count} == {}
    assert path.stat().st_size <= BYTES_MAX


def test_every_event_stands_in_a_recorded_log() -> None:
    """So none can change its meaning unnoticed; one that is new is recorded with the rules that bring it."""
    recorded = {kind for path in recordings() for kind in read(path).counts()}
    assert [kind.__name__ for kind in get_args(AnyEvent) if kind not in recorded] == []


@pytest.mark.parametrize("name", RECIPES)
def test_there_is_one_of_this_version(name: str) -> None:
    assert (FOLDER / f"rules-{RULES}{name}.msgpack") in recordings()


def test_a_changed_byte_is_not_replayed() -> None:
    recording = read(recordings()[-1])
    entry_id, payload, chain = recording.log[40]
    recording.log[40] = (entry_id, payload[:-1] + bytes([payload[-1] ^ 1]), chain)
    with pytest.raises(LogError, match=f"entry {entry_id} does not decode|the chain breaks at entry {entry_id}"):
        recording.replayed()
