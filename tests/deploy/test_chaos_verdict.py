"""The verdict on a chaos run: a sound record passes every check, and whatever must not be, planted in one, is seen by
the very check that is for it.

The records are made by hand, in the shape that ``stanchion bench chaos --record`` writes. One run of the real command
judges them all: ``--judge``. What is planted in what concerns the other kinds stands in ``test_chaos_kinds_verdict``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.events import Admitted, AnyEvent, Completed, Joined, Left, Redeemed
from tests.support.chaos import TIMEOUT_S, Checks, Planted, judged
from tests.support.chaos_kinds import KINDS_CHECKS, KINDS_SAID, SOUND_KINDS
from tests.support.log import START_MS, Log, Read
from tests.support.samples import consumer, raw_path

CROWD = [blake2b(number.to_bytes(8, "big"), digest_size=16).digest() for number in range(4)]
"""As the swarm names its consumers."""
SHOPPERS = [consumer(number) for number in range(100, 108)]
BURST = 5
"""Of 240 a minute."""
CHECKS = [
    "promises broken in the log",
    "tickets lost after joined",
    "frames out of order",
    "what shoppers were told and the log does not show",
    "gateways that count otherwise than the log",
    "digests that a replay does not reach",
    "errors in the logs of engines and gateways",
    "parts that ended by themselves",
    "faults",
    "engine cut from store, taken over after, max",
    "engine killed, taken over after, max",
    "engine stopped, taken over after, max",
    "disk full, written again after its load time, max",
    "store killed, written again after its load time, max",
    "all sockets back by themselves after",
]


def joined(path: str, consumers: list[bytes]) -> Joined:
    return Joined(path, 0, b"".join(consumers), bytes([1] * len(consumers)))


def admitted(*tickets: int, base: int = 1_000) -> Admitted:
    ids = b"".join(consumer(base + ticket) for ticket in tickets)
    return Admitted("express", START_MS, START_MS + 30_000, "k1", list(tickets), ids, by_hand=False)


def log_with(*events: AnyEvent) -> list[Read]:
    """Two lines: the crowd waits in one; in the other two shoppers were let in, and one paid. Then ``events``."""
    log = Log()
    log.configure(paths=[raw_path(), raw_path("express", distribution={"release_rate_per_minute": 240})])
    log.append(joined("general", CROWD), joined("express", SHOPPERS))
    log.append(admitted(0, 1))
    log.append(Redeemed("express", START_MS, 0, "shop"), Completed("express", START_MS, 0, "", "shop"))
    if events:
        log.append(*events)
    return log.entries


def shopper(number: int, **fields: Any) -> Planted:
    return {"consumer": SHOPPERS[number].hex(), "ticket": number, **fields}


def fault(kind: str, taken_s: float | None = 2.5, **fields: Any) -> Planted:
    return {"kind": kind, "writer": kind.startswith("engine"), "taken_s": taken_s, "served_s": taken_s, **fields}


def away(kind: str, back_s: float = 3.9, load_s: float = 1.0) -> Planted:
    return fault(kind, None, back_s=back_s, load_s=load_s)


def stats(*, entry: str = "1-4", **fields: int) -> Planted:
    express = {"id": "express", "joined": len(SHOPPERS), "admitted": 2, "completed": 1} | fields
    return {"entry": entry, "paths": [{"id": "general", "joined": len(CROWD), "admitted": 0, "completed": 0}, express]}


def seen(**fields: Any) -> list[Planted]:
    none = {"strayed": 0, "opened": 4, "lost": 0, "refused": 0, "rose": 0, "disordered": 0, "disorder": ""}
    return [none, none | fields]


def written(digest: str, experience: str = "drop", entry: str = "1-4") -> str:
    return f"level=info event=written experience={experience} entry={entry} digest={digest}\n"


FAULTS = [
    fault("engine killed"),
    fault("engine killed", 40.0, alone=True),
    fault("engine stopped", 4.9),
    fault("engine cut from store", 20.0),
    away("store killed"),
    away("disk full"),
]
SOUND: Planted = {
    "experience": "drop",
    "planned": {"planned": len(FAULTS), "minutes": 1, "sockets": len(CROWD), "seed": 1},
    "lease_s": 3.0,
    "log": log_with(),
    "tickets": list(range(len(CROWD))),
    "seen": seen(),
    "shoppers": [
        shopper(0, admission=consumer(1_000).hex(), completed=True),
        shopper(1, admission=consumer(1_001).hex()),
        shopper(2),
        {},
    ],
    "asked_again": {"ConnectError": 3},
    "stats": [stats(), stats()],
    "logs": {
        "engine 0": written("ab" * 32) + written("ef" * 32, "other") + KINDS_SAID,
        "gateway 0": "level=warning event=slow\n",
    },
    "died": {"store": 0, "engine 0": 0},
    "replayed": {"1-4": "ab" * 32},
    "faults": FAULTS,
    "back_s": 4.0,
    "kinds": SOUND_KINDS,
}


def told(*shoppers: Planted) -> Planted:
    return {"shoppers": [*SOUND["shoppers"], *shoppers]}


def flipped(log: list[Read]) -> list[Read]:
    entry_id, payload, chain = log[-1]
    return [*log[:-1], (entry_id, payload[:-1] + bytes([payload[-1] ^ 1]), chain)]


LOG, TICKETS, ORDER, SHOP, GATEWAYS, DIGESTS, ERRORS, DIED, MANY, CUT, KILLED, STOPPED, FULL, STORE, BACK = CHECKS
PLANTED: dict[str, tuple[str, Planted]] = {
    "somebody is let in before the first who waits": (LOG, {"log": log_with(admitted(3))}),
    "one ticket is let in twice": (LOG, {"log": log_with(admitted(1, base=2_000))}),
    "an admission id is used twice": (LOG, {"log": log_with(admitted(2), admitted(3, base=999))}),
    "one more than the rate and the burst let in": (LOG, {"log": log_with(admitted(*range(2, BURST + 1)))}),
    "one consumer has two tickets": (LOG, {"log": log_with(Joined("express", 8, SHOPPERS[1], b"\1"))}),
    "a ticket is numbered twice": (LOG, {"log": log_with(Joined("express", 7, consumer(999), b"\1"))}),
    "who had paid leaves": (LOG, {"log": log_with(Left("express", START_MS, 0, "left"))}),
    "a bit of the log is flipped": (LOG, {"log": flipped(log_with())}),
    "an entry of the log is gone": (LOG, {"log": [*log_with()[:2], *log_with()[3:]]}),
    "two were told each other's tickets": (TICKETS, {"tickets": [1, 0, 2, 3]}),
    "a ticket is not in the log": (TICKETS, {"tickets": [0, 1, 2, 4]}),
    "one was never told a ticket": (TICKETS, {"tickets": [0, 1, 2, -1]}),
    "one was told another ticket on coming back": (TICKETS, {"seen": seen(strayed=1)}),
    "a position rose": (ORDER, {"seen": seen(rose=1)}),
    "a position came before its joined": (ORDER, {"seen": seen(disordered=1, disorder="client 3: before joined")}),
    "a shopper's ticket is not in the log": (SHOP, told({"consumer": consumer(999).hex(), "ticket": 8})),
    "a shopper's ticket is another's": (SHOP, told({"consumer": SHOPPERS[4].hex(), "ticket": 3})),
    "two shoppers have one ticket": (SHOP, told(shopper(2))),
    "a shopper was admitted, and the log does not know": (SHOP, told(shopper(3, admission=consumer(7).hex()))),
    "a shopper was told another's admission": (SHOP, told(shopper(3, admission=consumer(1_001).hex()))),
    "a shopper has paid, and the log does not know": (SHOP, told(shopper(3, completed=True))),
    "a shopper was told another ticket on coming back": (SHOP, told(shopper(3, strayed=1))),
    "a second redeem was taken for the first": (SHOP, told(shopper(3, denied=1))),
    "a gateway has one ticket too many": (GATEWAYS, {"stats": [stats(), stats(joined=9)]}),
    "a gateway has missed an admission": (GATEWAYS, {"stats": [stats(admitted=1), stats()]}),
    "a gateway has missed a payment": (GATEWAYS, {"stats": [stats(), stats(completed=0)]}),
    "a gateway stands at another entry": (GATEWAYS, {"stats": [stats(entry="1-3"), stats()]}),
    "a replay reaches another digest": (DIGESTS, {"replayed": {"1-4": "cd" * 32}}),
    "an engine wrote down another digest": (DIGESTS, {"logs": {"engine 0": written("cd" * 32) + KINDS_SAID}}),
    "nobody replayed up to a digest": (DIGESTS, {"replayed": {}}),
    "no engine wrote a digest down": (DIGESTS, {"logs": {"engine 0": KINDS_SAID}}),
    "an engine logs an error": (ERRORS, {"logs": SOUND["logs"] | {"engine 1": 'level=error event="no snapshot"\n'}}),
    "a gateway has a traceback": (ERRORS, {"logs": SOUND["logs"] | {"gateway 1": "said\nTraceback (most recent"}}),
    "a part ended by itself": (DIED, {"died": {"store": 0, "engine 0": 1}}),
    "fewer faults than were asked for": (MANY, {"planned": SOUND["planned"] | {"planned": len(FAULTS) + 1}}),
    "a take-over after a kill is late": (KILLED, {"faults": [*FAULTS, fault("engine killed", 5.01)]}),
    "a take-over after a stop is late": (STOPPED, {"faults": [*FAULTS, fault("engine stopped", 5.01)]}),
    "a store that was killed is written too late": (STORE, {"faults": [*FAULTS, away("store killed", 4.01)]}),
    "after a full disk it is written too late": (FULL, {"faults": [*FAULTS, away("disk full", 4.01)]}),
    "not every socket came back": (BACK, {"back_s": None}),
}
"""What is wrong: the check that must see it, and the record's fields with it."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Checks]:
    """The checks of a record, by name, each with its detail."""
    records = {"sound": SOUND, **{name: SOUND | fields for name, (_, fields) in PLANTED.items()}}
    count = len(CHECKS) + len(KINDS_CHECKS)
    return judged(tmp_path_factory.mktemp("records"), records, count).__getitem__


def test_a_sound_record_passes_every_check(judge: Callable[[str], Checks]) -> None:
    checks = judge("sound")
    assert list(checks) == CHECKS + KINDS_CHECKS
    assert {name: detail for name, detail in checks.items() if not detail["holds"]} == {}


@pytest.mark.parametrize("wrong", PLANTED)
def test_what_is_wrong_is_seen(wrong: str, judge: Callable[[str], Checks]) -> None:
    checks, (seeing, _) = judge(wrong), PLANTED[wrong]
    failed = {name for name, detail in checks.items() if not detail["holds"]}
    assert seeing in failed
    assert failed == {seeing} or seeing == LOG, "a broken log is all that the other checks can be held against"


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ("somebody is let in before the first who waits", "ticket 3 was admitted, but 2 was the first that waits"),
        ("one ticket is let in twice", "ticket 1 was admitted, but 2 was the first that waits"),
        ("an admission id is used twice", "got an admission id that"),
        ("one more than the rate and the burst let in", "more than 240 a minute"),
        ("one consumer has two tickets", "tickets 1 and 8 are both live and of one consumer"),
        ("a bit of the log is flipped", "the chain is broken"),
        ("an entry of the log is gone", "expected sequence number 2"),
    ],
)
def test_a_broken_promise_is_named(wrong: str, names: str, judge: Callable[[str], Checks]) -> None:
    assert names in judge(wrong)[LOG]["broken"]


@pytest.mark.parametrize(
    "written",
    [b"\x80", msgspec.msgpack.encode({name: value for name, value in SOUND.items() if name != "kinds"})],
    ids=["nothing", "a record of before"],
)
def test_what_is_no_record_is_said(written: bytes, tmp_path: Path) -> None:
    file = tmp_path / "none"
    file.write_bytes(written)
    command = [sys.executable, "-m", "deploy.cli", "bench", "chaos", "--judge", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1 and "is no record of a chaos run of this version" in done.stderr
