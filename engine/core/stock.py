"""Stock: what is left of each variant, reserved with every window, returned when it lapses, gone when it completes.

``total`` is the stock for this experience, ever: left = total - reserved - completed. A variant without a total is not
counted and never runs out; one that leaves the document and comes back has sold what it had sold. A path reserves one
unit of the sum of its variants, from the one with most left, so that nobody is admitted to an empty shelf.
"""

from typing import Any

from msgspec import Struct

from engine.core.limits import UNLIMITED
from protocol.documents import Experience
from protocol.events import StockChanged


class Shelf(Struct, gc=False, array_like=True):
    """One variant. ``total`` None = not counted."""

    total: int | None
    reserved: int = 0
    completed: int = 0

    @property
    def left(self) -> int:
        return UNLIMITED if self.total is None else self.total - self.reserved - self.completed


class Stock:
    """The shelves of an experience, by variant id, and which of them changed since they were last told."""

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = {}
        self._dropped: dict[str, Shelf] = {}
        self._changed: dict[str, None] = {}
        self._added: dict[str, int] = {}

    def configure(self, document: Experience) -> None:
        """Have the variants and totals of ``document``, which ``below_sold`` found nothing wrong with."""
        known = self._dropped | self.shelves
        self.shelves = {}
        for product in document.products:
            for variant in product.variants:
                shelf = self.shelves[variant.id] = known.pop(variant.id, Shelf(None))
                if shelf.total != variant.stock:
                    self.set_total(variant.id, variant.stock)
        self._dropped = known

    def below_sold(self, document: Experience) -> list[str]:
        """Variants of which ``document`` would have less than is reserved and sold."""
        found = []
        for product in document.products:
            for variant in product.variants:
                shelf = self.shelves.get(variant.id) or self._dropped.get(variant.id)
                if shelf and variant.stock is not None and variant.stock < shelf.reserved + shelf.completed:
                    found.append(variant.id)
        return found

    def set_total(self, variant: str, total: int | None) -> None:
        """Another total."""
        before = self.shelves[variant].total
        if before is not None and total is not None and total > before:
            self._added[variant] = self._added.get(variant, 0) + total - before
        self.shelves[variant].total = total
        self._changed[variant] = None

    def free(self, variants: list[str]) -> int:
        """Units of ``variants`` that can be reserved; UNLIMITED where one is not counted, or none is sold."""
        if not variants:
            return UNLIMITED
        return min(UNLIMITED, sum(self.shelves[variant].left for variant in variants))

    def reserved(self, variants: list[str]) -> int:
        """Units of ``variants`` in open windows, which may still come back."""
        return sum(self.shelves[variant].reserved for variant in variants)

    def reserve(self, variants: list[str]) -> str:
        """Reserve one unit and name its variant ("" where nothing is sold); there must be one free."""
        if not variants:
            return ""
        variant = variants[0] if len(variants) == 1 else max(variants, key=lambda one: self.shelves[one].left)
        shelf = self.shelves[variant]
        shelf.reserved += 1
        self._note(variant, shelf)
        return variant

    def reserve_first(self, variants: list[str]) -> str:
        """Reserve one unit of the first variant that has any left; there must be one."""
        return self.reserve([next(variant for variant in variants if self.shelves[variant].left > 0)])

    def give_back(self, variant: str) -> None:
        """A reserved unit is free again."""
        if shelf := self.shelves.get(variant):
            shelf.reserved -= 1
            self._note(variant, shelf)

    def complete(self, variant: str) -> None:
        """A reserved unit is sold."""
        if shelf := self.shelves.get(variant):
            shelf.reserved -= 1
            shelf.completed += 1
            self._note(variant, shelf)

    def added(self) -> dict[str, int]:
        """How many units of which variant were added since the last call."""
        added, self._added = self._added, {}
        return added

    def _note(self, variant: str, shelf: Shelf) -> None:
        if shelf.total is not None:
            self._changed[variant] = None

    def told(self) -> list[StockChanged]:
        """The changes since the last call, one for each variant."""
        changed, self._changed = self._changed, {}
        shelves = [(variant, self.shelves[variant]) for variant in changed if variant in self.shelves]
        return [StockChanged(variant, shelf.total, shelf.reserved, shelf.completed) for variant, shelf in shelves]

    def snapshot(self) -> list[Any]:
        return [list(self.shelves.items()), list(self._dropped.items())]

    def restore(self, data: list[Any]) -> None:
        """Take the shelves of a snapshot: [variant, shelf as a list] each."""
        self.shelves, self._dropped = ({variant: Shelf(*shelf) for variant, shelf in shelves} for shelves in data)
