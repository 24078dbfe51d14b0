"""A commit is tried for a while. An entry that is in already is answered so, so it can be sent again as it is; but not
for long: behind ``COMMIT_MS_MAX`` its time would be too old, and nobody knows whether it came through.

Hands over to: ``engine.io.append``, which does it.
"""

from collections.abc import Sequence

from redis.exceptions import RedisError

from engine.io.append import Append, Outcome
from engine.io.clock import NS_PER_MS, Reading
from engine.io.outside import Outside

COMMIT_MS_MAX = 1_000
AGAIN_MS = 50

assert AGAIN_MS < COMMIT_MS_MAX


async def commit(outside: Outside, appends: Sequence[Append], started: Reading) -> list[Outcome]:
    """Try each, in one round trip, from ``started`` on; the outcomes in the same order. Raises RedisError: then some
    may be in."""
    while True:
        try:
            return await outside.commit(appends)
        except RedisError:
            tried_ms = (outside.clocks().steady_ns - started.steady_ns) // NS_PER_MS
            if tried_ms + AGAIN_MS > COMMIT_MS_MAX:
                raise
            await outside.pause(AGAIN_MS)
