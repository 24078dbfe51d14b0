"""An experience of a test's own: where it is, what its merchant sells there, and the word that is given by hand."""

from __future__ import annotations

import time
from itertools import count
from typing import Any, ClassVar

from tests.browser.conftest import Stack
from tests.browser.visitors import Merchant

HOUR_MS = 3_600_000


class Stand:
    """``id`` is new each time, ``address`` is its page. A class for each kind of journey says in ``path`` which path
    the merchant's words are about where they name none, and puts what it sells."""

    path: ClassVar[str]
    _numbers: ClassVar[count[int]] = count()

    def __init__(self, up: Stack, merchant: Merchant) -> None:
        self.id = f"{type(self).__name__.lower()}-{next(self._numbers)}"
        self.address = f"{up.room}/r/{self.id}"
        self._checkout_url = f"{up.shop}/checkout"
        self._merchant = merchant

    def sell(self, *paths: dict[str, Any], **variant: Any) -> None:
        """These paths, with checkouts in the shop of the demo."""
        self._merchant.put_paths(self.id, self._checkout_url, list(paths), **variant)

    def hand(self, word: str, path: str | None = None, **body: Any) -> None:
        self._merchant.hand(self.id, word, path=path or self.path, **body)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
