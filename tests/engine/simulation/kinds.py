"""The kinds of distributions in the simulated world: what an experience has beside queues, and what is asked of that.

A seed with kinds has three paths: a queue, one of any kind, and a third, most often a waitlist that is attached to one
of them. Words that fit no path are asked all the same: a "no" is an answer, and changes nothing.

Hands over to: ``people.py``, which asks; ``terms.py``, where their settings are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

from msgspec.structs import replace

from protocol import commands as c
from protocol.distributions import method_of
from protocol.documents import Experience as Document
from protocol.kinds.appointment import AppointmentReplica
from protocol.kinds.draw import DrawReplica
from protocol.path_replica import PathReplica
from protocol.slots import slot_of
from tests.engine.simulation.plan import Step
from tests.engine.simulation.terms import AUDIENCE, BEACON, CODE, ROUND, STARTS

MERCHANT_WORDS = ("offer", "draw", "beacon", "check_in", "no_show", "cancel_booking")
SLOTS = tuple(map(slot_of, STARTS))
SLOT_OF = (1, 2, 2, 3, 3, 3, 4, 4, 4, 0, 5)
"""Which of them is asked for: most want the same."""
PRICES = (None, 1_000, 900, 800, 700, 500)
HATS_MAX = 3
SIGNATURE = b"what the round gave"

SLOT_WORDS = ("hold", "book", "pay", "reschedule", "cancel", "check_in", "no_show", "cancel_booking")
INSIDE_WORDS = ("book", "reschedule", "cancel", "withdraw", "choose", "claim", "decline")
"""What those ask most often who have a ticket."""
TAKEN_BY = {
    **dict.fromkeys(SLOT_WORDS, ("appointment",)),
    **dict.fromkeys(("draw", "beacon", "withdraw"), ("draw",)),
    "enter": ("draw", "queue"),
    **{"claim": ("timed_release", "waitlist", "dutch", "auction"), "bid": ("auction",), "offer": ("waitlist",)},
}
"""By word, what takes it (``method_of``)."""


def fitting(step: Step, told: Document) -> Step:
    """The step itself, or another word where no path takes it; now and then it is asked all the same."""
    methods = [method_of(path.distribution) for path in told.paths]
    taken = [word for word, by in TAKEN_BY.items() if any(method in by for method in methods)]
    if step.word not in TAKEN_BY or step.word in taken or not taken or step.who % 8 == 0:
        return step
    return step._replace(word=taken[step.which % len(taken)])


def path_for(step: Step, told: Document, path: str) -> str:
    """The path that the step's word is about: one that takes it, where there is one, else ``path``."""
    taken_by = ("draw",) if step.word == "enter" and step.size % 4 else TAKEN_BY.get(step.word, ())
    fitting = [one.id for one in told.paths if method_of(one.distribution) in taken_by]
    return fitting[step.which % len(fitting)] if fitting else path


def is_fixed(path: PathReplica) -> bool:
    """Whether it is a draw whose entries are closed, and whose order nobody knows."""
    return isinstance(path.kind, DrawReplica) and bool(path.kind.root) and not path.kind.secret


def is_inside(step: Step) -> bool:
    """Whether it is somebody with a ticket who says the step's word."""
    return step.word in INSIDE_WORDS and step.size % 4 > 0


def of_consumer(step: Step, who: bytes, path: str) -> c.Command | None:
    """What the step's word asks for a consumer, or None where it is no such word."""
    slot = SLOTS[SLOT_OF[step.size % len(SLOT_OF)]]
    maximum = 1_000 + step.at_ms // 400 * 50 + 50 * (step.size % 9)
    kinds: dict[str, Callable[[], c.Command]] = {
        "claim": lambda: c.Claim(who, path, price=PRICES[step.size % len(PRICES)]),
        "bid": lambda: c.PlaceBid(who, path, maximum=maximum, id=f"{step.at_ms}/{step.who}"),
        "hold": lambda: c.Hold(who, path, slot=slot),
        "book": lambda: c.Book(who, path, slot=slot if step.size % 3 else ""),
        "reschedule": lambda: c.Reschedule(who, path, slot),
        "cancel": lambda: c.Cancel(who, path),
        "withdraw": lambda: c.Leave(who, path),
        "enter": lambda: c.Join(who, path, hats=1 + step.size % HATS_MAX),
        "choose": lambda: c.Choose(who, path, ("b", "a", "")[step.size % 3]),
        "third": lambda: c.Join(who, "third"),
        "code": lambda: c.EnterCode(who),
    }
    return kinds[step.word]() if step.word in kinds else None


def bringing(step: Step, command: c.Command, told: Document) -> c.Command:
    """The command with what whoever asks brings to a door that is not open to everybody; at times it is not enough."""
    if not isinstance(command, c.Join | c.Rejoin | c.TicketCommand | c.EnterCode):
        return command
    path = told.path(getattr(command, "path", ""))
    if path is not None and (path.min_level, path.audience, path.access_code) == ("guest", None, None):
        return command
    audiences = (AUDIENCE,) if step.who % 6 else ("others",)
    code = (CODE, CODE, CODE, CODE, "SHUT", "")[step.which % 6]
    brought = c.Credentials(audiences, code) if step.size % 9 else None
    return replace(command, level=min(step.size % 5, 1), credentials=brought)


def beacon(actor: str, key: str, path: str, signature: bytes = SIGNATURE) -> c.DrawBeacon:
    """What the round gave that draws name."""
    return c.DrawBeacon(actor, key, path, BEACON, ROUND, sha256(signature).digest(), signature)


def to_the_end(told: Document, actor: str, key: Callable[[], str]) -> Iterator[c.Command]:
    """What lets every path come to its winners, where nothing holds it up any more."""
    for path in told.paths:
        method = method_of(path.distribution)
        if method in ("draw", "auction", "dutch"):
            yield c.Close(actor, key(), path.id)
        if method == "draw":
            yield beacon(actor, key(), path.id)
            yield c.Draw(actor, key(), path.id)


def of_merchant(step: Step, actor: str, key: str, path: str, known: list[PathReplica]) -> c.Command:
    """What the step's word asks of the merchant; bookings are those that some gateway knows."""
    booked = [one.kind.places.values() for one in known if isinstance(one.kind, AppointmentReplica)]
    codes = [place.confirmation for places in booked for place in places]
    code = codes[step.who % len(codes)] if codes else "NONE"
    kinds: dict[str, Callable[[], c.Command]] = {
        "offer": lambda: c.Offer(actor, key, path, 1 + step.who % 3),
        "draw": lambda: c.Draw(actor, key, path),
        "beacon": lambda: beacon(actor, key, path, SIGNATURE if step.size % 4 else b"what another gave"),
        "check_in": lambda: c.CheckIn(actor, key, path, code),
        "no_show": lambda: c.NoShow(actor, key, path, code),
        "cancel_booking": lambda: c.CancelBooking(actor, key, path, code),
    }
    return kinds[step.word]()
