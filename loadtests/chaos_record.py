"""What a chaos run has collected once nobody writes any more. The verdict (``chaos_verdict``) needs nothing else, so
it can be given again, from a file, long after the stage is gone.

The digests are those that engines which ended in order wrote down; each has a replay of the log up to its entry.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from loadtests import chaos_day
from loadtests.chaos_faults import Fault
from loadtests.chaos_guests import GuestTold
from loadtests.chaos_kinds import Guests
from loadtests.chaos_shoppers import Shoppers, Told
from loadtests.chaos_stage import ChaosStage
from loadtests.parts import Parts
from loadtests.report import progress
from loadtests.swarm_member import Heard
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key

READ_ENTRIES = 1_000
REPLAY_S = 300.0
_DIGEST = re.compile(r"event=written experience=(?P<experience>\S+) entry=(?P<entry>\S+) digest=(?P<digest>\S+)")
_REPLAYED = re.compile(r"digest\s+(\S+)")


class KindsRecord(Struct, kw_only=True):
    """The same of the second experience: what its ``guests`` were told, and its log, stats and replays."""

    experience: str
    log: list[tuple[str, bytes, bytes]]
    guests: list[GuestTold]
    asked_again: dict[str, int]
    stats: list[dict[str, Any]]
    replayed: dict[str, str]


class Record(Struct, kw_only=True):
    """``planned``: the plan, ``lease_s`` apart; ``log``: ID, payload and chain of every entry; ``tickets``: what each
    consumer of the crowd, from number 0 on, was told last, and ``seen`` what its swarms have seen; ``stats``: of each
    gateway; ``logs`` and ``died``: what each part said, and how often it ended though nobody had asked it to;
    ``replayed``: the digest that a replay up to an entry reached, or its complaint; ``back_s``: how long after the last
    fault every socket was back, None if not in time."""

    experience: str
    planned: dict[str, int]
    lease_s: float
    log: list[tuple[str, bytes, bytes]]
    tickets: list[int]
    seen: list[dict[str, Any]]
    shoppers: list[Told]
    asked_again: dict[str, int]
    stats: list[dict[str, Any]]
    logs: dict[str, str]
    died: dict[str, int]
    replayed: dict[str, str]
    faults: list[Fault]
    back_s: float | None
    kinds: KindsRecord


def digests_said(record_logs: Mapping[str, str], experience: str) -> dict[str, str]:
    """The digests of this experience that engines wrote down, by entry."""
    found = (one for log in record_logs.values() for one in _DIGEST.finditer(log))
    return {one["entry"]: one["digest"] for one in found if one["experience"] == experience}


class Recorder:
    """Collects from ``stage``, on which nobody writes ``experience`` any more."""

    def __init__(self, parts: Parts, stage: ChaosStage, experience: str) -> None:
        self._parts, self._stage, self._experience = parts, stage, experience

    def record(
        self,
        planned: dict[str, int],
        lease_s: float,
        told: Sequence[Heard],
        shoppers: Shoppers,
        guests: Guests,
        faults: list[Fault],
        back_s: float | None,
    ) -> Record:
        """All that there is, with what only the bench knows."""
        logs = {part.name: part.log() for part in (*self._stage.engines, *self._stage.gateways)}
        return Record(
            experience=self._experience,
            planned=planned,
            lease_s=lease_s,
            log=self._log(self._experience),
            tickets=[ticket for one in told for ticket in one.tickets],
            seen=[one.seen for one in told],
            shoppers=shoppers.told,
            asked_again=dict(shoppers.failures),
            stats=self._stats(self._experience),
            logs=logs,
            died={part.name: part.died for part in self._stage.parts()},
            replayed=self._replays(self._experience, logs),
            faults=faults,
            back_s=back_s,
            kinds=KindsRecord(
                experience=chaos_day.EXPERIENCE,
                log=self._log(chaos_day.EXPERIENCE),
                guests=guests.told,
                asked_again=dict(guests.failures),
                stats=self._stats(chaos_day.EXPERIENCE),
                replayed=self._replays(chaos_day.EXPERIENCE, logs),
            ),
        )

    def _log(self, experience: str) -> list[tuple[str, bytes, bytes]]:
        log: list[tuple[str, bytes, bytes]] = []
        after = "-"
        while True:
            read: Any = self._stage.redis.xrange(events_key(experience), after, count=READ_ENTRIES)
            if not read:
                return log
            log += [(entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN]) for entry_id, fields in read]
            after = f"({log[-1][0]}"

    def _stats(self, experience: str) -> list[dict[str, Any]]:
        gateways = range(len(self._stage.gateways))
        return [self._stage.ask(number, "GET", f"/v1/control/experiences/{experience}/stats") for number in gateways]

    def _replays(self, experience: str, logs: Mapping[str, str]) -> dict[str, str]:
        entries, reached = list(digests_said(logs, experience)), {}
        for count, entry in enumerate(entries, 1):
            progress.print(f"{experience}: replay {count} of {len(entries)}, up to {entry}")
            reached[entry] = self._replayed(experience, entry)
        return reached

    def _replayed(self, experience: str, entry: str) -> str:
        """The digest that a replay up to ``entry`` ends with; what it complains of, if it fails."""
        try:
            run = subprocess.run(
                [*self._parts.replay, experience, "--until", entry],
                env=os.environ | {"STANCHION_REDIS_URL": self._stage.redis_url, "COLUMNS": "200"},
                capture_output=True,
                text=True,
                timeout=REPLAY_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not replayed within {REPLAY_S:g} s"
        found = _REPLAYED.search(run.stdout)
        return found[1] if run.returncode == 0 and found is not None else run.stderr
