"""What a poll told of one path, and what the page says of it. Pure: the time is what was told.

Of several frames of a type the last holds, but for slots, which are told by sections.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from msgspec import UNSET

from protocol.frames import (
    JoinedFrame,
    PathView,
    PhaseFrame,
    ServerFrame,
    SoldOutFrame,
    StockFrame,
    TicketFrame,
    Welcome,
)
from protocol.kind_frames import SlotsFrame, SlotView

Told = TypeVar("Told", bound=ServerFrame)


class View(NamedTuple):
    """The words of the page; ``action`` is markup. ``still``: something is typed, so it does not refresh itself."""

    headline: str
    figure: str = ""
    label: str = ""
    message: str = ""
    action: str = ""
    still: bool = False


class Sheet:
    """One path. ``view``: as `welcome` shows it; ``form``: the one that was opened, if any; ``since``: from when on
    slots are looked at (epoch ms); ``fresh``: a name for what may be sent twice and done once."""

    def __init__(
        self,
        welcome: Welcome,
        view: PathView,
        frames: Iterable[ServerFrame],
        *,
        form: str = "",
        since: int = 0,
        fresh: str = "",
    ) -> None:
        self.view = view
        self.now = welcome.now
        self.experience = welcome.experience.id
        self.form, self.since, self.fresh = form, since, fresh
        self.slots: list[SlotView] = []
        self._last: dict[type, Any] = {}
        self._stock: dict[str, StockFrame] = {}
        self._sold = {one["id"]: one for product in welcome.experience.products for one in product["variants"]}
        for frame in frames:
            if isinstance(frame, StockFrame):
                self._stock[frame.variant] = frame
            elif getattr(frame, "path", None) == view.id:
                self._last[type(frame)] = frame
                if isinstance(frame, SlotsFrame):
                    self.slots += frame.slots

    def last(self, kind: type[Told]) -> Told | None:
        """The newest frame of a type."""
        return self._last.get(kind)

    @property
    def state(self) -> str:
        """Of the ticket; "" without one."""
        told = self.last(TicketFrame) or self.last(JoinedFrame)
        return told.state if told is not None else ""

    @property
    def reason(self) -> str:
        """Why the ticket is in its state, where that is told."""
        ticket = self.last(TicketFrame)
        return ticket.reason if ticket is not None and isinstance(ticket.reason, str) else ""

    @property
    def phase(self) -> str:
        """Of the path."""
        told = self.last(PhaseFrame)
        return self.view.phase if told is None else told.phase

    @property
    def changes_at(self) -> int | None:
        """When the next phase begins (epoch ms), if that is known."""
        told = self.last(PhaseFrame)
        return None if told is None else told.at

    @property
    def is_paused(self) -> bool:
        """By the merchant, or because something stands still."""
        told = self.last(PhaseFrame)
        return told is not None and told.paused is not UNSET

    @property
    def sold_out(self) -> SoldOutFrame | None:
        """That nothing is free, as long as that is so."""
        told = self.last(SoldOutFrame)
        return None if told is None or told.over is True else told

    @property
    def name(self) -> str:
        """How the path is called."""
        return self.view.name if isinstance(self.view.name, str) else self.view.kind.replace("_", " ").capitalize()

    def detail(self, name: str) -> Any:
        """A public term of the path's kind, None where it is not set."""
        return None if self.view.details is UNSET else self.view.details.get(name)

    @property
    def choices(self) -> list[str]:
        """The variants to choose from; fewer than two are no choice."""
        choices = [] if self.view.choices is UNSET else self.view.choices
        return choices if len(choices) > 1 else []

    @property
    def wanted(self) -> str:
        """The variant that the ticket is for, where its holder has named one."""
        joined = self.last(JoinedFrame)
        return "" if joined is None or joined.variant is UNSET else joined.variant

    def variant_words(self, variant: str) -> str:
        """A variant with its price, and that it is not free if it is not."""
        sold, stock = self._sold[variant], self._stock.get(variant)
        gone = ", not free just now" if stock is not None and stock.band == "none" else ""
        return f"{sold['name']}, {sold['price']} {sold['currency']}{gone}"

    def variant_name(self, variant: str) -> str:
        """What a variant is called."""
        return str(self._sold[variant]["name"])
