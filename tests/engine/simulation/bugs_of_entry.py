"""The planted bugs of who may come in: levels, audiences, access codes, one path for each person.

Not in the list, because 60 seeds with kinds did not catch them or nobody has tried: a code that who has bought does not
use any more, one that gives a ticket to who is inside, or is gated for nothing, or keeps the place elsewhere where one
person has one path. Too few enter a code who are inside.

Hands over to: ``bugs_of_kinds.py``. Only seeds with other kinds than queues have doors that are not open to everybody.
"""

from __future__ import annotations

from tests.engine.simulation.bug import Bug

ENTRY, CONSUMERS = "engine/core/entry.py", "engine/core/consumers.py"


def _bug(name: str, file: str, before: str, after: str) -> Bug:
    return Bug(name, file, before, after, kinds=True)


BUGS_OF_ENTRY = (
    _bug(
        "a guest comes in where one must be known",
        ENTRY,
        "if who.level < LEVELS.index(settings.min_level):",
        "if False:",
    ),
    _bug(
        "whoever is in no audience comes in",
        ENTRY,
        "if settings.audience is not None and settings.audience not in brought.audiences:",
        "if False:",
    ),
    _bug(
        "an access code opens when its time is over",
        ENTRY,
        "over = code.expires_at is not None and code.expires_at <= now_ms",
        "over = False",
    ),
    _bug(
        "an access code is used once too often",
        ENTRY,
        "path.tickets.states.count(COMPLETED) >= code.max_uses",
        "path.tickets.states.count(COMPLETED) > code.max_uses",
    ),
    _bug(
        "any access code is said to be wrong",
        CONSUMERS,
        "path = next(opened, None)",
        "path = None",
    ),
)
