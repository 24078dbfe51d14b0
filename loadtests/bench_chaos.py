"""The chaos run: parts are killed, stopped and cut off from each other for half an hour while a crowd waits and some
pay; then it is asked of the log alone whether every promise was kept, and of everybody what they were told.

Two experiences. One has two queues: in ``general`` a line without sockets moves at the head, and behind it the swarm
waits, each on a socket: whatever happens, each must be told the ticket it has; in ``express`` shoppers come, are
admitted, redeem and complete. The other has a path of every other kind, with guests who take part.

Hands over to: ``chaos_stage`` (the parts), ``chaos_faults`` (what is done to them), ``chaos_day`` and ``chaos_kinds``
(the other kinds and their guests), ``chaos_record`` (what is left of it all), ``chaos_verdict`` (what that shows).
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from loadtests import chaos_charts, chaos_day
from loadtests.chaos_day import Day, day_of
from loadtests.chaos_door import Door
from loadtests.chaos_faults import WEIGHTS, Fault, Faults, schedule
from loadtests.chaos_kinds import Guests
from loadtests.chaos_record import Record, Recorder
from loadtests.chaos_shoppers import LINE, Shoppers
from loadtests.chaos_stage import ChaosStage
from loadtests.chaos_verdict import BACK_S, judge
from loadtests.chaos_watch import Watch
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.stream_sender import Burst, Prepare, Sender
from loadtests.swarm_member import Connect, Drop, Gather, Heard, Tell, WatchFor
from loadtests.swarms import SwarmProcess, all_do, crowd_of, gather
from loadtests.workload import BATCH_COMMANDS, PATH, VARIANT, document, sender_id
from protocol.streams import START_ID, commands_key, readers_key, shard_of

EXPERIENCE = "chaos"
ENGINES = 3
GATEWAYS = 2
RATE = 600
HEAD_MINUTES = 5
"""So many minutes longer than the faults may take the head of the line lasts: none of the swarm is ever admitted."""
SHOPPERS = 12
SHOPPERS_RATE = 240
WINDOW_S = 30
CONNECT_S = 120.0
LOOK_S = 0.1
FOLLOW_S = 30.0
LATE_SHARE = 2.0
MINUTE_S = 60.0
MS_PER_SECOND = 1_000


class Plan(NamedTuple):
    """How much chaos: ``faults`` spread over ``minutes`` (0: one right after the other) of what ``seed`` gives, while
    ``sockets`` wait."""

    minutes: int
    sockets: int
    faults: int
    seed: int
    lease_ms: int


def bench_chaos(parts: Parts, report: Report, plan: Plan, folder: Path | None, kept: Path | None) -> None:
    """Report what was kept and how long nobody wrote; pictures go into ``folder``, and all that was collected into the
    file ``kept``. Raises RuntimeError when a part does not come up, or does not come back."""
    progress.print(f"chaos: seed {plan.seed}, {plan.faults} faults in {plan.minutes} minutes, {plan.sockets} sockets")
    record = _run(parts, plan)
    if kept is not None:
        kept.write_bytes(msgspec.msgpack.encode(record))
    judge(record, parts, report)
    if folder is not None:
        chaos_charts.draw(record.faults, record.lease_s, folder)


def _run(parts: Parts, plan: Plan) -> Record:
    with ChaosStage(parts, engines=ENGINES, gateways=GATEWAYS, lease_ms=plan.lease_ms) as stage:
        _open(stage, plan)
        with crowd_of(plan.sockets) as crowd, Watch(stage.redis_url, EXPERIENCE) as watch:
            live = f"{stage.origin.replace('http', 'ws', 1)}/v1/experiences/{EXPERIENCE}/live"
            gather(crowd, Gather(live, plan.sockets, PATH, stage.session_key_file, returning=True))
            all_do(crowd, Connect("joined", timeout_s=CONNECT_S))
            day = day_of(plan.minutes, int(time.time() * MS_PER_SECOND))
            _open_kinds(stage, day)
            guests = Guests(_door(stage, chaos_day.EXPERIENCE), day, plan.seed)
            with Shoppers(_door(stage, EXPERIENCE), SHOPPERS) as shoppers, guests:
                faults = _break(stage, watch, plan)
                back_s = _come_back(stage, crowd, plan.sockets)
                shoppers.finish()
                _end_kinds(stage, guests, day)
            told = _told_again(crowd)
            _end_engines(stage)
            planned = {"planned": plan.faults, "minutes": plan.minutes, "sockets": plan.sockets, "seed": plan.seed}
            recorder = Recorder(parts, stage, EXPERIENCE)
            return recorder.record(planned, plan.lease_ms / MS_PER_SECOND, told, shoppers, guests, faults, back_s)


def _open(stage: ChaosStage, plan: Plan) -> None:
    """Configure the experience, keep its whole log, and have the head of the line join."""
    content = document(EXPERIENCE, release_rate_per_minute=RATE, checkout_window_seconds=WINDOW_S)
    line = {"kind": "queue", "release_rate_per_minute": SHOPPERS_RATE, "checkout_window_seconds": WINDOW_S}
    content["paths"].append({"id": LINE, "distribution": line, "variants": [VARIANT]})
    stage.redis.hset(readers_key(EXPERIENCE), "chaos", START_ID)
    stage.ask(0, "PUT", f"/v1/control/experiences/{EXPERIENCE}", content)
    head = int(RATE * (plan.minutes * LATE_SHARE + HEAD_MINUTES)) // BATCH_COMMANDS
    sender = Sender(stage.redis_url, sender_id(1))
    sender.perform(Prepare(plan.seed, head))
    sender.perform(Burst(commands_key(EXPERIENCE), 1))
    _until(lambda: _joined(stage) >= head * BATCH_COMMANDS, CONNECT_S, "the head of the line to join")


def _door(stage: ChaosStage, experience: str) -> Door:
    return Door(stage.origin, experience, stage.checkout_key)


def _open_kinds(stage: ChaosStage, day: Day) -> None:
    """Configure the experience of the other kinds, and keep its whole log."""
    stage.redis.hset(readers_key(chaos_day.EXPERIENCE), "chaos", START_ID)
    stage.ask(0, "PUT", f"/v1/control/experiences/{chaos_day.EXPERIENCE}", chaos_day.document(day))


def _end_kinds(stage: ChaosStage, guests: Guests, day: Day) -> None:
    """Nobody comes any more, and the appointment, whose slots never end, is ended by hand; all others end by
    themselves. Faults that come one right after the other may be over long before that: the guests have their day."""
    time.sleep(max(0.0, day.at(chaos_day.HAMMER) / MS_PER_SECOND - time.time()))
    guests.let_nobody_in()
    stage.ask(0, "POST", f"/v1/control/experiences/{chaos_day.EXPERIENCE}/paths/{chaos_day.APPOINTMENT}/end")
    guests.finish()


def _joined(stage: ChaosStage) -> int:
    paths: list[dict[str, Any]] = stage.ask(0, "GET", f"/v1/control/experiences/{EXPERIENCE}/stats")["paths"]
    return next(int(path["joined"]) for path in paths if path["id"] == PATH)


def _break(stage: ChaosStage, watch: Watch, plan: Plan) -> list[Fault]:
    """Do one fault after another, spread over the time; when they take longer, so does it."""
    chance, begun_s = random.Random(plan.seed), time.monotonic()
    kinds = [kind for kind in WEIGHTS if stage.full_disk or kind != "disk full"]
    faults = Faults(stage, watch, shard_of(EXPERIENCE), plan.lease_ms, chance, begun_s)
    pause_s, done = plan.minutes * MINUTE_S / plan.faults, list[Fault]()
    for number, kind in enumerate(schedule(plan.faults, chance, kinds)):
        time.sleep(max(0.0, begun_s + number * pause_s - time.monotonic()))
        if time.monotonic() - begun_s > plan.minutes * MINUTE_S * LATE_SHARE + BACK_S:
            progress.print("the faults take too long: no more of them")
            break
        fault = faults.do(kind)
        done.append(fault)
        taken = "" if fault.taken_s is None else f", taken over after {fault.taken_s:.2f} s"
        progress.print(
            f"{fault.at_s:7.1f} s  {number + 1}/{plan.faults}  {fault.kind} ({fault.target}), "
            f"{fault.lasted_s:.2f} s{taken}"
        )
        for part in stage.parts():
            part.keep()
    return done


def _come_back(stage: ChaosStage, crowd: Sequence[SwarmProcess], sockets: int) -> float | None:
    """All is well again; how long it takes until every socket is back, None if not within ``BACK_S``."""
    begun_s = time.monotonic()
    stage.wait_for_gateways()
    while sum(one.open for one in all_do(crowd, WatchFor())) < sockets:
        if time.monotonic() > begun_s + BACK_S:
            return None
        time.sleep(LOOK_S)
    return time.monotonic() - begun_s


def _told_again(crowd: Sequence[SwarmProcess]) -> list[Heard]:
    """Drop every socket and come back once more: what each is told then is what it has."""
    all_do(crowd, Drop())
    all_do(crowd, Connect("joined", timeout_s=CONNECT_S))
    return all_do(crowd, Tell())


def _end_engines(stage: ChaosStage) -> None:
    """End the engines in order, the writer last, and wait until every gateway has all that there is."""
    writer = stage.writer(shard_of(EXPERIENCE))
    for number in sorted(range(ENGINES), key=lambda number: number == writer):
        stage.engines[number].signal(signal.SIGTERM)
        stage.engines[number].wait()
    for experience in (EXPERIENCE, chaos_day.EXPERIENCE):
        _until(lambda experience=experience: _is_known(stage, experience), FOLLOW_S, "the gateways to follow")


def _is_known(stage: ChaosStage, experience: str) -> bool:
    """Whether all gateways have the same entry as their last."""
    asked = f"/v1/control/experiences/{experience}/stats"
    return len({str(stage.ask(number, "GET", asked)["entry"]) for number in range(GATEWAYS)}) == 1


def _until(holds: Any, timeout_s: float, what: str) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > until_s:
            raise RuntimeError(f"waited {timeout_s:g} s for {what}")
        time.sleep(LOOK_S)
