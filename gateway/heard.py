"""What those who are here have heard of each path's states, which need not be the same for all: whoever came, or had
missed something, since the states were told to everybody may have heard others in between. Pure.

So each state is kept with all its versions that are the last that somebody has heard, and it is news while one of them
is not the present one. Of a path of which nobody has heard yet the first who hears counts for all: the others are told
when they come.

Hands over to: `gateway.board`, which has the states and the time.
"""

from collections.abc import Collection
from typing import Final

from gateway.kinds.base import KindState
from protocol.frames import PhaseFrame, SoldOutFrame, StockFrame

Shared = PhaseFrame | SoldOutFrame | StockFrame | KindState
States = dict[str, Shared]
"""By their keys."""

VERSIONS_MAX: Final = 8


class Heard:
    """``uneven``: somebody may have heard another version of a state than the others."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, list[Shared | None]]] = {}
        self.uneven = False

    def told_one(self, path: str, states: States) -> None:
        """Somebody is told all the ``states`` of ``path``, or some of them."""
        if path not in self._paths:
            self._paths[path] = {key: [state] for key, state in states.items()}
            return
        heard = self._paths[path]
        for key in heard.keys() | states.keys():
            versions = heard.setdefault(key, [None])
            if states.get(key) not in versions:
                versions.append(states.get(key))
                self.uneven = True
            if len(versions) > VERSIONS_MAX:
                versions[:] = [None]

    def told_all(self, path: str, states: States) -> dict[str, list[Shared | None]]:
        """Everybody is told which of the ``states`` of ``path`` are news to anybody: these, each with the versions that
        were heard before. None among them: somebody has heard nothing, or it is not known what."""
        before = self._paths.get(path, {})
        self._paths[path] = {key: [state] for key, state in states.items()}
        return {key: heard for key, state in states.items() if (heard := before.get(key, [None])) != [state]}

    def all_told(self, paths: Collection[str]) -> None:
        """`told_all` was said of each of ``paths``, and there are no others."""
        self._paths = {path: heard for path, heard in self._paths.items() if path in paths}
        self.uneven = False

    def comes(self, path: str) -> None:
        """``path`` is new to those who are here: the next to hear of it counts for nobody else."""
        if self._paths:
            self._paths.setdefault(path, {})
