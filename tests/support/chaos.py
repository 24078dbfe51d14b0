"""Records of a chaos run, in the shape that ``stanchion bench chaos --record`` writes, judged by the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

TIMEOUT_S = 120
Planted = dict[str, Any]
Checks = dict[str, Planted]
"""The checks of a record, by name, each with its detail."""


def judged(folder: Path, records: Mapping[str, Planted], count: int) -> dict[str, Checks]:
    """What one run of ``--judge`` says of all ``records``, of each ``count`` checks."""
    files = [folder / f"{number}.msgpack" for number in range(len(records))]
    for file, record in zip(files, records.values(), strict=True):
        file.write_bytes(msgspec.msgpack.encode(record))
    command = [sys.executable, "-m", "deploy.cli", "bench", "chaos", "--no-save", "--judge", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == count * len(records)
    return {
        name: {one["figure"].removeprefix("chaos: "): one["detail"] for one in lines[begin : begin + count]}
        for begin, name in zip(range(0, len(lines), count), records, strict=True)
    }
