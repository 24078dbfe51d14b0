"""One item, bid for by hundreds at once, watched by hundreds more: how soon a bid is answered, how soon all know of it.

Bids go through real sockets of a real stack with two gateways and come back as `bid_status` (or as a refusal, which is
an answer as well); everybody knows of a bid when the first `high_bid` that counts it has come, at each watcher. Which
bid is which is taken from the log. All processes share the machine's monotonic clock; what the swarms themselves take
to read is part of the figures. Then it is counted: each accepted bid stands in the log, no high bid fell, all watchers
know of the last bid, and the auditor finds every promise kept.

Hands over to: `loadtests.auction_member` (who bids and who watches), `loadtests.auction_seen` (what comes of it).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from loadtests.auction_member import Bid, Keep, Settle
from loadtests.auction_seen import Logged, Run, Sizes, judge
from loadtests.parts import Parts
from loadtests.processes import cpu_ns
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.swarm import sources_of
from loadtests.swarm_member import Connect, Gather
from loadtests.swarms import SwarmProcess, gather, members
from loadtests.workload import document
from protocol import codec
from protocol.kind_events import BidPlaced
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, START_ID, events_key

EXPERIENCE = "sale"
PATH = "auction"
GATEWAYS = 2
MODULE = "loadtests.auction_member"
HOUR_MS = 3_600_000
MS_NS = 1_000_000
CONNECT_S = 120.0
SETTLE_S = 30.0
READ_ENTRIES = 1_000


def bench_auction(parts: Parts, report: Report, sizes: Sizes, pictures: Path | None) -> None:
    """Report delays and counts, and draw the delays into the folder ``pictures``."""
    with Room(parts, GATEWAYS) as room, tempfile.TemporaryDirectory() as kept, members(2, MODULE) as crowds:
        _open(room)
        _gather(room, sizes, *crowds)
        progress.print(f"{sizes.bidders:,} bid {sizes.rate:,} times a second, {sizes.watchers:,} watch")
        bidders, watchers = crowds
        before_ns = _cpu_ns(room, *crowds)
        heard = bidders.do(Bid(PATH, sizes.rate, sizes.seconds, SETTLE_S))
        passed_ns = heard.ended_ns - heard.begun_ns
        cpu = {who: (ns - before_ns[who]) / passed_ns for who, ns in _cpu_ns(room, *crowds).items()}
        logged = _logged(room, parts)
        last = Settle(max(logged.ordinals.values(), default=0), SETTLE_S)
        settles_late = watchers.do(last).late or bidders.do(last).late
        for crowd, name in ((bidders, "bidders"), (watchers, "watchers")):
            crowd.do(Keep(f"{kept}/{name}.npz"))
        judge(report, Run(sizes, logged, Path(kept), cpu, heard.late, settles_late), pictures)


def _open(room: Room) -> None:
    """An auction with the smallest step that there is, so that bids are refused for coming late alone."""
    terms = {
        "kind": "auction",
        "currency": "EUR",
        "ends_at": time.time_ns() // MS_NS + HOUR_MS,
        "increments": [{"from": "0", "step": "0.01"}],
    }
    room.put(document(EXPERIENCE) | {"paths": [{"id": PATH, "min_level": "guest", "distribution": terms}]})


def _gather(room: Room, sizes: Sizes, bidders: SwarmProcess, watchers: SwarmProcess) -> None:
    """Connect everybody: bidders with a ticket, watchers without a name."""
    url, key = room.live(EXPERIENCE), room.session_key_file
    gather([bidders], Gather(url, sizes.bidders, PATH, key, checking=False))
    gather([watchers], Gather(url, sizes.watchers, first_source=sources_of(sizes.bidders), checking=False))
    for crowd in (bidders, watchers):
        heard = crowd.do(Connect("high_bid", timeout_s=CONNECT_S))
        if heard.late:
            raise RuntimeError(f"{heard.open} sockets are open after {CONNECT_S:g} s")


def _cpu_ns(room: Room, bidders: SwarmProcess, watchers: SwarmProcess) -> dict[str, int]:
    """The CPU time so far of all who take part."""
    roles = {role: room.pids(role) for role in ("gateway", "engine", "valkey")}
    pids = {**roles, "bidders": [bidders.pid], "watchers": [watchers.pid]}
    return {who: sum(map(cpu_ns, of_one)) for who, of_one in pids.items()}


def _logged(room: Room, parts: Parts) -> Logged:
    """The log from its first entry on, and the auditor's word on it."""
    entries = list(_entries(room))
    placed = (event for _, payload, _ in entries for event in codec.decode_entry(payload).events)
    ordinals = {int(event.id): event.bids for event in placed if isinstance(event, BidPlaced)}
    return Logged(ordinals, parts.auditor(entries).broken)


def _entries(room: Room) -> Iterator[tuple[str, bytes, bytes]]:
    after = START_ID
    with redis.Redis.from_url(room.redis_url, protocol=2) as store:
        while True:
            answer: Any = store.xread({events_key(EXPERIENCE): after}, count=READ_ENTRIES)
            if not answer:
                return
            for entry_id, fields in answer[0][1]:
                after = entry_id.decode()
                yield after, fields[FIELD_ENTRY], fields[FIELD_CHAIN]
