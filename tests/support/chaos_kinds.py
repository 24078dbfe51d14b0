"""What a chaos run may record of the kinds beside the queue: a log that the real core made, and by hand what each of
its guests was told.

Ten seconds in which three enter a draw, two bid, four look for a slot, two claim one unit and two wait for it, and some
more in which the first winner gives up the turn, and the second pays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.core.experience import Batch, Experience
from protocol import commands as c
from protocol.documents import parse
from protocol.events import ADMISSION_BYTES, Admitted, AnyEvent, WriterChanged
from protocol.kind_events import OFFER_BYTES, Booked, Drawn, Offered
from protocol.slots import slot_of
from tests.support.chaos import Planted
from tests.support.log import START_MS, Log
from tests.support.samples import consumer, raw_document, raw_product, raw_variant

EXPERIENCE = "entropy"
KINDS = {
    "draw": "raffle",
    "auction": "bidding",
    "appointment": "fitting",
    "timed release": "drop",
    "waitlist": "spare",
}
ENTRANTS, BIDDERS, VISITORS, CLAIMERS, HOPEFUL = (range(first, first + 10) for first in range(200, 250, 10))
NINE, HALF_PAST = (slot_of(START_MS + minutes * 60_000) for minutes in (60, 90))
OPENS_MS, CLOSES_MS = START_MS + 5_000, START_MS + 10_000


def _document() -> dict[str, Any]:
    draw = {"kind": "draw", "closes_at": CLOSES_MS, "winner_count": 1}
    auction = {"kind": "auction", "currency": "EUR", "ends_at": CLOSES_MS, "extend_window_seconds": 1}
    windows = [{"date": "2027-01-15", "from": "09:00", "to": "10:00"}]
    fitting = {"kind": "appointment", "windows": windows, "capacity_per_slot": 2, "hold_seconds": 6}
    release = {"kind": "timed_release", "limit": 1}
    return raw_document(
        id=EXPERIENCE,
        products=[raw_product(raw_variant("many"), raw_variant("few", stock=1))],
        paths=[
            {"id": "raffle", "variants": ["many"], "distribution": draw},
            {"id": "bidding", "variants": ["many"], "min_level": "guest", "distribution": auction},
            {"id": "fitting", "variants": ["many"], "min_level": "guest", "distribution": fitting},
            {
                "id": "drop", "variants": ["few"], "distribution": release,
                "opens_at": OPENS_MS, "lobby_opens_at": START_MS,
            },
            {"id": "spare", "attached_to": "drop", "distribution": {"kind": "waitlist"}},
        ],
    )  # fmt: skip


class Fair:
    """The log of it, up to the end of the appointment or, without ``ended``, before that. ``told``: of each event that
    names something which a guest is told, by what it is: an id, a code."""

    def __init__(self, *, ended: bool = True) -> None:
        self.log = Log()
        self.core = Experience(EXPERIENCE)
        self.core.take_over(WriterChanged(1, bytes(16), "0-0", bytes(32)), START_MS)
        self.admissions: dict[tuple[str, int], bytes] = {}
        self.offer = self.code = ""
        self.order: list[int] = []
        self._number = 0
        self._play()
        if ended:
            self._step(16_000, c.End("control", "", "fitting"))

    def stats(self) -> Planted:
        """As a gateway counts."""
        paths = [(path.id, len(path.tickets), path.meter.completed) for path in self.core.paths.values()]
        admitted = [sum(one == path_id for one, _ in self.admissions) for path_id, _, _ in paths]
        counted = [
            {"id": path_id, "joined": joined, "admitted": count, "completed": completed}
            for (path_id, joined, completed), count in zip(paths, admitted, strict=True)
        ]
        return {"entry": self.log.last_id, "paths": counted}

    def with_events(self, *events: AnyEvent) -> list[Any]:
        """The entries, and one more with ``events``, which is no part of the log."""
        log, chain = self.log, self.log.chain
        entries = [*log.entries, log.append(*events)]
        log.entries.pop()
        log.chain = chain
        return entries

    def _play(self) -> None:
        self._step(0, c.Configure("control", "", parse(_document(), EXPERIENCE), bytes(range(32)), "k1"))
        self._step(1_000, *(c.Join(consumer(one), "raffle") for one in ENTRANTS[:3]))
        self._step(1_100, c.PlaceBid(consumer(BIDDERS[0]), "bidding", maximum=500, id="bid-1"))
        self._step(1_200, c.PlaceBid(consumer(BIDDERS[1]), "bidding", maximum=900, id="bid-1"))
        self._step(1_300, c.PlaceBid(consumer(BIDDERS[0]), "bidding", maximum=550, id="bid-2"))
        self._step(1_400, *(c.Hold(consumer(one), "fitting", slot=NINE) for one in VISITORS[:2]))
        self._step(1_500, *(c.Book(consumer(one), "fitting") for one in VISITORS[:2]))
        self._step(1_600, c.Reschedule(consumer(VISITORS[0]), "fitting", HALF_PAST))
        self._step(1_700, c.Cancel(consumer(VISITORS[1]), "fitting"), c.Leave(consumer(VISITORS[1]), "fitting"))
        self._step(1_800, *(c.Join(consumer(one), "drop") for one in CLAIMERS[:2]))
        self._step(1_900, *(c.Join(consumer(one), "spare") for one in HOPEFUL[:2]))
        self._step(5_000)
        self._step(5_100, *(c.Claim(consumer(one), "drop") for one in CLAIMERS[:2]))
        self._step(6_000, c.Decline(consumer(CLAIMERS[0]), "drop"))
        self._step(6_500, c.Claim(consumer(HOPEFUL[0]), "spare"))
        self._step(7_000, c.Complete("shop", "", self.admissions["spare", 0]))
        self._step(10_000, *(c.Hold(consumer(one), "fitting", slot=NINE) for one in VISITORS[2:4]))
        first, *_ = self.order
        self._step(11_000, c.Decline(consumer(ENTRANTS[first]), "raffle"))
        second = next(ticket for path, ticket in self.admissions if path == "raffle" and ticket != first)
        self.order.append(second)
        self._step(12_000, c.Complete("shop", "", self.admissions["raffle", second]))
        self._step(12_100, c.Complete("shop", "", self.admissions["bidding", 1]))

    def _step(self, after_ms: int, *commands: c.Command) -> None:
        self._number += bool(commands)
        batches = [Batch(b"gateway1", self._number, list(commands))] if commands else []
        events, applied = self.core.step(START_MS + after_ms, batches)
        self.log.now_ms = START_MS + after_ms
        self.log.append(*events, applied=applied)
        self._note(events)

    def _note(self, events: Iterable[AnyEvent]) -> None:
        for event in events:
            match event:
                case Admitted():
                    ids = [event.admissions[at : at + ADMISSION_BYTES] for at in range(0, len(event.admissions), 16)]
                    self.admissions |= {(event.path, one): ids[at] for at, one in enumerate(event.tickets)}
                case Offered():
                    self.offer = event.offers[:OFFER_BYTES].hex()
                case Drawn():
                    self.order = event.winners
                case Booked(ticket=0):
                    self.code = event.confirmation


FAIR = Fair()
WINNER, SECOND = FAIR.order
LOSER = 3 - WINNER - SECOND
"""Of the draw: who won and gave it up, who moved up and paid, who did not."""


def guest(path: str, people: range, ticket: int, **fields: Any) -> Planted:
    """What a guest was told."""
    return {"path": path, "consumer": consumer(people[ticket]).hex(), "ticket": ticket, "over": True, **fields}


def admission(path: str, ticket: int) -> str:
    """The id of the admission, as it is told."""
    return FAIR.admissions[path, ticket].hex()


GUESTS = [
    guest("raffle", ENTRANTS, WINNER, end="left", result="won", place=1, admission=admission("raffle", WINNER)),
    guest(
        "raffle", ENTRANTS, SECOND, end="completed", result="won", admission=admission("raffle", SECOND),
        completed=True,
    ),
    guest("raffle", ENTRANTS, LOSER, end="lost", result="lost"),
    {"path": "raffle", "consumer": consumer(ENTRANTS[9]).hex(), "refused": "closed", "over": True},
    guest("bidding", BIDDERS, 0, end="lost", result="lost", price="6.00", bids={"bid-1": "5.00"}, low=["bid-2"]),
    guest(
        "bidding", BIDDERS, 1, end="completed", result="won", price="6.00", bids={"bid-1": "9.00"},
        admission=admission("bidding", 1), completed=True,
    ),
    guest("fitting", VISITORS, 0, holds=[NINE], bookings=[(NINE, FAIR.code), (HALF_PAST, FAIR.code)], booked=HALF_PAST),
    guest("fitting", VISITORS, 1, end="left", holds=[NINE]),
    guest("fitting", VISITORS, 2, end="lost", holds=[NINE]),
    guest("fitting", VISITORS, 3, end="lost", holds=[NINE]),
    guest("drop", CLAIMERS, 0, end="left", admission=admission("drop", 0)),
    guest("drop", CLAIMERS, 1, end="lost"),
    guest("spare", HOPEFUL, 0, end="completed", offers=[FAIR.offer], admission=admission("spare", 0), completed=True),
    guest("spare", HOPEFUL, 1, end="lost"),
]  # fmt: skip
DIGEST = "12" * 32
SOUND_KINDS: Planted = {
    "experience": EXPERIENCE,
    "log": FAIR.log.entries,
    "guests": GUESTS,
    "asked_again": {"no answer": 4},
    "stats": [FAIR.stats(), FAIR.stats()],
    "replayed": {FAIR.log.last_id: DIGEST},
}
KINDS_SAID = f"level=info event=written experience={EXPERIENCE} entry={FAIR.log.last_id} digest={DIGEST}\n"
"""What the engine has said of it."""
TOLD, GIVEN, ENDS = (
    [f"{kind}: {what}" for kind in KINDS]
    for what in (
        "what guests were told and the log does not show",
        "given twice, or more than there is",
        "guests who were not told how it ended",
    )
)
NOTHING_GOOD = "kinds in which nobody was told anything good"
KINDS_CHECKS = [check for three in zip(TOLD, GIVEN, ENDS, strict=True) for check in three] + [NOTHING_GOOD]
