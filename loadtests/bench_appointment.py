"""What must hold for appointments: thousands race for few places over real sockets, holds run out under them, bookings
are moved; and the log then shows no slot with more than it takes, and nobody who moved without a slot.

The verdict is read from the log while it is written (`appointment_log`). What each was told last, and the free places
that some were shown, must be what the log says at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any

import msgspec

from loadtests.appointment_log import FAULTS_SHOWN, SlotLog
from loadtests.appointment_people import Race, Run
from loadtests.children import end, start
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.swarm import sources_of
from loadtests.swarm_member import consumer_of
from loadtests.workload import document
from protocol.distributions import Appointment, OpeningWindow
from protocol.slots import slots_of, starts_of

EXPERIENCE, PATH = "race", "fitting"
PEOPLE_PER_PLACE = 10
SLOTS_MAX = 50
HOLD_S = 3
SEED = 1
DAYS_AHEAD = 2
END_S = 30.0
SHARES = 100


def bench_appointment(parts: Parts, report: Report, *, consumers: int, seconds: int) -> None:
    """Let ``consumers`` race for a tenth as many places, for ``seconds``, and report what the log says of it."""
    places = max(1, consumers // PEOPLE_PER_PLACE)
    slots = min(SLOTS_MAX, places)
    terms = _terms(slots, places // slots)
    workers = len(os.sched_getaffinity(0))
    with Room(parts, workers) as room:
        path = {"id": PATH, "min_level": "guest", "distribution": msgspec.to_builtins(terms)}
        del path["distribution"]["starts"]
        room.put(document(EXPERIENCE) | {"paths": [path]})
        with SlotLog(room.redis_url, EXPERIENCE, terms.capacity_per_slot) as log:
            runs = _race(room, workers, consumers, seconds, list(slots_of(terms)))
            log.finish()
    _report(report, log, runs, terms, {"consumers": consumers, "seconds": seconds, "seed": SEED, "gateways": workers})


def _terms(slots: int, capacity: int) -> Appointment:
    """So many slots of a minute, the day after tomorrow, with ``capacity`` places each."""
    date = (datetime.now(UTC) + timedelta(days=DAYS_AHEAD)).strftime("%Y-%m-%d")
    terms = Appointment(
        windows=[OpeningWindow(date, "00:00", f"{slots // 60:02}:{slots % 60:02}")],
        time_zone="UTC",
        duration_minutes=1,
        capacity_per_slot=capacity,
        hold_seconds=HOLD_S,
    )
    return msgspec.structs.replace(terms, starts=starts_of(terms, "UTC"))


def _race(room: Room, members: int, consumers: int, seconds: int, slots: list[str]) -> list[Run]:
    """Everybody connects, and then all begin at once."""
    with ExitStack() as exits:
        processes: list[subprocess.Popen[str]] = []
        first = source = 0
        for number in range(members):
            count = consumers // members + (number < consumers % members)
            race = Race(
                room.live(EXPERIENCE), PATH, count, first, source, room.session_key_file, seconds, HOLD_S, slots,
                SEED + number,
            )  # fmt: skip
            command = [sys.executable, "-m", "loadtests.appointment_people", msgspec.json.encode(race).decode()]
            process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            exits.callback(end, process, END_S)
            processes.append(process)
            first, source = first + count, source + sources_of(count)
        for process in processes:
            _line(process)
        progress.print(f"appointment: {consumers} are connected, and race for {seconds} s")
        for process in processes:
            assert process.stdin is not None, "it was started with one"
            process.stdin.write("go\n")
            process.stdin.flush()
        return [msgspec.json.decode(_line(process), type=Run) for process in processes]


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None, "it was started with one"
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the race has ended")
    return line


def _report(report: Report, log: SlotLog, runs: list[Run], terms: Appointment, sizes: dict[str, Any]) -> None:
    capacity, slots = terms.capacity_per_slot, list(slots_of(terms))
    detail = {**sizes, "places": capacity * len(slots), "slots": len(slots), **dict(log.counts)}
    for fault in log.faults[:FAULTS_SHOWN]:
        progress.print(fault, markup=False)
    booked = [slot for run in runs for slot in run.booked]
    untrue = sum(slot != _booked(log, number) for number, slot in enumerate(booked))
    free = {slot: capacity - log.taken[slot] for slot in slots}
    watchers = [shown for run in runs for shown in run.free]
    wrong = sum(shown != free for shown in watchers)
    answers_ms = sorted(one for run in runs for one in run.answers_ms)
    told = {"booked": sum(map(bool, booked)), "frames": sum(run.frames for run in runs)}
    lost = {"sockets_lost": sum(run.lost for run in runs), "unanswered": sum(run.unanswered for run in runs)}
    check, name = report.check, "appointment: "
    check(f"{name}most places of a slot taken at once", "places", f"≤ {capacity}", log.most, holds=not log.crowded)
    check(f"{name}who moved or booked and had no slot, or two", "tickets", "0", log.stray, holds=not log.stray)
    check(f"{name}told otherwise than the log", "consumers", "0", untrue, holds=not untrue, detail=told | lost)
    shown_to = {"watchers": len(watchers)}
    check(f"{name}shown other free places than the log's", "watchers", "0", wrong, holds=not wrong, detail=shown_to)
    check(f"{name}holds that ran out", "holds", "> 0", log.counts["holds that ran out"], holds=True, detail=detail)
    cuts = quantiles(answers_ms, n=SHARES) if len(answers_ms) > 1 else [0.0] * SHARES
    report.add(f"{name}command to its answer, half of them", "ms", "none", [cuts[SHARES // 2 - 1]], detail=detail)
    report.add(f"{name}command to its answer, 99 in 100", "ms", "none", [cuts[SHARES - 2]], detail=detail)


def _booked(log: SlotLog, number: int) -> str:
    """The slot that a consumer has booked, "" for none."""
    ticket = log.tickets.get(consumer_of(number))
    place = None if ticket is None else log.has.get(ticket)
    return "" if place is None or place.until is not None else place.slot
