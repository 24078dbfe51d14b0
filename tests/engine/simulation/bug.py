"""What a planted bug is. Hands over to: ``bugs.py``, the list."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """``before`` becomes ``after`` in ``file``; it must stand there once. ``kinds``: only a seed with other
    distributions than queues can catch it; ``trouble``: only one with this kind of it (`plan.TROUBLES`, "" = any)."""

    name: str
    file: str
    before: str
    after: str
    kinds: bool = False
    trouble: str = ""
