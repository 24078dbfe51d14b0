"""Shoppers in the chaos run: consumers who join the short line, are admitted, and pay at the real checkout, however
often their connection breaks on the way. What each was told is kept, to be held against the log afterwards.

Whoever gets no answer asks again, with the same Idempotency-Key, until there is one. When one has paid or missed the
turn, a new consumer comes.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

import httpx

from loadtests.chaos_door import AGAIN_S, FAILURES, Bought, Door
from protocol import codec
from protocol.frames import AdmittedFrame, JoinedFrame, TicketFrame, Welcome
from protocol.states import LIVE

LINE = "express"
LAST_S = 60.0
"""How long those who are still there may take at the end."""
_LIVE_WORDS = {state.word for state in LIVE}


class Told(Bought):
    """What one shopper was told. ``strayed``: another ticket or admission than before."""

    consumer: str = ""
    ticket: int | None = None
    over: bool = False
    strayed: int = 0


class Shoppers:
    """``count`` at a time, at ``door``, from ``__enter__`` until `finish`. ``told`` has all there ever were."""

    def __init__(self, door: Door, count: int) -> None:
        self.told: list[Told] = []
        self.failures = door.failures
        self._door, self._count = door, count
        self._over = threading.Event()
        self._shopping = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Shoppers:
        self._shopping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Nobody comes any more; returns when all have gone."""
        self._over.set()
        self._shopping.join()

    async def _run(self) -> None:
        coming = [asyncio.create_task(self._come()) for _ in range(self._count)]
        while not self._over.is_set():
            await asyncio.sleep(AGAIN_S)
        _, late = await asyncio.wait(coming, timeout=LAST_S)
        for one in late:
            one.cancel()
        await asyncio.wait(coming)

    async def _come(self) -> None:
        async with self._door.client() as http:
            while not self._over.is_set():
                told = Told()
                self.told.append(told)
                await self._shop(told, http)

    async def _shop(self, told: Told, http: httpx.AsyncClient) -> None:
        session = ""
        while not told.over:
            try:
                session = session or await self._door.session(http)
                await self._wait(told, session)
                if told.admission and not told.over:
                    await self._door.check_out(told, http)
                    told.over = True
            except FAILURES as error:
                await self._door.failed(error)

    async def _wait(self, told: Told, session: str) -> None:
        """Hold a socket until the admission comes; return at once if the ticket has ended."""
        async with self._door.live(session, f"join={LINE}") as socket:
            async for text in socket:
                frame = codec.decode_server_frame(text)
                if isinstance(frame, Welcome):
                    told.consumer = frame.consumer.id
                elif isinstance(frame, JoinedFrame):
                    told.strayed += told.ticket not in (None, frame.ticket)
                    told.ticket = frame.ticket if isinstance(frame.ticket, int) else told.ticket
                elif isinstance(frame, AdmittedFrame):
                    told.strayed += told.admission not in ("", frame.admission)
                    told.admission = frame.admission
                    return
                elif isinstance(frame, TicketFrame) and frame.state not in _LIVE_WORDS:
                    told.over = True
                    return
