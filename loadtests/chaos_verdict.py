"""What the chaos run has shown: read from the log alone, and then what everybody was told is held against it.

The log of each experience is read by the auditor, which shares nothing with the engine, and once more by replays: one
up to each entry at which an engine that ended in order wrote down the digest of its state. All of it is judged from a
``Record``, so each check can be shown to fail on one in which something is wrong
(``tests/deploy/test_chaos_verdict.py``, ``test_chaos_kinds_verdict.py``).

Hands over to: ``chaos_kinds_verdict``, for what the guests of the other kinds were told.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from loadtests.chaos_faults import OF_ENGINE, OF_STORE, Fault
from loadtests.chaos_kinds_verdict import KindsVerdict
from loadtests.chaos_record import KindsRecord, Record, digests_said
from loadtests.chaos_shoppers import LINE
from loadtests.parts import Audited, Parts
from loadtests.report import Report, progress
from loadtests.swarm_member import consumer_of
from loadtests.workload import PATH

BACK_S = 90.0
SLACK_S = 2.0
EXAMPLES = 5
_ERROR = re.compile(r"level=error event=(\"[^\"]+\"|\S+)|^(Traceback)", re.MULTILINE)


def judge(record: Record, parts: Parts, report: Report) -> None:
    """Report on one run."""
    progress.print("reading the log")
    kinds = record.kinds
    audited, kinds_audited = parts.auditor(record.log), parts.auditor(kinds.log)
    Verdict(record, audited, kinds_audited, report).judge()
    KindsVerdict(kinds.guests, kinds.log, kinds_audited, report).judge()


def judge_again(files: list[Path], parts: Parts, report: Report) -> None:
    """Report on runs that were recorded. Raises OSError, RuntimeError."""
    for file in files:
        try:
            record = msgspec.msgpack.decode(file.read_bytes(), type=Record)
        except msgspec.DecodeError as error:
            raise RuntimeError(f"{file} is no record of a chaos run of this version: {error}") from error
        judge(record, parts, report)


class Verdict:
    """Reports on ``record``, whose log shows what ``audited`` says, and that of the kinds what ``kinds`` says."""

    def __init__(self, record: Record, audited: Audited, kinds: Audited, report: Report) -> None:
        self._record, self._audited, self._report = record, audited, report
        self._both: list[tuple[Record | KindsRecord, Audited]] = [(record, audited), (record.kinds, kinds)]

    def judge(self) -> None:
        """All of it."""
        self._judge_log()
        self._judge_tickets()
        self._judge_shoppers()
        self._judge_gateways()
        self._judge_digests()
        self._judge_parts()
        self._judge_faults()
        self._judge_takeovers()
        self._judge_store()
        self._judge_return()

    def _judge_log(self) -> None:
        """Order, one admission each, rate, caps, stock, windows, chain: what the auditor counts again."""
        broken = "; ".join(f"{one.experience}: {audited.broken}" for one, audited in self._both if audited.broken)
        held = {one.experience: audited.summary for one, audited in self._both}
        self._check("promises broken in the log", bool(broken), {"broken": broken, **held})

    def _judge_tickets(self) -> None:
        """What each of the crowd was told, on whichever socket, and in which order."""
        consumers, seen = self._audited.consumers.get(PATH, []), self._record.seen
        lost = [
            number
            for number, ticket in enumerate(self._record.tickets)
            if not 0 <= ticket < len(consumers) or consumers[ticket] != consumer_of(number)
        ]
        strayed = sum(one["strayed"] for one in seen)
        detail = {"not_in_the_log": len(lost), "told_another": strayed, "first": lost[:EXAMPLES]}
        self._check("tickets lost after joined", len(lost) + strayed, detail)
        names = ("opened", "lost", "refused", "rose", "disordered")
        counted = {name: sum(one[name] for one in seen) for name in names}
        first = [one["disorder"] for one in seen if one["disorder"]]
        self._check("frames out of order", counted["rose"] + counted["disordered"], {**counted, "first": first})

    def _judge_shoppers(self) -> None:
        """Whatever a shopper was told must stand in the log."""
        audited, told = self._audited, self._record.shoppers
        consumers = audited.consumers.get(LINE, [])
        wrong: Counter[str] = Counter()
        for one in told:
            wrong["strayed"] += one.strayed
            wrong["denied"] += one.denied
            if one.ticket is not None:
                wrong["ticket"] += consumers[one.ticket : one.ticket + 1] != [bytes.fromhex(one.consumer)]
            if one.admission:
                wrong["admission"] += audited.admissions.get(bytes.fromhex(one.admission)) != (LINE, one.ticket)
            wrong["completed"] += one.completed and (LINE, one.ticket) not in audited.completed
        tickets = [one.ticket for one in told if one.ticket is not None]
        wrong["shared"] = len(tickets) - len(set(tickets))
        counts = {
            "shoppers": len(told),
            "told_admitted": sum(bool(one.admission) for one in told),
            "told_completed": sum(one.completed for one in told),
            "asked_again": self._record.asked_again,
        }
        self._check("what shoppers were told and the log does not show", sum(wrong.values()), {**wrong, **counts})

    def _judge_digests(self) -> None:
        """Every digest that an engine wrote down against a replay up to the same entry."""
        differ, compared, none = list[str](), 0, 0
        for one, _ in self._both:
            said = digests_said(self._record.logs, one.experience)
            differ += [f"{one.experience} {at}" for at, digest in said.items() if one.replayed.get(at) != digest]
            compared, none = compared + len(said), none + (not said)
        detail = {"compared": compared, "differ": differ[:EXAMPLES]}
        self._check("digests that a replay does not reach", len(differ) + none, detail)

    def _judge_gateways(self) -> None:
        """What every gateway counts against what the log holds."""
        differ = [wrong for one, audited in self._both for wrong in _otherwise(one, audited.summary)]
        self._check("gateways that count otherwise than the log", len(differ), {"differ": differ})

    def _judge_parts(self) -> None:
        """What the parts said, and whether one ended though nobody had asked it to."""
        logs = self._record.logs
        errors = Counter((name.split(" ")[0], found[1] or found[2]) for name in logs for found in _errors(logs[name]))
        named: dict[str, Any] = {f"{part}: {event}": count for (part, event), count in errors.items()}
        named["first"] = [line for log in logs.values() for line in log.splitlines() if _errors(line)][:EXAMPLES]
        self._check("errors in the logs of engines and gateways", errors.total(), named)
        died = {name: count for name, count in self._record.died.items() if count}
        self._check("parts that ended by themselves", sum(died.values()), died)

    def _judge_faults(self) -> None:
        """Whether there were as many as were asked for."""
        faults, planned = self._record.faults, self._record.planned
        kinds = dict(sorted(Counter(fault.kind for fault in faults).items()))
        self._report.check(
            "chaos: faults", "count", f"≥ {planned['planned']}", len(faults),
            holds=len(faults) >= planned["planned"], detail={**planned, "kinds": kinds},
        )  # fmt: skip

    def _judge_takeovers(self) -> None:
        """How long nobody wrote, by kind of fault."""
        for kind in sorted({fault.kind for fault in self._record.faults}):
            hit = [one for one in self._record.faults if one.kind == kind and one.writer and one.taken_s is not None]
            times = [one.taken_s for one in hit if one.taken_s is not None and not one.alone]
            if times:
                bar_s = self._record.lease_s + SLACK_S if kind in OF_ENGINE else float("inf")
                bar = f"≤ {bar_s:g}" if kind in OF_ENGINE else "told"
                self._report.check(
                    f"chaos: {kind}, taken over after, max", "s", bar, max(times),
                    holds=max(times) <= bar_s, detail={**_served(hit), "p50_s": median(times), "count": len(times)},
                )  # fmt: skip

    def _judge_store(self) -> None:
        """How long after its load time a store that was away is written again."""
        lease_s = self._record.lease_s
        for kind in sorted(OF_STORE):
            hit = [one for one in self._record.faults if one.kind == kind]
            beyond = [one.back_s - one.load_s for one in hit if one.back_s is not None and one.load_s is not None]
            if beyond:
                loads = [one.load_s for one in hit if one.load_s is not None]
                detail = {"p50_s": median(beyond), "load_p50_s": median(loads), "load_max_s": max(loads)}
                self._report.check(
                    f"chaos: {kind}, written again after its load time, max", "s", f"≤ {lease_s:g}", max(beyond),
                    holds=max(beyond) <= lease_s, detail={**detail, "count": len(beyond)},
                )  # fmt: skip

    def _judge_return(self) -> None:
        back_s, sockets = self._record.back_s, self._record.planned["sockets"]
        self._report.check(
            "chaos: all sockets back by themselves after", "s", f"≤ {BACK_S:g}", BACK_S if back_s is None else back_s,
            holds=back_s is not None, detail={"sockets": sockets},
        )  # fmt: skip

    def _check(self, what: str, wrong: int, detail: dict[str, Any]) -> None:
        self._report.check(f"chaos: {what}", "count", "0", wrong, holds=wrong == 0, detail=detail)


def _otherwise(record: Record | KindsRecord, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """What a gateway counts, where that is not what the log holds."""
    held = {path: (one["tickets"], one["admitted"], one["completed"]) for path, one in summary["paths"].items()}
    differ = []
    for number, stats in enumerate(record.stats):
        counted = {one["id"]: (one["joined"], one["admitted"], one["completed"]) for one in stats["paths"]}
        if stats["entry"] != summary["last"] or counted != held:
            where = {"experience": record.experience, "gateway": number}
            differ.append({**where, "entry": stats["entry"], "counted": counted})
    return differ


def _errors(log: str) -> list[re.Match[str]]:
    return list(_ERROR.finditer(log))


def _served(hit: list[Fault]) -> dict[str, Any]:
    """When the second entry of each new writer came, by what it was rebuilt from, and the take-overs that nobody stood
    by for."""
    served = {
        standby: [one.served_s for one in hit if one.standby == standby and one.served_s is not None and not one.alone]
        for standby in sorted({one.standby for one in hit})
    }
    found: dict[str, Any] = {"nobody_stood_by_s": [one.taken_s for one in hit if one.alone]}
    for standby, times in served.items():
        if times:
            found[f"serving_{standby or 'unknown'}"] = {
                "count": len(times),
                "p50_s": median(times),
                "max_s": max(times),
            }
    return found
