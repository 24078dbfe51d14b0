"""The planted bugs of who may come in: levels, audiences, access codes, one path for each person.

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
        "over = wanted.expires_at is not None and wanted.expires_at <= now_ms",
        "over = False",
    ),
    _bug(
        "an access code is used once too often",
        ENTRY,
        "path.tickets.states.count(COMPLETED) >= code.max_uses",
        "path.tickets.states.count(COMPLETED) > code.max_uses",
    ),
    _bug(
        "who has bought does not use the access code any more",
        ENTRY,
        "path.tickets.alive + path.tickets.states.count(COMPLETED) >=",
        "path.tickets.alive >=",
    ),
    _bug(
        "any access code is said to be wrong",
        CONSUMERS,
        "path = next((one for one in experience.by_priority if entry.opens_with(one, code, now_ms)), None)",
        "path = None",
    ),
    _bug(
        "a code gives another ticket to who is inside",
        CONSUMERS,
        "if any(one.tickets.live(command.consumer) is not None for one in better):",
        "if False:",
    ),
    _bug(
        "a code is gated for nothing",
        CONSUMERS,
        '        _attached(experience, command.consumer)\n        return {"outcome": "unchanged", "path": path.id}\n',
        '        return {"outcome": "gated", "path": path.id, "reason": "closed"}\n',
    ),
    _bug(
        "a code keeps the place elsewhere where one person has one path",
        CONSUMERS,
        '        other.give_up(ticket, "left", now_ms, experience.journal)\n',
        "        _ = other, ticket\n",
    ),
)
