"""The queue: the first who waits is next, whatever happened before."""

from __future__ import annotations

from random import Random

import pytest

from engine.core.admission import Bucket, Meter
from engine.core.path import Path
from engine.core.stock import Stock
from engine.core.ticket import Tickets
from engine.distributions.base import Distribution
from protocol import documents
from protocol.refusals import Reason
from protocol.states import TicketState
from tests.support.samples import consumer, document, raw_path


def _settings(**terms: int) -> documents.Path:
    return document(paths=[raw_path(distribution=terms)]).paths[0]


def _path(**terms: int) -> Path:
    return Path(_settings(**terms), 1, Stock(), Meter(Bucket(None, 1_000), None, None))


def _queue(count: int, **terms: int) -> tuple[Distribution, Tickets]:
    path = _path(**terms)
    for number in range(count):
        path.tickets.add(consumer(number), 1)
    return path.distribution, path.tickets


def test_the_first_who_waits_is_next() -> None:
    queue, tickets = _queue(3)
    assert (queue.next_ticket(), queue.next_ticket()) == (0, 0)
    tickets.move(0, TicketState.ADMITTED)
    tickets.move(1, TicketState.LEFT)
    assert queue.next_ticket() == 2
    tickets.move(2, TicketState.ADMITTED)
    assert queue.next_ticket() is None
    tickets.add(consumer(9), 1)
    assert queue.next_ticket() == 3


def test_a_forgiven_turn_is_the_next() -> None:
    queue, tickets = _queue(4)
    for ticket in (0, 1):
        tickets.move(ticket, TicketState.ADMITTED)
        tickets.move(ticket, TicketState.EXPIRED)
    assert queue.next_ticket() == 2
    tickets.move(1, TicketState.WAITING)
    queue.returned(1)
    assert queue.next_ticket() == 1


def test_a_line_that_is_full_takes_nobody_until_somebody_is_gone() -> None:
    queue, tickets = _queue(2, capacity=2)
    refusal = queue.join_refusal()
    assert refusal is not None
    assert (refusal.reason, refusal.detail) == (Reason.FULL, {"capacity": 2})
    tickets.move(0, TicketState.ADMITTED)
    assert queue.join_refusal() is None
    queue.configure(_settings(capacity=1))
    assert queue.join_refusal() is not None
    queue.configure(_settings())
    assert queue.join_refusal() is None


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_looking_at_everybody(seed: int) -> None:
    chance = Random(seed)
    queue, tickets = _queue(0)
    for _ in range(200):
        waiting = [ticket for ticket, state in enumerate(tickets.states) if state == TicketState.WAITING]
        missed = [ticket for ticket, state in enumerate(tickets.states) if state == TicketState.EXPIRED]
        match chance.randrange(4):
            case 0:
                tickets.add(consumer(len(tickets)), 1)
            case 1 if waiting:
                assert queue.next_ticket() == waiting[0]
                tickets.move(waiting[0], TicketState.ADMITTED)
                tickets.move(waiting[0], chance.choice((TicketState.EXPIRED, TicketState.COMPLETED)))
            case 2 if waiting:
                tickets.move(chance.choice(waiting), TicketState.LEFT)
            case 3 if missed:
                ticket = chance.choice(missed)
                if ticket not in tickets.forgiven:
                    tickets.move(ticket, TicketState.WAITING)
                    queue.returned(ticket)
        again = _path()
        again.tickets = tickets
        restored = again.distribution
        restored.restore(queue.snapshot())
        first = next((ticket for ticket, state in enumerate(tickets.states) if state == TicketState.WAITING), None)
        assert (queue.next_ticket(), restored.next_ticket()) == (first, first)
