"""Which place each ticket of a path has: its own number, but for those of a lobby, whose order was drawn."""

from array import array

from protocol.lottery import Order, inverse


class Places:
    """``order``: the tickets of the first places, once they were arranged; behind them a place is a ticket."""

    def __init__(self) -> None:
        self.order: Order = array("I")
        self._of: Order = array("I")

    def arrange(self, order: Order) -> None:
        """The first places are those of ``order``: tickets from 0 on, each once."""
        self.order, self._of = order, inverse(order)

    def of(self, ticket: int) -> int:
        """The place of a ticket."""
        return self._of[ticket] if ticket < len(self._of) else ticket

    def ticket(self, place: int) -> int:
        """The ticket of a place."""
        return self.order[place] if place < len(self.order) else place
