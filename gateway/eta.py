"""How long those who wait will wait: an honest interval from the rate that is measured. Pure.

The asked rate is a promise that the engine keeps exactly, so as long as what was admitted agrees with it, it is the
best estimate there is; where it does not (a cap binds, the line was shared), the measured rate takes its place, with a
wider interval. Only time in which somebody waited is measured, and not across a change of rate, a pause or an outage.
Nothing says when something becomes free for a waitlist, so nobody is promised anything there.
"""

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.distributions import Waitlist, rate_of
from protocol.documents import Experience, Path
from protocol.fields import RATE_MAX
from protocol.path_replica import RATE_SPAN_MS, PathReplica

MEASURED_AFTER_MS = 5_000
MINUTE_MS = 60_000

# How far the truth may lie from the estimate. Those ahead may leave, which shortens the wait; a wait is lengthened only
# by those who take their place back. A measured rate is as uncertain as what bounds it.
ASKED_SHORTER = 0.80
ASKED_LONGER = 1.05
MEASURED_SHORTER = 0.70
MEASURED_LONGER = 1.40
SLACK_S = 2
AGREES_WITHIN = 0.05
AGREES_COUNT_MIN = 2


class Estimate(NamedTuple):
    """``shown``: admissions a minute as consumers read it; ``rate``: the one to reckon with; ``burst``: how many may
    come at once; ``measured``: whether ``rate`` was measured, not asked."""

    shown: int
    rate: float
    burst: int
    measured: bool

    def interval(self, ahead: int) -> tuple[int, int] | None:
        """[low, high] seconds until one with ``ahead`` before them is admitted; None while nobody is."""
        if self.rate <= 0:
            return None
        shorter = MEASURED_SHORTER if self.measured else ASKED_SHORTER
        longer = MEASURED_LONGER if self.measured else ASKED_LONGER
        soonest = max(0, ahead + 1 - self.burst) * 60 / self.rate
        latest = (ahead + 1) * 60 / self.rate
        return floor(soonest * shorter), ceil(latest * longer) + SLACK_S

    def intervals(self, aheads: NDArray[np.int32]) -> tuple[list[int], list[int]] | None:
        """The lows and the highs of many: each as `interval` gives it."""
        if self.rate <= 0:
            return None
        shorter = MEASURED_SHORTER if self.measured else ASKED_SHORTER
        longer = MEASURED_LONGER if self.measured else ASKED_LONGER
        seconds = (aheads.astype(np.int64) + 1) * 60
        lows = np.floor(np.maximum(0, seconds - self.burst * 60) / self.rate * shorter)
        highs = np.ceil(seconds / self.rate * longer) + SLACK_S
        return lows.astype(np.int64).tolist(), highs.astype(np.int64).tolist()


def asked_rate(document: Experience, path: Path) -> int:
    """Admissions a minute asked for in ``path``: the highest there can be where nothing limits them."""
    limits = (document.release_rate_per_minute, rate_of(path.distribution), RATE_MAX)
    return min(rate for rate in limits if rate is not None)


def estimate(document: Experience, path: PathReplica, since_ms: int, now_ms: int) -> Estimate:
    """The rate of ``path`` at ``now_ms`` (log's time), measured from ``since_ms`` on, a minute back at most."""
    if isinstance(path.settings.distribution, Waitlist):
        return Estimate(path.admissions_since(now_ms - RATE_SPAN_MS), 0.0, 0, False)
    asked = asked_rate(document, path.settings)
    burst = 1 + -(-asked * path.settings.distribution.burst_ms // MINUTE_MS)
    if asked == 0 or path.paused:
        return Estimate(0 if asked == 0 else asked, 0.0, burst, False)
    span_ms = min(now_ms - since_ms, RATE_SPAN_MS)
    if span_ms < MEASURED_AFTER_MS:
        return Estimate(asked, asked, burst, False)
    count = path.admissions_since(now_ms - span_ms)
    per_minute = count * MINUTE_MS / span_ms
    expected = asked * span_ms / MINUTE_MS
    slack = max(AGREES_COUNT_MIN, expected * AGREES_WITHIN)
    agrees = count >= expected - slack
    shown = asked if agrees and span_ms < RATE_SPAN_MS else round(per_minute)
    return Estimate(shown, asked if agrees else per_minute, burst, not agrees)
