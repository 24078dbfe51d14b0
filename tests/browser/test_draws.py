"""A draw checked outside of Python: by the page's own module, in Node and in Chromium's worker, and by a second
verifier that shares nothing with ours. All must say of 100 random draws what `protocol.proof` says."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import playwright
import pytest
from msgspec.structs import replace
from playwright.sync_api import Page
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381.optimized_curve import normalize

from protocol.beacons import CHAINS, SCHEMES, Beacon
from protocol.proof import encode
from tests.browser.conftest import Stack
from tests.support.beacons import REAL
from tests.support.draws import proof_of

NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")
INDEPENDENT = Path(__file__).parent.parent / "independent" / "verify_draw.mjs"
OURS = Path(__file__).parent / "pages" / "check_draws.mjs"
PRINT_BEACONS = Path(__file__).parent / "pages" / "print_beacons.mjs"
DRAWS = 100
DEFAULT = REAL["default"]
COMMAND_ONLY = 'default is not checked in a browser; "stanchion draw verify" does'
TICKETS_IN_A_BROWSER = 50_000
VERIFY = """async (text) => {
  const { verify } = await import("/pages/draw_verify.js");
  const seen = [];
  const answer = await verify(text, { onProgress: (done, total) => seen.push([done, total]) });
  return { answer, seen };
}"""


def random_draws() -> list[tuple[bytes, Beacon | None]]:
    """The proof of each and its beacon: up to 60 tickets of up to 9 hats; some left before the close, some after it."""
    chance = random.Random(20261127)
    draws = []
    for _ in range(DRAWS):
        hats = bytes(chance.randrange(10) for _ in range(chance.randrange(60)))
        beacon = chance.choice([None, *REAL.values()])
        proof = proof_of(beacon, hats, chance.randrange(20), chance.randrange(4), chance.randbytes(32))
        draws.append((encode(proof), beacon))
    return draws


def run(program: Path, folder: Path, documents: list[bytes]) -> list[str]:
    file = folder / "proofs"
    file.write_bytes(b"\n".join(documents))
    return subprocess.check_output([NODE, str(program), str(file)], text=True, timeout=600).splitlines()


def test_a_hundred_random_draws_by_the_second_verifier(tmp_path: Path) -> None:
    assert run(INDEPENDENT, tmp_path, [document for document, _ in random_draws()]) == ["ok"] * DRAWS


def test_a_hundred_random_draws_by_the_page(tmp_path: Path) -> None:
    documents, beacons = zip(*random_draws(), strict=True)
    assert run(OURS, tmp_path, list(documents)) == [COMMAND_ONLY if beacon is DEFAULT else "ok" for beacon in beacons]


def test_the_page_knows_the_same_chains_and_hashes_as_py_ecc(tmp_path: Path) -> None:
    messages = [sha256(bytes([number])).digest() for number in range(20)]
    tag = SCHEMES["bls-unchained-g1-rfc9380"].tag
    asked = json.dumps({"messages": [message.hex() for message in messages], "tag": tag.decode()})
    said = json.loads(run(PRINT_BEACONS, tmp_path, [asked.encode()])[0])
    expected = [normalize(hash_to_G1(message, tag, sha256)) for message in messages]  # type: ignore[arg-type]
    assert said["points"] == [[str(coordinate.n) for coordinate in point] for point in expected]
    schemes = {name: SCHEMES[chain.scheme] for name, chain in CHAINS.items()}
    assert said["chains"] == {
        name: {
            "id": chain.id,
            "tag": schemes[name].tag.decode() if schemes[name].on_g1 else None,
            "publicKey": chain.public_key,
        }
        for name, chain in CHAINS.items()
    }


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


def test_the_page_tells_real_from_invented_randomness(page: Page, up: Stack) -> None:
    page.goto(f"{up.room}/r/demo")
    real = REAL["quicknet"]
    assert verified(page, encode(proof_of(real)))["answer"]["verdict"] == "ok"
    answer = verified(page, encode(proof_of(replace(real, randomness="ab" * 32))))["answer"]
    assert (answer["verdict"], answer["findings"]) == ("unproven", [])


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
