"""Draws of a few tickets, with their proofs."""

from __future__ import annotations

from msgspec.structs import replace

from protocol import distributions
from protocol.beacons import Beacon
from protocol.documents import Path
from protocol.events import Configured, Left, TicketRefused
from protocol.kind_events import BeaconGiven, DrawCommitted, Drawn, EntriesClosed
from protocol.lottery import commitment, draw, order_digest, roster_root, seed_of, winners_of
from protocol.proof import Proof, Skipped, prove, randomness_of
from tests.support.beacons import REAL
from tests.support.log import Log
from tests.support.samples import document

DRAW_PATH = "vip"
SECRET = bytes(range(32))
HATS = bytes([1, 2, 0, 3, 5, 1, 1, 4])


def proof_of(
    beacon: Beacon | None = None, hats: bytes = HATS, winner_count: int = 3, skip: int = 1, secret: bytes = SECRET
) -> Proof:
    """The proof of a draw whose ``skip`` next after the first left after the close."""
    order = draw(seed_of(secret, randomness_of(beacon), roster_root(hats)), hats)
    skipped = [Skipped(ticket, "left") for ticket in order[1 : 1 + skip]]
    return prove(
        "demo",
        "vip",
        hats=hats,
        secret=secret,
        beacon=beacon,
        order_digest=order_digest(order),
        winners=winners_of(order, [skip.ticket for skip in skipped], winner_count),
        skipped=skipped,
    )


def drawn_log(*, beacon: str | None = None, drawn: bool = True) -> Log:
    """The log of a draw of six: one leaves before the close, one is refused after it, two win."""
    log = Log()
    named = None if beacon is None else distributions.Beacon(REAL[beacon].source, REAL[beacon].round)
    settings = distributions.Draw(closes_at=log.now_ms, winner_count=2, beacon=named)
    log.append(Configured(1, replace(document(), paths=[Path(DRAW_PATH, settings)]), "k1", "test"))
    log.append(DrawCommitted(DRAW_PATH, commitment(SECRET)))
    log.join(0, *range(6), path=DRAW_PATH)
    log.append(Left(DRAW_PATH, log.now_ms, 1, "left"))
    hats = bytes([1, 0, 1, 1, 1, 1])
    log.append(EntriesClosed(DRAW_PATH, log.now_ms, len(hats), roster_root(hats)))
    randomness = b""
    if beacon is not None:
        real = REAL[beacon]
        randomness, signature = bytes.fromhex(real.randomness), bytes.fromhex(real.signature)
        previous = bytes.fromhex(real.previous_signature or "")
        log.append(BeaconGiven(DRAW_PATH, log.now_ms, randomness, signature, "control", previous))
    seed = seed_of(SECRET, randomness, roster_root(hats))
    order = draw(seed, hats)
    log.append(TicketRefused(DRAW_PATH, log.now_ms, order[0], "a bot", "control"))
    if drawn:
        winners = winners_of(order, [order[0]], 2)
        log.append(Drawn(DRAW_PATH, log.now_ms, SECRET, seed, order_digest(order), winners))
    return log
