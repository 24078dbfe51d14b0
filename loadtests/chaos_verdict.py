"""What the chaos run has shown: read from the log alone, and then what everybody was told is held against it.

The log is read by the auditor, which shares nothing with the engine, and once more by replays: one up to each entry at
which an engine that ended in order wrote down the digest of its state.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from loadtests.chaos_faults import OF_ENGINE, OF_STORE, Fault
from loadtests.chaos_shoppers import LINE, Shoppers
from loadtests.chaos_stage import ChaosStage
from loadtests.parts import Audited, Parts
from loadtests.report import Report, progress
from loadtests.swarm_member import consumer_of
from loadtests.workload import PATH
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key

READ_ENTRIES = 1_000
REPLAY_S = 300.0
SLACK_S = 2.0
EXAMPLES = 5
_DIGEST = re.compile(r"event=written experience=(?P<experience>\S+) entry=(?P<entry>\S+) digest=(?P<digest>\S+)")
_REPLAYED = re.compile(r"digest\s+(\S+)")
_ERROR = re.compile(r"level=error event=(\"[^\"]+\"|\S+)|^(Traceback)", re.MULTILINE)


class Verdict:
    """Reports on one run, once nobody writes any more."""

    def __init__(
        self, parts: Parts, stage: ChaosStage, report: Report, experience: str, detail: dict[str, Any]
    ) -> None:
        self._parts, self._stage, self._report, self._experience = parts, stage, report, experience
        self._detail = detail
        progress.print("reading the log")
        self.audited: Audited = parts.auditor(self._log())

    def judge_log(self) -> None:
        """Order, one admission each, rate, caps, stock, windows, chain: what the auditor counts again."""
        broken = self.audited.broken
        self._check("promises broken in the log", bool(broken), {"broken": broken, **self.audited.summary})

    def judge_tickets(self, tickets: Sequence[int], seen: Sequence[dict[str, Any]]) -> None:
        """``tickets``: what each consumer of the crowd, from number 0 on, was told last; ``seen``: of its swarms."""
        consumers = self.audited.consumers.get(PATH, [])
        lost = [
            number
            for number, ticket in enumerate(tickets)
            if not 0 <= ticket < len(consumers) or consumers[ticket] != consumer_of(number)
        ]
        strayed = sum(one["strayed"] for one in seen)
        detail = {"not_in_the_log": len(lost), "told_another": strayed, "first": lost[:EXAMPLES]}
        self._check("tickets lost after joined", len(lost) + strayed, detail)
        names = ("opened", "lost", "refused", "rose", "disordered")
        counted = {name: sum(one[name] for one in seen) for name in names}
        first = [one["disorder"] for one in seen if one["disorder"]]
        self._check("frames out of order", counted["rose"] + counted["disordered"], {**counted, "first": first})

    def judge_shoppers(self, shoppers: Shoppers) -> None:
        """Whatever a shopper was told must stand in the log."""
        consumers, told = self.audited.consumers.get(LINE, []), shoppers.told
        wrong: Counter[str] = Counter()
        for one in told:
            wrong["strayed"] += one.strayed
            wrong["denied"] += one.denied
            if one.ticket is not None:
                wrong["ticket"] += consumers[one.ticket : one.ticket + 1] != [bytes.fromhex(one.consumer)]
            if one.admission:
                wrong["admission"] += self.audited.admissions.get(bytes.fromhex(one.admission)) != (LINE, one.ticket)
            wrong["completed"] += one.completed and (LINE, one.ticket) not in self.audited.completed
        tickets = [one.ticket for one in told if one.ticket is not None]
        wrong["shared"] = len(tickets) - len(set(tickets))
        counts = {
            "shoppers": len(told),
            "told_admitted": sum(bool(one.admission) for one in told),
            "told_completed": sum(one.completed for one in told),
            "asked_again": dict(shoppers.failures),
        }
        self._check("what shoppers were told and the log does not show", sum(wrong.values()), {**wrong, **counts})

    def judge_digests(self) -> None:
        """Every digest that an engine wrote down against a replay up to the same entry."""
        said = {
            found["entry"]: found["digest"]
            for engine in self._stage.engines
            for found in _DIGEST.finditer(engine.log())
            if found["experience"] == self._experience
        }
        differ = []
        for count, (entry, digest) in enumerate(said.items(), 1):
            progress.print(f"replay {count} of {len(said)}, up to {entry}")
            if self._replayed(entry) != digest:
                differ.append(entry)
        detail = {"compared": len(said), "differ": differ[:EXAMPLES]}
        self._check("digests that a replay does not reach", len(differ) if said else 1, detail)

    def judge_gateways(self) -> None:
        """What every gateway counts against what the log holds."""
        summary, differ = self.audited.summary, []
        for number in range(len(self._stage.gateways)):
            stats = self._stage.ask(number, "GET", f"/v1/control/experiences/{self._experience}/stats")
            counted = {one["id"]: (one["joined"], one["admitted"], one["completed"]) for one in stats["paths"]}
            held = {path: (one["tickets"], one["admitted"], one["completed"]) for path, one in summary["paths"].items()}
            if stats["entry"] != summary["last"] or counted != held:
                differ.append({"gateway": number, "entry": stats["entry"], "counted": counted})
        self._check("gateways that count otherwise than the log", len(differ), {"differ": differ})

    def judge_parts(self) -> None:
        """What the parts said, and whether one ended though nobody had asked it to."""
        parts = [*self._stage.engines, *self._stage.gateways]
        errors = Counter(
            (part.name.split(" ")[0], found[1] or found[2]) for part in parts for found in _ERROR.finditer(part.log())
        )
        named: dict[str, Any] = {f"{part}: {event}": count for (part, event), count in errors.items()}
        named["first"] = [line for part in parts for line in part.log().splitlines() if _ERROR.search(line)][:EXAMPLES]
        self._check("errors in the logs of engines and gateways", errors.total(), named)
        died = {part.name: part.died for part in self._stage.parts() if part.died}
        self._check("parts that ended by themselves", sum(died.values()), died)

    def judge_takeovers(self, faults: Sequence[Fault], lease_s: float) -> None:
        """How long nobody wrote, by kind of fault."""
        counts, planned = Counter(fault.kind for fault in faults), self._detail["planned"]
        self._report.check(
            "chaos: faults", "count", f"≥ {planned}", len(faults),
            holds=len(faults) >= planned, detail={**self._detail, "kinds": dict(sorted(counts.items()))},
        )  # fmt: skip
        for kind in sorted(counts):
            hit = [one for one in faults if one.kind == kind and one.writer and one.taken_s is not None]
            times = [one.taken_s for one in hit if one.taken_s is not None and not one.alone]
            if times:
                served = [one.served_s for one in hit if one.served_s is not None and not one.alone]
                detail: dict[str, Any] = {
                    "p50_s": median(times),
                    "serving_p50_s": median(served),
                    "serving_max_s": max(served),
                }
                detail["nobody_stood_by_s"] = [one.taken_s for one in hit if one.alone]
                bar_s = lease_s + SLACK_S if kind in OF_ENGINE else float("inf")
                bar = f"≤ {bar_s:g}" if kind in OF_ENGINE else "told"
                self._report.check(
                    f"chaos: {kind}, taken over after, max", "s", bar, max(times),
                    holds=max(times) <= bar_s, detail={**detail, "count": len(times)},
                )  # fmt: skip
        self._judge_store(faults, lease_s)

    def _judge_store(self, faults: Sequence[Fault], lease_s: float) -> None:
        for kind in sorted(OF_STORE):
            beyond = [
                one.back_s - one.load_s
                for one in faults
                if one.kind == kind and one.back_s is not None and one.load_s is not None
            ]
            if beyond:
                loads = [one.load_s for one in faults if one.kind == kind and one.load_s is not None]
                detail = {"p50_s": median(beyond), "load_p50_s": median(loads), "load_max_s": max(loads)}
                self._report.check(
                    f"chaos: {kind}, written again after its load time, max", "s", f"≤ {lease_s:g}", max(beyond),
                    holds=max(beyond) <= lease_s, detail={**detail, "count": len(beyond)},
                )  # fmt: skip

    def _check(self, what: str, wrong: int, detail: dict[str, Any]) -> None:
        self._report.check(f"chaos: {what}", "count", "0", wrong, holds=wrong == 0, detail=detail)

    def _log(self) -> Iterator[tuple[str, bytes, bytes]]:
        after = "-"
        while True:
            read: Any = self._stage.redis.xrange(events_key(self._experience), after, count=READ_ENTRIES)
            if not read:
                return
            for entry_id, fields in read:
                yield entry_id.decode(), fields[FIELD_ENTRY], fields[FIELD_CHAIN]
            after = f"({read[-1][0].decode()}"

    def _replayed(self, entry: str) -> str:
        """The digest that a replay up to ``entry`` ends with; what it complains of, if it fails."""
        run = subprocess.run(
            [*self._parts.replay, self._experience, "--until", entry],
            env=os.environ | {"STANCHION_REDIS_URL": self._stage.redis_url, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=REPLAY_S,
            check=False,
        )
        found = _REPLAYED.search(run.stdout)
        return found[1] if run.returncode == 0 and found is not None else run.stderr
