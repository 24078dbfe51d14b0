"""Swarm members at an auction: some bid at a steady pace, others watch. What each of them saw is kept, frame by frame,
and written to a file at the end: when a bid was sent and answered, when which `high_bid` came to whom.

The maxima of all bids rise with their numbers, with some chance in them, so that most are taken, bidders overtake each
other, and some come too late. `high_bid` frames are the same bytes for everybody and are decoded once.

Hands over to: `loadtests.bench_auction`, which reads the files.
"""

from __future__ import annotations

import random
import time
from array import array
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from loadtests.swarm import Swarm
from loadtests.swarm_member import AnyJob, Job, Member, main

SEED = 1
STEP_UNITS = 10
"""By which the maximum of each bid is above that of the one before, in minor units."""
CHANCE_UNITS = 30
TURN_S = 0.001
UNITS = 100
NEVER = 0
TAKEN, REFUSED = 1, 2
_HIGH_BID, _BID_STATUS, _ERROR = b'{"type":"high_bid"', b'{"type":"bid_status"', b'{"type":"error"'


class Bid(Job):
    """Bid ``rate`` times a second for ``seconds``, each socket in its turn, and answer once every bid is answered or
    ``timeout_s`` more have passed."""

    path: str
    rate: int
    seconds: int
    timeout_s: float = 30.0


class Settle(Job):
    """Answer once every socket was told a ``high_bid`` after ``bids`` bids."""

    bids: int
    timeout_s: float = 30.0


class Keep(Job):
    """Write down what was seen, as arrays."""

    file: str


AuctionJob = AnyJob | Bid | Settle | Keep


class HighBid(Struct):
    """The fields of a frame that are checked."""

    amount: str | None
    bids: int


class Answer(Struct):
    """What answers a bid: its ``ref`` is the number of the bid."""

    ref: int | None = None


_high_bid = msgspec.json.Decoder(HighBid)
_answer = msgspec.json.Decoder(Answer)


class AuctionSwarm(Swarm):
    """``fell``: high bids lower, or older, than the one before at the same socket; ``known_bids``: how many bids each
    knows of."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        sockets = len(self._files)
        self.fell = 0
        self.sent, self.answered, self.outcome = array("q"), array("q"), bytearray()
        self.unanswered = 0
        self.told_who, self.told_ns, self.told_bids = array("i"), array("q"), array("i")
        self.known_bids, self._known_units = array("i", [0]) * sockets, array("q", [0]) * sockets
        self._newest, self._newest_bids, self._newest_units = b"", 0, 0
        self._chance = random.Random(SEED)

    def bid(self, path: str) -> None:
        """The next bid, by whoever's turn it is."""
        number = len(self.sent)
        units = UNITS + number * STEP_UNITS + self._chance.randrange(CHANCE_UNITS)
        text = b'{"type":"bid","path":"%b","max":"%d.%02d","id":"%d","ref":%d}' % (
            path.encode(),
            *divmod(units, UNITS),
            number,
            number,
        )
        self.sent.append(time.monotonic_ns())
        self.answered.append(NEVER)
        self.outcome.append(NEVER)
        self.unanswered += 1
        self._say(number % len(self._files), bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)

    def settled(self, bids: int) -> bool:
        """Whether everybody knows of so many bids."""
        return all(told >= bids for told in self.known_bids)

    def turn_within(self, wait_s: float) -> None:
        """Hear whoever has something to say, for at most ``wait_s``."""
        self._turn(wait_s)

    def _told(self, who: int, text: bytes) -> None:
        if text.startswith(_HIGH_BID):
            self._told_high_bid(who, text)
        elif text.startswith((_BID_STATUS, _ERROR)):
            self._told_answer(text)
        super()._told(who, text)

    def _told_high_bid(self, who: int, text: bytes) -> None:
        if text != self._newest:
            told = _high_bid.decode(text)
            whole, _, part = (told.amount or "0.00").partition(".")
            self._newest, self._newest_bids, self._newest_units = text, told.bids, int(whole + part)
        self.told_who.append(who)
        self.told_ns.append(time.monotonic_ns())
        self.told_bids.append(self._newest_bids)
        self.fell += self._newest_bids < self.known_bids[who] or self._newest_units < self._known_units[who]
        self.known_bids[who], self._known_units[who] = self._newest_bids, self._newest_units

    def _told_answer(self, text: bytes) -> None:
        number = _answer.decode(text).ref
        if number is None or self.outcome[number]:
            return
        self.answered[number] = time.monotonic_ns()
        self.outcome[number] = TAKEN if text.startswith(_BID_STATUS) else REFUSED
        self.unanswered -= 1


class AuctionMember(Member):
    """Performs the jobs of an auction beside those of any swarm."""

    SWARM = AuctionSwarm
    JOBS = msgspec.json.Decoder(AuctionJob)

    def _do(self, job: AuctionJob) -> None:
        swarm = self._swarm
        assert isinstance(swarm, AuctionSwarm), "made from SWARM"
        match job:
            case Bid():
                self._bid(swarm, job)
            case Settle():
                swarm.listen(lambda: swarm.settled(job.bids), job.timeout_s)
            case Keep():
                self._keep(swarm, job.file)
            case _:
                super()._do(job)

    @staticmethod
    def _bid(swarm: AuctionSwarm, job: Bid) -> None:
        begun, count = time.monotonic(), job.rate * job.seconds
        while len(swarm.sent) < count:
            due = min(count, int((time.monotonic() - begun) * job.rate))
            for _ in range(due - len(swarm.sent)):
                swarm.bid(job.path)
            swarm.turn_within(TURN_S)
        swarm.listen(lambda: swarm.unanswered == 0, job.timeout_s)

    @staticmethod
    def _keep(swarm: AuctionSwarm, file: str) -> None:
        np.savez(
            file,
            sent=np.array(swarm.sent, np.int64),
            answered=np.array(swarm.answered, np.int64),
            outcome=np.frombuffer(bytes(swarm.outcome), np.uint8),
            told_who=np.array(swarm.told_who, np.int32),
            told_ns=np.array(swarm.told_ns, np.int64),
            told_bids=np.array(swarm.told_bids, np.int32),
            fell=np.array([swarm.fell]),
            settled=np.array(swarm.known_bids, np.int32),
        )


if __name__ == "__main__":
    main(AuctionMember)
