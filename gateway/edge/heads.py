"""Request heads have an end: uvicorn's HTTP protocol with a cap on their size and on the time they may take.

Stock uvicorn takes in whatever is sent before the blank line, for as long as it is sent.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 16_384
HEAD_SECONDS_MAX = 5


class CappedHttp(HttpToolsProtocol):
    """Cuts a connection whose request head is too long or too slow."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is expected from now on."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Some of a head, of a body, or of both."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self._ends_in(data):
                self._cut()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Another request on this connection."""
        self._in_head = True
        super().on_message_begin()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._too_slow)

    def on_headers_complete(self) -> None:
        """The head is through."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _ends_in(self, data: bytes) -> bool:
        """Whether the head ends early enough in this piece: a long body may come along with it."""
        end = data.find(b"\r\n\r\n")
        return end >= 0 and self._head_bytes - len(data) + end <= HEAD_BYTES_MAX

    def _too_slow(self) -> None:
        self._head_timer = None
        self._cut()

    def _cut(self) -> None:
        self._stop_timer()
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
