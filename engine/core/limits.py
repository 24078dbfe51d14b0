"""Every bound of the core, in one place, its unit last."""

from typing import Final

RULES: Final = 1
"""Version of the meaning of the log; a release in which the same commands would give other events changes it."""

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000

UNLIMITED: Final = 1 << 62
"""A count that no cap ever reaches."""

EXPERIENCE_BURST_MS: Final = 1_000
"""Burst of the release rate over all paths, as time at that rate."""

OUTAGE_MIN_MS: Final = 1_000
"""A gap between entries above this was an outage: while a deadline is pending the writer appends once a second."""
OUTAGE_LONG_MS: Final = 5_000
"""An outage above this moves every open window; a shorter one only those that end in it or this soon after it."""

SENDER_SILENT_MS_MAX: Final = 15 * MS_PER_MINUTE
"""A sender silent for longer is closed: its number is forgotten."""

ANSWERS_MAX: Final = 100_000
ANSWER_AGE_MS_MAX: Final = 24 * 60 * MS_PER_MINUTE
"""How many Idempotency-Keys an experience keeps, and for how long."""

SECRET_BYTES: Final = 32

assert OUTAGE_MIN_MS <= OUTAGE_LONG_MS
assert SENDER_SILENT_MS_MAX < ANSWER_AGE_MS_MAX
