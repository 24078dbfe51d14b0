"""A failing run made small: steps are taken out of its plan as long as the same check still fails.

First halves, then quarters, and so on down to single steps; fewer experiences, gateways and engines are tried last.
What is drawn while the world runs follows from the seed, so a shorter plan is another run; it counts if it fails alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.engine.simulation.plan import Plan
from tests.engine.simulation.simulation import Result, run

TRIES_MAX = 400


def shrink(failed: Result, tries_max: int = TRIES_MAX) -> Result:
    """The smallest run found that breaks the same promise."""
    smallest, tries = failed, 0
    again = True
    while again:
        again = False
        for plan in _smaller(smallest.plan):
            tries += 1
            if tries > tries_max:
                return smallest
            result = run(plan)
            if result.check == failed.check:
                smallest, again = result, True
                break
    return smallest


def _smaller(plan: Plan) -> Iterator[Plan]:
    """The same with fewer steps, most of them left out first; then with fewer machines."""
    count = len(plan.steps)
    size = max(count // 2, 1)
    while size and count:
        for first in range(0, count, size):
            yield plan._replace(steps=plan.steps[:first] + plan.steps[first + size :])
        size //= 2
    character = plan.character
    if len(character.experiences) > 1:
        yield plan._replace(character=character._replace(experiences=character.experiences[:1]))
    if character.gateways > 1:
        yield plan._replace(character=character._replace(gateways=character.gateways - 1))
    if character.engines > 1:
        yield plan._replace(character=character._replace(engines=character.engines - 1))
