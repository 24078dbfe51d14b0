"""The auditor: what the log says, what everybody was told, and what the engines were like, held against each other.

It is fed while the world runs (every entry that a gateway saw, the states of the writers between two questions) and
reads the whole log at the end, once for each question that it asks of it:

- ``engine.audit`` reads it alone: order, rate, caps, stock, windows, one ticket and one admission each;
- ``Recount`` finds out itself which batches are applied, from the commands stream, and that windows end on the ms,
  that an outage is made good, that a bucket that could have served did, that stock is what the windows say;
- the real restoration replays it, to the bytes and digests that the writers had;
- the proof of every order by the lottery, as a gateway gives it, is checked as anybody would;
- without its refused and repeated commands it comes to the same state: a "no" changed nothing;
- what every snapshot that counted restores to is the state of that replay at its entry.

Hands over to: ``recount.py``, ``pairs.py``; raises ``Broken``, whose text begins with the name of the check.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

from engine.audit import Audit
from engine.audits.promises import Broken as BrokenLog
from engine.beginning import Beginning
from engine.core.experience import Experience
from engine.io.clock import NS_PER_MS, Reading
from engine.io.streams import LogEntry, RawEntry, log_entry
from engine.restoration import Restoration
from engine.runner import Runner
from engine.takeover import LogError
from protocol import codec
from protocol.events import Admitted, Entry, Expired, WriterChanged
from protocol.kinds.lots import LotsReplica
from protocol.manifest import Manifest
from protocol.proof import Verdict, check, encode
from protocol.replica import Replica
from protocol.streams import START_ID, commands_key, events_key, parse_entry_id
from tests.engine.simulation.gateways import Gateway
from tests.engine.simulation.pairs import PairsCheck
from tests.engine.simulation.people import Asked
from tests.engine.simulation.recount import Recount
from tests.engine.simulation.store import SimulatedStore, Written
from tests.engine.simulation.world import Broken
from tests.engine.stage import assert_agree

DIGEST_EVERY = 5
"""Of so many entries one has the digest of its writer kept."""
CALM_FROM_ENTRY = 2
LATE_MS_MAX = 10
ENTRY_MS = 1

assert DIGEST_EVERY > 1


class Auditor:
    """One for each run."""

    def __init__(self, store: SimulatedStore, experiences: list[str], *, calm: bool) -> None:
        self.pairs = PairsCheck(store)
        self._store = store
        self._experiences = experiences
        self._calm = calm
        self._seen: dict[Written, None] = {}
        self._digests: dict[Written, str] = {}
        self._followed: dict[Written, str] = {}
        self.entries = 0
        self.admitted = 0

    # While the world runs

    def told(self, experience: str, entry_id: str, chain: bytes, entry: Entry) -> None:
        """A gateway has read an entry and told its people."""
        self._seen[Written(experience, entry_id, chain)] = None
        if self._calm and parse_entry_id(entry_id)[1] >= CALM_FROM_ENTRY:
            self._check_prompt(entry_id, entry)

    def _check_prompt(self, entry_id: str, entry: Entry) -> None:
        """Where nothing goes wrong, what is due happens when it is due."""
        for event in entry.events:
            if isinstance(event, Admitted | Expired) and entry.now_ms - event.at > LATE_MS_MAX:
                raise Broken(f"late: entry {entry_id} comes {entry.now_ms - event.at} ms behind what it does")

    def look(self) -> None:
        """A transaction was executed: pairs may count, and the log may be trimmed."""
        for experience in self._experiences:
            self.pairs.look(experience)

    def watch(self, runner: Runner) -> None:
        """The states of an engine that stand at an entry of their logs."""
        for writer in runner._duties.writers.values():
            place = Written(writer.id, writer.end.entry_id, writer.end.chain)
            if writer.ahead is None and writer.end.next_seq % DIGEST_EVERY == 0 and place not in self._digests:
                self._digests[place] = writer.digest()
        for shadow in runner._shadows.kept:
            replica = shadow.replica
            place = Written(replica.experience, replica.entry_id, replica.chain)
            if parse_entry_id(replica.entry_id)[1] % DIGEST_EVERY == 0 and place not in self._followed:
                self._followed[place] = shadow.experience.digest()

    # At the end

    def check(self, experience: str, gateways: list[Gateway], asked: list[Asked]) -> None:
        """Everything about one experience. Raises Broken."""
        log = [log_entry(*entry) for entry in self._store.stream(events_key(experience)).whole]
        commands = self._store.stream(commands_key(experience)).whole
        self.entries += len(log)
        self._check_alone(log)
        self._check_writers(experience, log)
        self._check_told(experience, log)
        recount = Recount(commands)
        for entry in log:
            recount.entry(entry)
        self.admitted += recount.admitted
        self._check_answers([one for one in asked if one.experience == experience], log, recount)
        core, digests = self._check_replay(experience, log, commands)
        self._check_refused(experience, digests, recount)
        for gateway in gateways:
            self._check_gateway(experience, gateway, log, core)

    def _check_alone(self, log: list[LogEntry]) -> None:
        audit = Audit()
        try:
            for entry in log:
                audit.entry(*entry)
        except BrokenLog as broken:
            raise Broken(f"audit: {broken}") from broken

    def _check_writers(self, experience: str, log: list[LogEntry]) -> None:
        """One writer in each epoch, the one that took it, and every epoch above the one before."""
        writer, epoch = b"", 0
        for entry in log:
            first = next(iter(codec.decode_entry(entry.payload).events), None)
            if isinstance(first, WriterChanged):
                if first.epoch <= epoch:
                    raise Broken(f"epochs: {first.epoch} was taken behind {epoch}")
                writer, epoch = first.writer, first.epoch
            wrote = self._store.writers[Written(experience, entry.entry_id, entry.chain)]
            if wrote != writer or parse_entry_id(entry.entry_id)[0] != epoch:
                raise Broken(f"writers: {entry.entry_id} was not written by whoever took epoch {epoch}")

    def _check_told(self, experience: str, log: list[LogEntry]) -> None:
        """What anybody was told is in the log, but for what the store itself lost."""
        there = {Written(experience, entry.entry_id, entry.chain) for entry in log}
        lost = set(self._store.lost)
        for place in self._seen:
            if place.experience == experience and place not in there and place not in lost:
                raise Broken(f"told: entry {place.entry_id} was told and is not in the log")

    def _check_answers(self, asked: list[Asked], log: list[LogEntry], recount: Recount) -> None:
        """Whoever was answered has their command in that entry, once it stands in the log that is."""
        there = {entry.entry_id: entry.chain for entry in log}
        for one in asked:
            if one.answer is not None and there.get(one.answer.entry) == one.chain:
                if one.command not in recount.applied.get(one.answer.entry, []):
                    raise Broken(f"answers: {one.command} was answered by {one.answer.entry}, which did not apply it")

    def _check_replay(
        self, experience: str, log: list[LogEntry], commands: list[RawEntry]
    ) -> tuple[Experience, list[str]]:
        """The state that the real restoration comes to, and its digests on the way."""
        restoration = Restoration(Shelved(log, commands), experience, None)
        chains = {entry.entry_id: entry.chain for entry in log}
        digests = []
        try:
            while not restoration.done:
                before = restoration.entries
                restoration.advance(ENTRY_MS)
                if restoration.entries == before:  # behind the last one
                    continue
                entry_id = restoration.replica.entry_id
                place = Written(experience, entry_id, chains[entry_id])
                if restoration.entries % DIGEST_EVERY == 1 or restoration.entries == len(log):
                    digests.append(restoration.experience.digest())
                    for whose, known in (("writer", self._digests), ("standby", self._followed)):
                        if known.get(place, digests[-1]) != digests[-1]:
                            raise Broken(f"digest: the {whose}'s state at {entry_id} was not that of the replay")
                if place in self.pairs.digests and self.pairs.digests[place] != restoration.experience.digest():
                    raise Broken(f"snapshot: what is restored at {entry_id} is not what the replay comes to")
        except LogError as error:
            raise Broken(f"replay: {error}") from error
        if log:
            self._agree("replica", restoration.experience, restoration.replica)
        return restoration.experience, digests

    def _agree(self, check: str, core: Experience, replica: Replica) -> None:
        try:
            assert_agree(core, replica)
        except AssertionError as error:
            raise Broken(f"{check}: the view of the replica is not the engine's state: {error!r}") from error

    def _check_refused(self, experience: str, digests: list[str], recount: Recount) -> None:
        """The same log without the commands that were refused, or answered as repeats, comes to the same states."""
        without, expected = Experience(experience), iter(digests)
        for count, (entry, batches) in enumerate(recount.steps, 1):
            if entry.events and isinstance(entry.events[0], WriterChanged):
                without.take_over(entry.events[0], entry.now_ms)
            else:
                without.step(entry.now_ms, batches)
            if count % DIGEST_EVERY == 1 or count == len(recount.steps):
                if without.digest() != next(expected):
                    raise Broken("refused: without the commands that were refused or repeated the state is another one")

    def _check_gateway(self, experience: str, gateway: Gateway, log: list[LogEntry], core: Experience) -> None:
        replica = gateway.rooms[experience].replica
        if not log or replica.entry_id != log[-1].entry_id:
            raise Broken(f"liveness: {gateway.name} is at {replica.entry_id} of {experience}, the log at {log[-1:]}")
        self._agree("replica", core, replica)
        for path in replica.paths.values():
            if isinstance(path.kind, LotsReplica) and (proof := path.kind.proof(experience)) is not None:
                answer = check(encode(proof), lambda beacon: None)
                if answer.verdict is not Verdict.OK:
                    raise Broken(f"proof: anybody sees that {answer.findings}")


class Shelved:
    """What a restoration reads, from lists; an entry of the log takes ``ENTRY_MS``, so it can be had one by one."""

    def __init__(self, log: list[LogEntry], commands: list[RawEntry]) -> None:
        self._log = log
        self._commands = commands
        self._steady_ms = 0

    def clocks(self) -> Reading:
        return Reading(self._steady_ms * NS_PER_MS, 0)

    def beginning(self, experience: str, until: str | None) -> Future[Beginning]:
        found: Future[Beginning] = Future()
        found.set_result(Beginning(Experience(experience), Replica(experience), START_ID, None, []))
        return found

    def newest_manifest(self, experience: str, until: str) -> Manifest | None:
        return None

    def log(self, experience: str, after: str) -> Iterator[LogEntry]:
        for entry in self._log:
            self._steady_ms += ENTRY_MS
            yield entry

    def commands(self, experience: str, after: str) -> Iterator[RawEntry]:
        return iter(self._commands)
