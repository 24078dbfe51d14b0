"""The queue: the first who waits is next, whatever happened before; and the shape that all ways in share."""

from __future__ import annotations

from random import Random

import pytest

from engine.core.ticket import Tickets
from engine.distributions.base import Distribution
from engine.distributions.queue import Queue
from protocol.documents import Path
from protocol.refusals import Reason
from protocol.states import TicketState
from tests.support.samples import consumer, document, raw_path

SHAPE = ["configure", "join_refusal", "next_ticket", "returned", "snapshot", "restore"]


def _settings(**terms: int) -> Path:
    return document(paths=[raw_path(distribution=terms)]).paths[0]


def _queue(count: int, **terms: int) -> tuple[Queue, Tickets]:
    tickets = Tickets()
    for number in range(count):
        tickets.add(consumer(number), 1)
    return Queue(_settings(**terms), tickets), tickets


@pytest.mark.parametrize("kind", [Distribution, Queue])
def test_every_distribution_has_the_same_methods_in_the_same_order(kind: type) -> None:
    assert [name for name in vars(kind) if not name.startswith("_")] == SHAPE


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
        restored = Queue(_settings(), tickets)
        restored.restore(queue.snapshot())
        first = next((ticket for ticket, state in enumerate(tickets.states) if state == TicketState.WAITING), None)
        assert (queue.next_ticket(), restored.next_ticket()) == (first, first)
