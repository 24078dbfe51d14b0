"""`stanchion draw prove` from a real store's log, and `stanchion draw verify` of what it wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.io.streams import connect
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key
from tests.support.draws import DRAW_PATH, drawn_log
from tests.support.log import Log
from tests.support.samples import EXPERIENCE

TIMEOUT_S = 120


def append(redis_url: str, log: Log) -> None:
    with connect(redis_url) as client:
        for entry_id, payload, chain in log.entries:
            client.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)


def stanchion_draw(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", "draw", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_what_is_proved_from_the_log_verifies(redis_url: str, tmp_path: Path) -> None:
    append(redis_url, drawn_log(beacon="default"))
    file = tmp_path / "proof.json"
    done = stanchion_draw("prove", EXPERIENCE, DRAW_PATH, "--redis-url", redis_url, "--out", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    verified = stanchion_draw("verify", str(file))
    assert verified.returncode == 0, verified.stdout
    assert f"{DRAW_PATH} of {EXPERIENCE}" in verified.stdout and "round 1000 of default" in verified.stdout
    shown = stanchion_draw("prove", EXPERIENCE, DRAW_PATH, "--redis-url", redis_url)
    assert shown.stdout.strip() == file.read_text()


@pytest.mark.parametrize(
    ("experience", "path", "says"),
    [
        (EXPERIENCE, DRAW_PATH, "vip is not drawn yet; its entries are fixed, with the root "),
        (EXPERIENCE, "general", "general is no path of it that draws"),
        ("other", DRAW_PATH, "there is no log of this experience"),
    ],
)
def test_where_there_is_no_proof_it_says_why(redis_url: str, experience: str, path: str, says: str) -> None:
    append(redis_url, drawn_log(drawn=False))
    done = stanchion_draw("prove", experience, path, "--redis-url", redis_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{experience}: {says}" in done.stderr
