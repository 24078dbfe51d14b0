"""The pure parts of the pages and the client library, under Node: `tests/browser/pages/*.test.mjs`.

Node is the one on the path, else the one that Playwright brings along, so these never need to be skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import playwright
import pytest

PAGES = Path(__file__).parent / "pages"
NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")
TIMEOUT_S = 120


@pytest.mark.parametrize("file", sorted(PAGES.glob("*.test.mjs")), ids=lambda file: file.name)
def test_pages(file: Path) -> None:
    run = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", str(file)], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "pass 0" not in run.stdout
