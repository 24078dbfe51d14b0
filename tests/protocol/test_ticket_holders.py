"""The filter of who may hold a ticket: nobody who does is ever missed, and few others are taken for one who does."""

import random

from protocol.events import CONSUMER_BYTES
from protocol.ticket_holders import BITS_MIN, BITS_PER_ID, GROWTH, TicketHolders

FALSE_SHARE_MAX = 0.02
"""With four hashes and ten bits an id: (1 - e^(-4/10))^4 = 1.2 % when the filter is full."""


def ids(count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(CONSUMER_BYTES) for _ in range(count)]


def test_nobody_holds_anything_at_first() -> None:
    assert not any(map(TicketHolders().may_hold, ids(100, 1)))


def test_whoever_took_a_ticket_is_found_over_the_growth_of_the_filters() -> None:
    holders, taken = TicketHolders(), ids(3 * BITS_MIN // BITS_PER_ID, 2)
    for start in range(0, len(taken), 1_000):
        holders.add(b"".join(taken[start : start + 1_000]))
    assert all(map(holders.may_hold, taken))


def test_few_others_are_taken_for_holders_when_a_filter_is_full() -> None:
    holders = TicketHolders()
    holders.add(b"".join(ids(BITS_MIN // BITS_PER_ID, 3)))
    others = ids(20_000, 4)
    assert sum(map(holders.may_hold, others)) <= FALSE_SHARE_MAX * len(others)


def test_a_full_filter_is_followed_by_a_larger_one() -> None:
    holders = TicketHolders()
    holders.add(b"".join(ids(BITS_MIN // BITS_PER_ID, 5)))
    holders.add(ids(1, 6)[0])
    holders.add(ids(1, 7)[0])
    assert [one.bits for one in holders._filters] == [BITS_MIN, BITS_MIN * GROWTH]


def test_filters_come_back_from_their_images_and_go_on_alike() -> None:
    holders, taken = TicketHolders(), ids(BITS_MIN // BITS_PER_ID + 2, 8)
    holders.add(b"".join(taken[:-2]))
    holders.add(taken[-2])
    again = TicketHolders.of(list(holders.images()))
    assert list(again.images()) == list(holders.images())
    for one in (holders, again):
        one.add(taken[-1])
        assert all(map(one.may_hold, taken))
    assert list(again.images()) == list(holders.images())


def test_where_nobody_knows_who_took_tickets_everybody_may_hold_one() -> None:
    holders = TicketHolders(everybody=True)
    assert all(map(holders.may_hold, ids(100, 9)))
    holders.add(ids(1, 10)[0])
    assert all(map(holders.may_hold, ids(100, 9)))
    assert list(holders.images()) == []
