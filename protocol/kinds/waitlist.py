"""What a reader keeps of a waitlist: whether anything is left of what is offered to all, and who was told that the path
which it is attached to has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.kind_events import Announced, UnitsGone
from protocol.kinds.base import KindReplica

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class WaitlistReplica(KindReplica):
    """``gone``: nothing is left of what is offered to all, and it may return. ``announced``: the tickets below it were
    told of the latest opening."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.gone = False
        self.announced = 0

    def _units_gone(self, event: UnitsGone) -> None:
        self.gone = event.gone

    def _announced(self, event: Announced) -> None:
        self.announced = self._path.tickets

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {UnitsGone: _units_gone, Announced: _announced}

    def image(self) -> Any:
        """Both, in order."""
        return [self.gone, self.announced]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        self.gone, self.announced = image
