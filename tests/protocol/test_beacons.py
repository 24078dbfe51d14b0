"""Beacons: every chain's key is bound by its hash, rounds have their instants, and only real rounds are real."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocol import bls
from protocol.beacons import CHAINS, chain_of
from tests.support.beacons import (
    QUICKNET,
    RANDOMNESS,
    REAL,
    UNCHAINED_ROUND,
    UNCHAINED_SIGNATURE,
    UNCHAINED_TESTNET,
)

ONE_MORE_BIT = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97a"
INFINITY_G1 = "c0" + "00" * 47
OF_NO_SUBGROUP_G1 = "80" + "00" * 46 + "04"


@pytest.mark.parametrize("chain_hash", CHAINS)
def test_the_hash_of_a_chain_binds_its_key(chain_hash: str) -> None:
    assert CHAINS[chain_hash].hash() == chain_hash


def test_only_known_sources_have_a_chain() -> None:
    assert chain_of(f"drand:{QUICKNET}") is CHAINS[QUICKNET]
    assert chain_of(QUICKNET) is None
    assert chain_of(f"drand:{UNCHAINED_TESTNET.hash()}") is None


def test_a_round_begins_a_period_after_the_one_before() -> None:
    quicknet = CHAINS[QUICKNET]
    assert quicknet.begins_ms(1) == 1_692_803_367_000
    assert quicknet.begins_ms(1001) == 1_692_803_367_000 + 1000 * 3_000


@pytest.mark.parametrize("chain", REAL)
def test_a_real_round_is_real(chain: str) -> None:
    assert bls.unproven(REAL[chain]) is None


@pytest.mark.parametrize("chain", RANDOMNESS)
def test_the_randomness_is_as_published(chain: str) -> None:
    assert REAL[chain].randomness == RANDOMNESS[chain]


def test_the_fourth_scheme() -> None:
    assert bls.signed(UNCHAINED_TESTNET, UNCHAINED_ROUND, UNCHAINED_SIGNATURE)
    assert not bls.signed(UNCHAINED_TESTNET, UNCHAINED_ROUND + 1, UNCHAINED_SIGNATURE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"round": 657_414}, "the signature is not that of quicknet for round 657414"),
        ({"round": 0}, "quicknet has no round 0"),
        ({"round": 1 << 64}, "quicknet has no round 18446744073709551616"),
        ({"source": "drand:00"}, "drand:00 is no known public chain"),
        ({"source": REAL["fastnet"].source}, "the public key is not that of fastnet"),
        ({"previous_signature": ""}, "quicknet signs no other"),
        ({"signature": "zz"}, "the signature is not hexadecimal"),
        ({"randomness": "00" * 32}, "the randomness is not the SHA-256 of the signature"),
    ],
)
def test_what_is_not_proved_says_why(change: dict[str, Any], why: str) -> None:
    assert (bls.unproven(replace(REAL["quicknet"], **change)) or "").startswith(why)


def test_a_chained_round_needs_the_one_before() -> None:
    missing = replace(REAL["default"], previous_signature=None)
    assert bls.unproven(missing) == "default signs the previous signature too"
    other = replace(REAL["default"], previous_signature="00" * 96)
    assert bls.unproven(other) == "the signature is not that of default for round 1000"


@pytest.mark.parametrize("signature", ["", ONE_MORE_BIT, INFINITY_G1, OF_NO_SUBGROUP_G1])
def test_no_signature_but_the_one(signature: str) -> None:
    assert not bls.signed(CHAINS[QUICKNET], 657_413, bytes.fromhex(signature))


def test_a_signature_of_the_wrong_length_on_g2() -> None:
    assert not bls.signed(UNCHAINED_TESTNET, UNCHAINED_ROUND, UNCHAINED_SIGNATURE[:-1])
