"""Every transcript in `scenarios/` comes out as it went in; `PLAYBOOK_REWRITE=1` writes back what comes out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.playbook import Playbook

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_a_transcript_comes_out_as_it_went_in(file: Path) -> None:
    text = file.read_text()
    played = Playbook().play(text)
    assert Playbook(put_away=True).play(text) == played, "put away and brought back, it plays otherwise"
    if os.environ.get("PLAYBOOK_REWRITE") == "1":
        file.write_text(played)
    else:
        assert text == played


def test_there_are_transcripts() -> None:
    assert len(SCENARIOS) >= 12


def test_a_wrong_expectation_is_not_passed_over() -> None:
    right = Playbook().play("given rate 60\n> alice joins\n")
    wrong = right.replace("ticket 0", "ticket 1")
    assert "< alice has ticket 0" in right
    assert Playbook().play(wrong) == right != wrong


@pytest.mark.parametrize("line", ["alice joins", "> alice flies", "at noon"])
def test_a_line_that_nobody_understands_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"begins with none|no sentence|no duration"):
        Playbook().play(line)
