"""``stanchion draw verify``: the three answers and what is named; the real command, as a child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocol.beacons import Beacon
from protocol.proof import Proof, encode
from tests.support.beacons import REAL
from tests.support.draws import HATS, proof_of

INVENTED = replace(REAL["quicknet"], randomness="ab" * 32)


def verify(folder: Path, document: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "proof.json"
    file.write_bytes(document)
    command = [sys.executable, "-m", "deploy.cli", "draw", "verify", str(file), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("beacon", "code", "says"),
    [
        (None, 0, "none: whoever could read the store knew the order as soon as the entries were fixed"),
        (REAL["quicknet"], 0, "round 657413 of quicknet, known to nobody before 2023-09-15 11:00:03 UTC"),
        (INVENTED, 3, "whoever made this proof may have chosen the winners"),
    ],
)
def test_the_answer_is_the_exit_code(tmp_path: Path, beacon: Beacon | None, code: int, says: str) -> None:
    done = verify(tmp_path, encode(proof_of(beacon)))
    assert (done.returncode, done.stderr) == (code, "")
    assert says in done.stdout
    assert done.stdout.split()[-1] == {0: "ok", 3: "unproven"}[code]


def test_what_does_not_match_is_named(tmp_path: Path) -> None:
    proof: Proof = replace(proof_of(), seed="00" * 32)
    done = verify(tmp_path, encode(proof))
    assert done.returncode == 1
    assert "does not match  seed says 0000" in done.stdout and "does not match  digest says" in done.stdout
    assert done.stdout.split()[-1] == "fails"


def test_a_consumer_finds_the_own_ticket(tmp_path: Path) -> None:
    proof = proof_of()
    done = verify(tmp_path, encode(proof), "--ticket", str(proof.winners[0]))
    assert f"had {HATS[proof.winners[0]]} hats, came out as number 1 of 7 and won" in done.stdout
    done = verify(tmp_path, encode(proof), "--ticket", "2")
    assert "ticket 2        was not in the hat when the entries were fixed" in done.stdout


def test_what_is_no_proof_fails(tmp_path: Path) -> None:
    done = verify(tmp_path, b"{}")
    assert done.returncode == 1 and "does not match  document" in done.stdout


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "draw", "verify", str(tmp_path / "none.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "cannot be read" in done.stderr
