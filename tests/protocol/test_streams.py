"""Key names: one shard an experience, one hash tag a shard, and entry IDs there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import streams

IDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)


def _tag(key: str) -> str:
    return key[key.index("{") : key.index("}") + 1]


@given(IDS)
def test_all_keys_of_an_experience_lie_on_its_shard(experience: str) -> None:
    shard = streams.shard_of(experience)
    assert 0 <= shard < streams.SHARDS
    of_experience = [streams.commands_key, streams.events_key, streams.tip_key]
    of_experience += [streams.snapshot_key, streams.readers_key]
    of_entry = [streams.snapshot_chunks_key, streams.replica_chunks_key]
    of_shard = [streams.lease_key, streams.epoch_key, streams.experiences_key, streams.wake_key]
    keys = [key(experience) for key in of_experience] + [key(shard) for key in of_shard]
    keys += [key(experience, entry_id) for key in of_entry for entry_id in ("1-2", "1-3")]
    assert len({_tag(key) for key in keys}) == 1
    assert len(set(keys)) == 13


@given(IDS, IDS)
def test_two_experiences_share_no_key(one: str, other: str) -> None:
    assert (streams.events_key(one) == streams.events_key(other)) == (one == other)


def test_the_shard_of_an_experience_never_changes() -> None:
    assert [streams.shard_of(name) for name in ("demo", "drop", "a")] == [4, 18, 10]


@given(NUMBERS, NUMBERS)
def test_an_entry_id_is_read_as_it_was_written(epoch: int, seq: int) -> None:
    assert streams.parse_entry_id(streams.format_entry_id(epoch, seq)) == (epoch, seq)


@pytest.mark.parametrize("wrong", ["", "7", "7-", "-7", "a-1", "1-2-3"])
def test_what_is_no_entry_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"entry ID|invalid literal"):
        streams.parse_entry_id(wrong)


def test_the_first_id_and_chain_come_before_all_others() -> None:
    assert streams.parse_entry_id(streams.START_ID) == (0, 0)
    assert streams.GENESIS_CHAIN == bytes(32)


@pytest.mark.parametrize("shard", [0, 7, streams.SHARDS - 1])
def test_a_key_names_its_shard(shard: int) -> None:
    assert streams.shard_of_key(streams.wake_key(shard)) == shard
    with pytest.raises(ValueError, match="substring not found"):
        streams.shard_of_key("wake")
