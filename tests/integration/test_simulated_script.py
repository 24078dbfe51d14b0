"""The simulated append script against the real one: random calls to both, the same outcomes and the same store.

A call is what an engine may send at its best or its worst: the next entry, the same again, one that is too old or too
new, behind an entry of the right ID and another chain, by whoever wrote last or anybody else, in the right epoch or
another one, naming commands that are there, were lost or never were. Between the calls commands come and go, and the
counter of epochs is wiped or set.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from engine.io.append import NOTHING, Append, Appender, LogEnd, append_of
from protocol.events import Entry
from protocol.streams import (
    FIELD_BATCH,
    FIELD_NUMBER,
    FIELD_SENDER,
    START_ID,
    commands_key,
    epoch_key,
    events_key,
    shard_of,
    tip_key,
)
from tests.engine.simulation.store import SimulatedStore
from tests.support.samples import EXPERIENCE

CALLS = 60
WRITERS = (b"writer-1" * 2, b"writer-2" * 2, b"writer-3" * 2)
COMMANDS = [{FIELD_SENDER: b"one", FIELD_NUMBER: b"%d" % number, FIELD_BATCH: b""} for number in range(3)]
COMMANDS += [{FIELD_SENDER: b"one", FIELD_BATCH: b""}, {b"something": b"else"}]


class Both:
    """The two stores. ``sent`` has every append that was tried."""

    def __init__(self, client: redis.Redis, seed: int) -> None:
        self.client: Any = client
        self.store = SimulatedStore(lambda: self._chance.randrange(1, 1 << 40), lambda: None)
        self.sent: list[Append] = []
        self.commands: list[str] = []
        self._appender = Appender(client)
        self._chance = Random(seed)
        self._ends = [LogEnd()]

    def act(self) -> None:
        """One of the things that happen."""
        acts: tuple[Callable[[], None], ...] = (self._command, self._lose_command, self._set_epoch, *[self._append] * 9)
        self._chance.choice(acts)()

    def _command(self) -> None:
        last = self.store.stream(commands_key(EXPERIENCE)).last
        entry_id = f"{last[0] + self._chance.randrange(1, 3)}-{self._chance.randrange(2)}"
        fields = self._chance.choice(COMMANDS)
        self.client.xadd(commands_key(EXPERIENCE), fields, id=entry_id)
        self.commands.append(self.store.add(commands_key(EXPERIENCE), fields, entry_id))

    def _lose_command(self) -> None:
        """The newest one, as a failover does."""
        stream = self.store.stream(commands_key(EXPERIENCE))
        if stream.ids:
            self.client.xdel(commands_key(EXPERIENCE), stream.entries.pop()[0])
            stream.ids.pop()

    def _set_epoch(self) -> None:
        key = epoch_key(shard_of(EXPERIENCE))
        if self._chance.random() < 0.5:
            self.client.delete(key)
            self.store.set_value(key, None)
        else:
            epoch = self._chance.randrange(12)
            self.client.set(key, epoch)
            self.store.set_value(key, b"%d" % epoch)

    def _append(self) -> None:
        append = self._some_append()
        assert self._outcome(lambda: self._appender.commit([append])) == self._outcome(
            lambda: self.store.commit([append])
        )
        self.sent.append(append)
        if self.store.tips.get(tip_key(EXPERIENCE), ("",))[0] == append.end.entry_id:
            self._ends.append(append.end)

    def _some_append(self) -> Append:
        chance = self._chance
        if self.sent and chance.random() < 0.2:
            return chance.choice(self.sent)
        previous = self._ends[-1] if chance.random() < 0.8 else chance.choice(self._ends)
        if chance.random() < 0.1:
            previous = previous._replace(chain=chance.randbytes(32))
        epoch = previous.epoch
        if chance.random() < 0.4 or not epoch:
            counter = self.store.epoch(EXPERIENCE)
            epoch = max(1, max(counter, epoch) + chance.choice((1, 1, 1, 1, 0, 2)))
        command = chance.choice([START_ID, *self.commands[-3:], "7777777-0"])
        entry = Entry(1, previous.now_ms + chance.randrange(3), command, {}, "", [])
        owner = self.store.tips.get(tip_key(EXPERIENCE), ("", WRITERS[0], b""))[1]
        writer = owner if epoch == previous.epoch and chance.random() < 0.8 else chance.choice(WRITERS)
        named = chance.choice((NOTHING, self.store.stream(commands_key(EXPERIENCE)).at(command) or {}, *COMMANDS))
        return append_of(EXPERIENCE, writer, epoch, previous, entry, named)

    def _outcome(self, commit: Callable[[], Any]) -> Any:
        try:
            return commit()
        except ResponseError as error:
            return "equal or smaller" in str(error)

    def compare(self) -> None:
        """All that the script reads and writes is the same in both."""
        events = self.client.xrange(events_key(EXPERIENCE))
        assert [(one.decode(), fields) for one, fields in events] == self.store.stream(events_key(EXPERIENCE)).entries
        tip = self.client.hgetall(tip_key(EXPERIENCE))
        entry_id, writer, chain = self.store.tips.get(tip_key(EXPERIENCE), ("", b"", b""))
        assert (tip.get(b"id", b"").decode(), tip.get(b"writer", b""), tip.get(b"chain", b"")) == (
            entry_id,
            writer,
            chain,
        )
        assert int(self.client.get(epoch_key(shard_of(EXPERIENCE))) or 0) == self.store.epoch(EXPERIENCE)


@pytest.mark.parametrize("seed", range(25))
def test_the_simulated_script_does_what_the_real_one_does(client: redis.Redis, seed: int) -> None:
    both = Both(client, seed)
    for _ in range(CALLS):
        both.act()
        both.compare()


def test_the_calls_are_of_all_kinds(client: redis.Redis) -> None:
    outcomes: set[object] = set()
    for seed in range(25):
        client.flushall()
        both = Both(client, seed)
        commit = both.store.commit

        def noted(appends: Any, commit: Any = commit) -> Any:
            outcome = commit(appends)
            outcomes.update(outcome)
            return outcome

        both.store.commit = noted  # type: ignore[method-assign]
        for _ in range(CALLS):
            both.act()
    assert {str(one) for one in outcomes} == {"appended", "done", "fenced", "epoch_taken", "commands_lost"}
