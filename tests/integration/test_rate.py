"""The release rate through the real control endpoint, gateway, store and engine: what is asked is what is admitted.

Measured by the log's own instants, so a slow machine makes the test slow, never wrong. The auditor in the follower
holds every span of the whole log to the bound. `STANCHION_TEST_RATE_SECONDS=600` watches the raised rate for ten
minutes instead of ten seconds.
"""

from __future__ import annotations

import os
import secrets

import redis

from protocol.commands import Join
from protocol.events import Admitted, ReleaseRateChanged
from tests.support.stream import Follower, Sender
from tests.support.valkey import ValkeyProcess
from tests.support.waiting_room import WaitingRoom

SECONDS = int(os.environ.get("STANCHION_TEST_RATE_SECONDS", "10"))
EXPERIENCE = "rate"
BATCH = 500


def admitted_between(log: Follower, start_ms: int, end_ms: int) -> int:
    """How many were admitted after ``start_ms``, up to and with ``end_ms``, of the log's time."""
    return sum(len(event.tickets) for event in log.of(Admitted) if start_ms < event.at <= end_ms)


async def test_a_changed_rate_is_kept_exactly(waiting_room: WaitingRoom, valkey_process: ValkeyProcess) -> None:
    people = SECONDS * 10 + 2_000
    path = {"id": "general", "distribution": {"kind": "queue", "release_rate_per_minute": 60}}
    document = {"id": EXPERIENCE, "name": "Rate", "checkout_url": "http://127.0.0.1:9/", "paths": [path]}
    async with waiting_room.control() as merchant:
        put = await merchant.put(f"/v1/control/experiences/{EXPERIENCE}", json=document)
        assert put.status_code == 201, put.text
        with redis.Redis.from_url(valkey_process.url) as store:
            sender, log = Sender(store, EXPERIENCE), Follower(store, EXPERIENCE)
            for _ in range(0, people, BATCH):
                sent = sender.send(*(Join(secrets.token_bytes(16), "general") for _ in range(BATCH)))
            log.wait_applied(sender, sent)

            async def patch(rate: int) -> int:
                """Change the rate; the log's time of the change."""
                changes = len(log.of(ReleaseRateChanged))
                answer = await merchant.patch(
                    f"/v1/control/experiences/{EXPERIENCE}/paths/general", json={"release_rate_per_minute": rate}
                )
                assert answer.status_code == 200, answer.text
                log.wait(lambda: len(log.of(ReleaseRateChanged)) > changes)
                event = log.of(ReleaseRateChanged)[-1]
                return next(entry.now_ms for entry in log.entries if event in entry.events)

            def reaches(instant_ms: int) -> None:
                while log.replica.now_ms < instant_ms:
                    log.wait(lambda before=log.replica.now_ms: log.replica.now_ms > before)  # type: ignore[misc]

            raised_ms = await patch(600)
            reaches(raised_ms + SECONDS * 1_000)
            count, due = admitted_between(log, raised_ms, raised_ms + SECONDS * 1_000), SECONDS * 10
            assert due * 995 <= count * 1_000 and due - 1 <= count <= due + 2, f"{count} in {SECONDS} s"

            stopped_ms = await patch(0)
            reaches(stopped_ms + 3_000)
            assert admitted_between(log, stopped_ms, log.replica.now_ms) == 0

            opened_ms = await patch(6_000)
            reaches(opened_ms + 1_000)
            cut_ms = await patch(60)
            reaches(cut_ms + 3_000)
            assert admitted_between(log, opened_ms, cut_ms) >= 99
            assert admitted_between(log, cut_ms, cut_ms + 999) <= 2, "at most the new burst is left behind"
