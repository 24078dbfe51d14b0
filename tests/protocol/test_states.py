"""States and phases: words outside, numbers inside."""

from __future__ import annotations

import pytest

from protocol.states import LIVE, Phase, TicketState, experience_phase


def test_states_fit_into_one_byte_and_keep_their_numbers() -> None:
    assert [state.value for state in TicketState] == list(range(11))
    assert bytes([TicketState.REFUSED]) == b"\x0a"


def test_a_state_is_read_in_lower_case() -> None:
    assert [state.word for state in (TicketState.WAITING, TicketState.EXPIRED)] == ["waiting", "expired"]


def test_what_is_over_is_not_live() -> None:
    over = {state.word for state in TicketState if state not in LIVE}
    assert over == {"completed", "expired", "left", "lost", "refused"}


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (["ended", "settling"], Phase.SETTLING),
        (["settling", "scheduled"], Phase.SCHEDULED),
        (["scheduled", "lobby"], Phase.LOBBY),
        (["lobby", "open", "ended"], Phase.OPEN),
        (["ended"], Phase.ENDED),
        ([], Phase.ENDED),
    ],
)
def test_an_experience_is_in_the_foremost_phase_of_its_paths(phases: list[str], expected: Phase) -> None:
    assert experience_phase(phases) is expected
