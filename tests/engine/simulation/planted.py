"""``python -m tests.engine.simulation.planted``: a check that never failed is not yet a check.

Each bug is a change of the real code's text. It is made in a copy of the tree, never here; seeds run in that copy until
one fails, and the copy is thrown away. The table says which check caught the bug, and by which seed. A seed that does
not end is a failure as well: nobody in that one thread can check a step that goes on for ever. A bug that no seed
catches, or whose text is not in the code any more, makes the script fail.

Hands over to: ``bugs.py``, the list.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.engine.simulation.bug import Bug
from tests.engine.simulation.bugs import BUGS
from tests.engine.simulation.plan import Plan, plan_of
from tests.engine.simulation.simulation import run

ROOT = Path(__file__).parents[3]
COPIED = ("protocol", "engine", "gateway", "tests")
SEEDS_MAX = 1_000
ENDS_S = 60
"""A seed takes a second, some take ten."""


class HangsError(BaseException):
    """A seed does not end. No Exception, for an engine would take that for poison."""


class Caught(NamedTuple):
    """The seed that failed and what was broken, after how many seeds; ``seed`` is None where nothing was."""

    seed: int | None
    broken: str
    seeds: int
    seconds: float

    @property
    def check(self) -> str:
        return self.broken.split(":")[0]


def hunt(bug: Bug, seeds_max: int = SEEDS_MAX) -> Caught:
    """Plant a bug in a copy of the tree and run seeds there until one fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sim-planted-") as folder:
        tree = Path(folder)
        for name in COPIED:
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.png", "browser"))
        plant(bug, tree)
        command = [sys.executable, "-m", "tests.engine.simulation.planted", "--hunt", str(seeds_max)]
        command += [*["--kinds"] * bug.kinds, "--trouble", bug.trouble]
        found = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    seed, broken, seeds = json.loads(found.stdout)
    return Caught(seed, broken, seeds, time.monotonic() - began)


def plant(bug: Bug, tree: Path) -> None:
    """Change the text. Raises AssertionError where it is not there."""
    file = tree / bug.file
    text = file.read_text()
    assert text.count(bug.before) == 1, f"{bug.name}: the text to change stands {text.count(bug.before)} times"
    file.write_text(text.replace(bug.before, bug.after))


def first_failure(seeds_max: int, *, kinds: bool, trouble: str) -> tuple[int | None, str, int]:
    """In the copy: (seed, what is broken, how many seeds it took); only of those that can catch it, see ``Bug``."""
    plans = (
        plan
        for plan in map(plan_of, count())
        if (plan.character.kinds or not kinds) and (not trouble or trouble in plan.character.troubles)
    )
    for number, plan in enumerate(islice(plans, seeds_max), 1):
        broken = _broken(plan)
        if broken is not None:
            return plan.seed, broken, number
    return None, "", seeds_max


def _broken(plan: Plan) -> str | None:
    def give_up(*_: object) -> None:
        raise HangsError

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(ENDS_S)
    try:
        return run(plan).broken
    except HangsError:
        return f"hangs: it did not end within {ENDS_S} s"
    finally:
        signal.alarm(0)


def main(arguments: list[str]) -> int:
    """Hunt every bug, or those whose names contain a word."""
    parser = argparse.ArgumentParser(description="Plant bugs and see which check catches them.")
    parser.add_argument("word", nargs="?", default="", help="only bugs with this in their name")
    parser.add_argument("--at-once", type=int, default=1, help="how many are hunted side by side (default 1)")
    parser.add_argument("--hunt", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--kinds", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--trouble", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.hunt is not None:
        sys.stdout.write(json.dumps(first_failure(given.hunt, kinds=given.kinds, trouble=given.trouble)))
        return 0
    console = Console(width=160)
    table = Table("planted bug", "file", "caught by", "seeds", "s", "what it said")
    missed = 0
    bugs = [one for one in BUGS if given.word in one.name]
    began = time.monotonic()
    with ThreadPoolExecutor(given.at_once) as hunters:
        for number, (bug, caught) in enumerate(zip(bugs, hunters.map(hunt, bugs), strict=True), 1):
            missed += caught.seed is None
            check = caught.check if caught.seed is not None else "NOBODY"
            table.add_row(bug.name, bug.file, check, str(caught.seeds), f"{caught.seconds:.0f}", caught.broken[:60])
            console.print(f"{number} of {len(bugs)}: {bug.name}: {check} after {caught.seeds} seeds")
    console.print(table)
    console.print(f"{len(bugs) - missed} of {len(bugs)} caught in {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
