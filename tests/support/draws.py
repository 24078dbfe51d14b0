"""Draws of a few tickets, with their proofs."""

from __future__ import annotations

from protocol.beacons import Beacon
from protocol.lottery import draw, roster_root, seed_of, winners_of
from protocol.proof import Proof, Skipped, prove, randomness_of

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
        order=order,
        winners=winners_of(order, [skip.ticket for skip in skipped], winner_count),
        skipped=skipped,
    )
