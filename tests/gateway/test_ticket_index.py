"""Whose ticket: the table against a dict, over any order of coming and going."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.columns import Column
from gateway.probing import NOBODY
from gateway.ticket_index import TicketIndex

NO_TICKET = -1


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 2**31 - 1)), max_size=400))
def test_it_finds_what_a_dict_would(moves: list[tuple[int, int]]) -> None:
    tickets = Column("i", NO_TICKET)
    tickets.reach(150)
    index, model = TicketIndex(tickets), dict[int, int]()
    for person, ticket in moves:
        if person in model:
            index.remove(person)
            tickets.one[person] = NO_TICKET
            del model[person]
        elif ticket not in model.values():
            tickets.one[person] = model[person] = ticket
            index.add(person)
    assert len(index) == len(model)
    owners = {ticket: person for person, ticket in model.items()}
    for _, ticket in moves:
        assert index.find(ticket) == owners.get(ticket, NOBODY)


def test_tickets_in_a_row_fill_it_as_well_as_any() -> None:
    tickets = Column("i", NO_TICKET)
    tickets.reach(5_000)
    index = TicketIndex(tickets)
    for person in range(5_000):
        tickets.one[person] = 1_000_000 + person
        index.add(person)
    assert [index.find(1_000_000 + person) for person in range(5_000)] == list(range(5_000))
    assert (index.find(999_999), index.find(1_005_000)) == (NOBODY, NOBODY)
