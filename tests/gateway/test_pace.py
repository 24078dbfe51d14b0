"""How long a process waits for its next turn."""

import pytest

from gateway.pace import pause_s


@pytest.mark.parametrize(
    ("late_s", "waits_s"),
    [(0.0, 0.010), (0.030, 0.010), (0.050, 0.025), (0.100, 0.100), (0.200, 0.400), (0.300, 0.500), (3.0, 0.500)],
)
def test_the_later_a_turn_the_longer_the_wait_for_the_next(late_s: float, waits_s: float) -> None:
    assert pause_s(0.010, 0.500, late_s) == pytest.approx(waits_s)
