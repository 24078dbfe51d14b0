"""Joins taken in together: whatever they are, the core is as if each had been done alone, and says the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import consumers
from engine.core.experience import Batch, Experience
from protocol.commands import Command, Configure, Credentials, Join, Leave
from protocol.documents import parse
from protocol.events import Answered, AnyEvent, Refused
from protocol.refusals import Refusal
from tests.support.samples import consumer, raw_document

NOW_MS = 1_000_000
SENDER = bytes(8)

GENERAL = {"id": "general", "distribution": {"kind": "queue", "release_rate_per_minute": 0}}
SMALL = {"id": "small", "distribution": {"kind": "queue", "release_rate_per_minute": 0, "capacity": 2}}
FIRST = {"id": "first", "priority": 9, "min_level": "verified", "distribution": GENERAL["distribution"]}
DRAW = {"id": "vip", "priority": 5, "distribution": {"kind": "draw", "winner_count": 1, "closes_at": 2_000_000}}
DOCUMENTS: list[list[dict[str, Any]]] = [[GENERAL], [SMALL], [GENERAL, SMALL], [GENERAL, FIRST], [GENERAL, DRAW]]

commands = st.one_of(
    st.builds(
        Join,
        consumer=st.integers(0, 5).map(consumer) | st.just(b"short"),
        path=st.sampled_from(["", "general", "small", "first", "vip", "none"]),
        implicit=st.booleans(),
        hats=st.sampled_from([1, 1, 3, 0, 256]),
        level=st.sampled_from([0, 0, 2, 9]),
        credentials=st.sampled_from([None, None, Credentials(code="spring")]),
    ),
    st.builds(Leave, consumer=st.integers(0, 5).map(consumer), path=st.just("general")),
)


def begun(paths: list[dict[str, Any]]) -> Experience:
    core = Experience("drop")
    document = parse(raw_document(id="drop", paths=paths), "drop")
    core.step(NOW_MS, [Batch(bytes([1] * 8), 1, [Configure("me", "", document, bytes(32), "k1")])])
    return core


def one_by_one(core: Experience, batch: list[Command]) -> list[AnyEvent]:
    """What the core says when nothing is done together."""
    for index, command in enumerate(batch):
        outcome = consumers.join(core, command) if isinstance(command, Join) else None
        if isinstance(command, Leave):
            outcome = consumers.leave(core, command)
        if isinstance(outcome, Refusal):
            core.journal.add(Refused(SENDER, 1, index, outcome.reason.value, outcome.detail))
        elif outcome:
            core.journal.add(Answered(SENDER, 1, index, outcome))
    return core.journal.take()


@given(paths=st.sampled_from(DOCUMENTS), batch=st.lists(commands, max_size=12))
def test_together_is_one_by_one(paths: list[dict[str, Any]], batch: list[Command]) -> None:
    together, alone = begun(paths), begun(paths)
    events, _ = together.step(NOW_MS, [Batch(SENDER, 1, batch)])
    said = one_by_one(alone, batch)
    assert events[: len(said)] == said
    for path_id, path in together.paths.items():
        assert path.tickets.snapshot() == alone.paths[path_id].tickets.snapshot()


@pytest.mark.parametrize("paths", DOCUMENTS)
def test_many_new_people_are_one_event(paths: list[dict[str, Any]]) -> None:
    """What is shared is worth its code: a thousand who join a path for everybody are taken in as one."""
    core = begun(paths)
    index = consumers.join_together(core, [Join(consumer(one), "general") for one in range(1_000)], 0)
    assert index == (1_000 if "general" in core.paths else 0)
