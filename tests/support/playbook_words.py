"""The words of the transcripts: for every command a sentence that gives it, for every event a sentence that tells it.

A sentence names people, never ids. Which path is meant is said only where there is more than one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from protocol import commands as c
from protocol import events as e
from protocol.commands import Command, Limits
from protocol.events import ADMISSION_BYTES, CONSUMER_BYTES, AnyEvent, Holding
from protocol.states import TicketState
from tests.support import playbook_slots
from tests.support.cast import Cast, Make, duration_ms
from tests.support.playbook_auctions import SENTENCES_OF_AUCTIONS, TELL_AUCTIONS
from tests.support.playbook_kinds import SENTENCES_OF_KINDS, TELL_KINDS

# Sentences that give commands


def command_of(sentence: str, cast: Cast, paths: list[str], key: str) -> list[Command]:
    """The commands that ``sentence`` stands for; merchants' carry ``key``. Raises ValueError for no known sentence."""
    found = re.fullmatch(r"(.*?)(?: (?:in|of) path (\S+))?", sentence)
    assert found is not None, "every text matches"
    path = found[2] or (paths[0] if paths else "general")
    for pattern, make in (*_SENTENCES, *playbook_slots.sentences(cast.codes)):
        if spoken := re.fullmatch(pattern, found[1]):
            return make(spoken, cast, path, key)
    raise ValueError(f"{sentence!r} is no sentence of the playbook")


def _each(kind: Callable[[bytes, str], Command]) -> Make:
    return lambda found, cast, path, _: [kind(cast.consumer(name), path) for name in re.split(r", | and ", found[1])]


def _checkout(kind: Callable[[str, str, bytes], Command]) -> Make:
    return lambda found, cast, _, key: [kind("shop", key, cast.admissions.get(found[1], bytes(16)))]


def _steer(kind: Callable[[str, str, str], Command]) -> Make:
    return lambda _, __, path, key: [kind("merchant", key, path)]


def _limits(found: re.Match[str], path: str, key: str) -> list[Command]:
    value = None if found[2] == "none" else int(found[2])
    names = {"rate": "release_rate_per_minute", "active limit": "max_active", "admissions limit": "max_admissions"}
    return [c.SetReleaseRate("merchant", key, path, Limits(**{names[found[1]]: value}))]


def _extend(found: re.Match[str], cast: Cast, path: str, key: str) -> list[Command]:
    seconds = duration_ms(found[2]) // 1_000 if found[2] else 0
    return [c.Extend("shop", key, cast.admissions[found[1]], seconds)]


def _stock(found: re.Match[str], cast: Cast, path: str, key: str) -> list[Command]:
    variant, amount = found[2] or "shoe", int(found[3])
    added = {"add": amount} if found[1] == "adds" else {"stock": amount}
    return [c.SetStock("merchant", key, variant, **added)]


_NAMES = r"((?:\w+)(?:(?:, | and )\w+)*)"
_SENTENCES: list[tuple[str, Make]] = [
    (rf"{_NAMES} joins?", _each(c.Join)),
    (
        rf"{_NAMES} joins? any path",
        lambda f, cast, _, __: [c.Join(cast.consumer(n)) for n in re.split(", | and ", f[1])],
    ),
    (rf"{_NAMES} connects?", _each(lambda consumer, path: c.Join(consumer, path, True))),
    (rf"{_NAMES} leaves?", _each(c.Leave)),
    (rf"{_NAMES} declines?", _each(c.Decline)),
    (rf"{_NAMES} rejoins?", _each(c.Rejoin)),
    (rf"{_NAMES} asks? what they hold", _each(lambda consumer, _: c.Attach(consumer))),
    (r"the shop redeems (\w+)", _checkout(c.Redeem)),
    (r"the shop completes (\w+)", _checkout(lambda actor, key, admission: c.Complete(actor, key, admission, "order"))),
    (r"the shop releases (\w+)", _checkout(c.Release)),
    (r"the shop extends (\w+)(?: by (\S+))?", _extend),
    (r"the merchant opens", _steer(c.Open)),
    (r"the merchant pauses", _steer(c.Pause)),
    (r"the merchant resumes", _steer(c.Resume)),
    (r"the merchant closes", _steer(c.Close)),
    (r"the merchant ends", _steer(c.End)),
    (r"the merchant admits (\d+)", lambda f, _, path, key: [c.AdmitNow("merchant", key, path, int(f[1]))]),
    (
        r"the merchant refuses (\w+) because (.*)",
        lambda f, cast, path, key: [c.RefuseTicket("merchant", key, path, cast.ticket(path, f[1]), f[2])],
    ),
    (
        r"the merchant makes the (rate|active limit|admissions limit) (\d+|none)",
        lambda f, _, path, key: _limits(f, path, key),
    ),
    (
        r"the merchant makes the (rate|active limit|admissions limit) over all paths (\d+|none)",
        lambda f, _, __, key: _limits(f, "", key),
    ),
    (r"the merchant (sets|adds) stock(?: of (\S+))? (-?\d+)", _stock),
    (r"the merchant says (.*)", lambda f, _, __, key: [c.PostNotice("merchant", key, f[1], "info", None)]),
    *SENTENCES_OF_KINDS,
    *SENTENCES_OF_AUCTIONS,
]


# Sentences that tell events


def lines_of(events: Sequence[AnyEvent], cast: Cast, *, many_paths: bool) -> list[str]:
    """What ``events`` tell, one line for each person or fact."""
    told: list[str] = []
    for event in events:
        path = getattr(event, "path", "")
        where = f" in {path}" if many_paths and path and not isinstance(event, e.PhaseChanged | e.PauseChanged) else ""
        tell = _TELL.get(type(event)) or playbook_slots.tell(cast.codes)[type(event)]
        told += [f"{line}{where}" for line in tell(event, cast)]
    return told


def _joined(event: e.Joined, cast: Cast) -> Iterator[str]:
    for index in range(len(event.hats)):
        consumer = event.consumers[index * CONSUMER_BYTES : (index + 1) * CONSUMER_BYTES]
        name = cast.hold(event.path, event.first + index, consumer)
        yield f"{name} has ticket {event.first + index}"


def _attached(event: e.Attached, cast: Cast) -> Iterator[str]:
    held = [_holding(holding, cast) for holding in event.holdings]
    yield f"{cast.name(event.consumer)} holds {'; '.join(held) or 'nothing'}"


def _holding(holding: Holding, cast: Cast) -> str:
    words = [f"ticket {holding.ticket} of {holding.path}: {TicketState(holding.state).word}"]
    words += [f"({holding.reason})"] if holding.reason else []
    words += [f"until {cast.instant(holding.expires_at)}"] if holding.expires_at else []
    words += ["and may rejoin"] if holding.may_rejoin else []
    return " ".join(words)


def _admitted(event: e.Admitted, cast: Cast) -> Iterator[str]:
    for index, ticket in enumerate(event.tickets):
        name = cast.holder(event.path, ticket)
        cast.admissions[name] = event.admissions[index * ADMISSION_BYTES : (index + 1) * ADMISSION_BYTES]
        yield f"{name} is admitted{' by hand' if event.by_hand else ''} until {cast.instant(event.expires_at)}"


def _expired(event: e.Expired, cast: Cast) -> Iterator[str]:
    yield from (f"the turn of {cast.holder(event.path, ticket)} is over" for ticket in event.tickets)


def _phase_changed(event: e.PhaseChanged, cast: Cast) -> Iterator[str]:
    opens = f", opens at {cast.instant(event.opens_at)}" if event.phase == "scheduled" and event.opens_at else ""
    closes = f", closes at {cast.instant(event.closes_at)}" if event.phase == "open" and event.closes_at else ""
    yield f"{event.path} is {event.phase}{opens}{closes}{' (by hand)' if event.actor else ''}"


def _sold_out(event: e.SoldOutChanged, _: Cast) -> Iterator[str]:
    if not event.sold_out:
        yield "no longer sold out"
    else:
        yield "sold out for now: something may return" if event.may_return else "sold out"


def _stock_changed(event: e.StockChanged, _: Cast) -> Iterator[str]:
    total = "not counted" if event.total is None else f"of {event.total}"
    yield f"stock of {event.variant}: {total}, {event.reserved} reserved, {event.completed} sold"


def _rate_changed(event: e.ReleaseRateChanged, _: Cast) -> Iterator[str]:
    limits = (event.release_rate_per_minute, event.max_active, event.max_admissions)
    shown = ["none" if limit is None else str(limit) for limit in limits]
    yield f"limits{'' if event.path else ' over all paths'}: rate {shown[0]}, active {shown[1]}, admissions {shown[2]}"


def _refused(event: e.Refused, cast: Cast) -> Iterator[str]:
    yield ", ".join(
        [f"no: {event.reason}", *(_detail(*item, cast) for item in event.detail.items() if item[0] != "path")]
    )


def _answered(event: e.Answered, cast: Cast) -> Iterator[str]:
    shown: tuple[str, ...] = ("admitted", "revision", "changed", "state", "expires_at", "order_id", "stock", "reserved")
    shown += ("completed", "offered", "outcome", "reason", "status", "max")
    yield "answer: " + ", ".join(_detail(name, event.answer[name], cast) for name in shown if name in event.answer)


def _detail(name: str, value: Any, cast: Cast) -> str:
    if name.endswith("_at"):
        return f"{name} {cast.instant(value)}"
    words = {True: "yes", False: "no"} if isinstance(value, bool) else {}
    return f"{name} {', '.join(value) if isinstance(value, list) else words.get(value, value)}"


_TELL: dict[type, Callable[[Any, Cast], Iterator[str]]] = {
    **TELL_KINDS,
    **TELL_AUCTIONS,
    e.Configured: lambda event, _: iter([f"set up, revision {event.revision}"]),
    e.ReleaseRateChanged: _rate_changed,
    e.PhaseChanged: _phase_changed,
    e.PauseChanged: lambda event, _: iter([f"{event.path} {'is paused' if event.paused else 'goes on'}"]),
    e.Joined: _joined,
    e.Attached: _attached,
    e.Admitted: _admitted,
    e.Redeemed: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} has redeemed"]),
    e.WindowMoved: lambda event, cast: iter(
        [f"the turn of {cast.holder(event.path, event.ticket)} lasts until {cast.instant(event.expires_at)}"]
    ),
    e.Completed: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} has paid"]),
    e.Expired: _expired,
    e.Left: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} is gone ({event.reason})"]),
    e.Returned: lambda event, cast: iter([f"{cast.holder(event.path, event.ticket)} waits at the old place again"]),
    e.TicketRefused: lambda event, cast: iter(
        [f"{cast.holder(event.path, event.ticket)} is turned away: {event.reason}"]
    ),
    e.WaitingLost: lambda event, _: iter([f"all who wait are lost ({event.reason})"]),
    e.SoldOutChanged: _sold_out,
    e.StockChanged: _stock_changed,
    e.NoticePosted: lambda event, _: iter([f"everybody hears: {event.text}"]),
    e.Refused: _refused,
    e.Answered: _answered,
}
