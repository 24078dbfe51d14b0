"""A draw checked outside of Python: by the page's own module, in Node and in Chromium's worker, and by a second
verifier that shares nothing with ours. All must say of 100 random draws what `protocol.proof` says."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import playwright
import pytest
from msgspec.structs import replace
from playwright.sync_api import Page

from protocol.proof import encode
from tests.browser.conftest import Stack
from tests.support.beacons import REAL
from tests.support.draws import proof_of

NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")
INDEPENDENT = Path(__file__).parent.parent / "independent" / "verify_draw.mjs"
OURS = Path(__file__).parent / "pages" / "check_draws.mjs"
DRAWS = 100
TICKETS_IN_A_BROWSER = 50_000
VERIFY = """async (text) => {
  const { verify } = await import("/pages/draw_verify.js");
  const seen = [];
  const answer = await verify(text, { onProgress: (done, total) => seen.push([done, total]) });
  return { answer, seen };
}"""


def random_draws() -> list[bytes]:
    """Of up to 60 tickets with up to 9 hats each, some of whom left before or after the close."""
    chance = random.Random(20261127)
    documents = []
    for _ in range(DRAWS):
        hats = bytes(chance.randrange(10) for _ in range(chance.randrange(60)))
        beacon = chance.choice([None, *REAL.values()])
        proof = proof_of(beacon, hats, chance.randrange(20), chance.randrange(4), chance.randbytes(32))
        documents.append(encode(proof))
    return documents


def run(program: Path, folder: Path, documents: list[bytes]) -> list[str]:
    file = folder / "proofs"
    file.write_bytes(b"\n".join(documents))
    return subprocess.check_output([NODE, str(program), str(file)], text=True, timeout=120).splitlines()


@pytest.mark.parametrize("program", [INDEPENDENT, OURS], ids=["independent", "ours"])
def test_a_hundred_random_draws(tmp_path: Path, program: Path) -> None:
    assert run(program, tmp_path, random_draws()) == ["ok"] * DRAWS


@pytest.mark.parametrize("program", [INDEPENDENT, OURS], ids=["independent", "ours"])
def test_what_is_forged_is_named(tmp_path: Path, program: Path) -> None:
    true = proof_of()
    forged = {
        "winners": replace(true, winners=true.winners[::-1]),
        "seed": replace(true, seed="00" * 32),
        "commitment": replace(true, commitment="00" * 32),
        "order_digest": replace(true, order_digest="00" * 32),
        "tickets": replace(true, tickets=7),
    }
    said = run(program, tmp_path, [encode(proof) for proof in forged.values()])
    assert [set(line.split()) - {"digest"} for line in said] == [{field} for field in forged]


def test_the_second_verifier_stays_small() -> None:
    assert len(INDEPENDENT.read_text().splitlines()) <= 60


def verified(page: Page, document: bytes) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(VERIFY, document.decode())
    return found


def test_the_page_checks_in_a_worker(page: Page, up: Stack) -> None:
    page.goto(f"{up.room}/r/demo")
    hats = bytes(random.Random(1).choices(range(6), k=TICKETS_IN_A_BROWSER))
    found = verified(page, encode(proof_of(hats=hats, winner_count=100)))
    assert found["answer"] == {"verdict": "ok", "findings": [], "unproven": None}
    assert [done for done, _ in found["seen"]] == sorted({done for done, _ in found["seen"]})
    assert found["seen"] and {total for _, total in found["seen"]} == {TICKETS_IN_A_BROWSER}


def test_the_page_says_what_does_not_match(page: Page, up: Stack) -> None:
    page.goto(f"{up.room}/r/demo")
    answer = verified(page, encode(replace(proof_of(), root="00" * 32)))["answer"]
    assert answer["verdict"] == "fails"
    assert {finding["field"] for finding in answer["findings"]} == {"root", "digest"}
    assert verified(page, b"{}")["answer"]["findings"][0]["field"] == "document"


def test_a_page_that_cannot_run_the_check_says_so(page: Page, up: Stack) -> None:
    page.goto(f"{up.room}/r/demo")
    said = page.evaluate("""async () => {
      const { verify } = await import("/pages/draw_verify.js");
      return verify("{}", { signal: AbortSignal.abort("the reader left") }).catch((reason) => reason);
    }""")
    assert said == "the reader left"
