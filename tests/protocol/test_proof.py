"""The proof document: it says ok of what is so, unproven of what may be invented, and fails at any changed byte."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol import bls
from protocol.beacons import Beacon
from protocol.proof import Check, Proof, Skipped, Verdict, check, encode
from tests.support.beacons import REAL
from tests.support.draws import HATS, proof_of


def never_real(beacon: Beacon) -> str | None:
    return "nobody looked"


def rewritten(proof: Proof) -> bytes:
    """The document with a digest that fits, as a forger would write it."""
    return encode(replace(proof, digest=sha256(encode(replace(proof, digest=""))).hexdigest()))


def fields_that_fail(document: bytes) -> set[str]:
    answer = check(document, never_real)
    assert answer.verdict is Verdict.FAILS and answer.unproven is None
    return {finding.field for finding in answer.findings}


@pytest.mark.parametrize("hats", [HATS, b"", b"\x00", b"\x01" * 300])
def test_a_proof_without_a_beacon_is_ok_and_says_that_the_operator_could_know(hats: bytes) -> None:
    proof = proof_of(hats=hats, skip=0)
    assert proof.operator_could_know
    assert check(encode(proof), never_real) == (Verdict.OK, [], None)


def test_a_proof_with_a_real_round_is_ok() -> None:
    proof = proof_of(REAL["default"])
    assert not proof.operator_could_know
    assert check(encode(proof), bls.unproven) == (Verdict.OK, [], None)


def test_a_proof_with_invented_randomness_is_unproven() -> None:
    invented = replace(REAL["quicknet"], randomness="ab" * 32)
    answer = check(encode(proof_of(invented)), bls.unproven)
    assert answer == (Verdict.UNPROVEN, [], "the randomness is not the SHA-256 of the signature")
    signature = bytes(48)
    invented = replace(invented, signature=signature.hex(), randomness=sha256(signature).hexdigest())
    answer = check(encode(proof_of(invented)), bls.unproven)
    assert answer == (Verdict.UNPROVEN, [], "the signature is not that of quicknet for round 657413")


@settings(deadline=None)
@given(data=st.data())
def test_any_changed_byte_fails(data: st.DataObject) -> None:
    document = bytearray(encode(proof_of(REAL["quicknet"])))
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != document[place]))
    assert fields_that_fail(bytes(document))


def test_every_byte_changed_by_a_bit_fails() -> None:
    document = encode(proof_of(REAL["quicknet"]))
    for place in range(len(document)):
        changed = bytearray(document)
        changed[place] ^= 1
        assert fields_that_fail(bytes(changed)), place


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"rule": "another"}, {"rule"}),
        ({"tickets": 9}, {"tickets"}),
        ({"hats": "AQIAAwUBAQ=="}, {"tickets", "root", "seed", "order_digest"}),
        ({"hats": "AQ"}, {"hats"}),
        ({"commitment": "00" * 32}, {"commitment"}),
        ({"secret": "00" * 32}, {"commitment", "seed", "order_digest"}),
        ({"secret": "zz"}, {"secret"}),
        ({"root": "00" * 32}, {"root"}),
        ({"seed": "00" * 32}, {"seed"}),
        ({"beacon": REAL["quicknet"]}, {"operator_could_know", "seed"}),
        ({"operator_could_know": False}, {"operator_could_know"}),
        ({"winners": [0, 1, 2]}, {"winners"}),
        ({"skipped": []}, {"winners"}),
        ({"skipped": [Skipped(2, "left")]}, {"skipped"}),
        ({"skipped": [Skipped(-1, "left"), Skipped(8, "left")]}, {"skipped"}),
        ({"skipped": [Skipped(0, "left"), Skipped(0, "left")]}, {"skipped"}),
        ({"order_digest": "00" * 32}, {"order_digest"}),
    ],
)
def test_what_a_forger_rewrites_is_named(change: dict[str, object], fields: set[str]) -> None:
    found = fields_that_fail(rewritten(replace(proof_of(), **change)))
    assert fields <= found and "digest" not in found


def test_names_are_bound_by_the_digest_alone() -> None:
    assert fields_that_fail(encode(replace(proof_of(), experience="other"))) == {"digest"}


def test_a_finding_says_both_sides_shortly() -> None:
    answer = check(rewritten(replace(proof_of(), root="0" * 64, hats="*" * 1000)), never_real)
    found = dict(answer.findings)
    assert found["root"].startswith("says 0000") and found["root"].count("from the rest follows") == 1
    assert "(1000 characters)" in found["hats"] and len(found["hats"]) < 200


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"\xff", encode(proof_of())[:-1]])
def test_what_is_no_proof_fails_as_a_document(document: bytes) -> None:
    assert fields_that_fail(document) == {"document"}


def test_spaces_do_not_count() -> None:
    assert check(msgspec.json.format(encode(proof_of()), indent=2), never_real).verdict is Verdict.OK


def test_a_check_in_slices_gives_the_answer_once() -> None:
    checking, slices = Check(encode(proof_of()), never_real), 0
    while not checking.advance(1):
        assert checking.answer is None
        slices += 1
    assert slices > len(HATS)
    assert checking.advance(1) and checking.answer is not None
