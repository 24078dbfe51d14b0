"""The same frames as Server-Sent Events: `data:` is the frame, `id:` the event entry up to which it holds.

A stream that is taken up again begins like a socket; nothing is replayed, so `Last-Event-ID` is not read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway.edge.outbox import Outbox

COMMENT_MS = 15_000
MEDIA_TYPE = "text/event-stream"


async def stream(outbox: Outbox, entry_id: Callable[[], str]) -> AsyncIterator[bytes]:
    """Pieces of the stream until the outbox closes; a comment when there was nothing to say for ``COMMENT_MS``."""
    while True:
        frames = outbox.take_all()
        if frames:
            yield b"".join(b"id: %b\ndata: %b\n\n" % (entry_id().encode(), frame) for frame in frames)
        elif outbox.closing is not None:
            return
        else:
            try:
                await asyncio.wait_for(outbox.wait(), COMMENT_MS / 1000)
            except TimeoutError:
                yield b": here\n\n"
