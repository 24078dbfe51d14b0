"""Close codes: the range says what a client does."""

from __future__ import annotations

from protocol.close_codes import NEW_SESSION, TERMINAL, CloseCode


def test_a_code_is_of_the_standard_or_of_the_ranges_that_mean_something() -> None:
    for code in CloseCode:
        assert 1000 <= code < 1016 or 4400 <= code < 4600


def test_whoever_must_stop_or_start_anew_is_in_the_44_range() -> None:
    assert {code // 100 for code in TERMINAL | NEW_SESSION} == {44}
    assert not TERMINAL & NEW_SESSION
