"""Rounds of public drand chains as their nodes published them: test vectors that nobody here could have made."""

from __future__ import annotations

from hashlib import sha256

from protocol.beacons import SOURCE_PREFIX, Beacon, Chain, chain_of

DEFAULT = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce"
QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
FASTNET = "dbd506d6ef76e5f386f41c651dcb808c5bcbd75471cc4eafa3f4df7ad4e4c493"

UNCHAINED_TESTNET = Chain(
    id="testnet-unchained-3s",
    scheme="pedersen-bls-unchained",
    public_key="8200fc249deb0148eb918d6e213980c5d01acd7fc251900d9260136da3b54836ce125172399ddc69c4e3e11429b62c11",
    period=3,
    genesis=1_651_677_099,
    group_hash="65083634d852ae169e21b6ce5f0410be9ed4cc679b9970236f7875cff667e13d",
)
"""A test network, therefore no known chain; the one whose scheme no chain of the main network has."""
UNCHAINED_ROUND = 19_369_534
UNCHAINED_SIGNATURE = bytes.fromhex(
    "a33833d2098f5e0c4df334fb6c5b1c2de3ab293c77825f55d816254dabf7f4f3d429b6207e1cd2a808876e06058a1f81"
    "02bb6f6927b654b391259ea99c3566a4eb55feb9665dbaf9d33af08a10b1d8d8b35d91fd3536eb4c197be0041beb5dc2"
)


def beacon(chain_hash: str, round_number: int, signature: str, previous_signature: str | None = None) -> Beacon:
    """The beacon of a round of a known chain."""
    chain = chain_of(SOURCE_PREFIX + chain_hash)
    assert chain is not None
    randomness = sha256(bytes.fromhex(signature)).hexdigest()
    return Beacon(SOURCE_PREFIX + chain_hash, round_number, randomness, signature, chain.public_key, previous_signature)


REAL = {
    "default": beacon(
        DEFAULT,
        1000,
        "99bf96de133c3d3937293cfca10c8152b18ab2d034ccecf115658db324d2edc00a16a2044cd04a8a38e2a307e5ecff35"
        "11315be8d282079faf24098f283e0ed2c199663b334d2e84c55c032fe469b212c5c2087ebb83a5b25155c3283f5b79ac",
        "af0d93299a363735fe847f5ea241442c65843dc1bd3a7b79646b3b10072e908bf034d35cd69d378e3341f139100cd4cd"
        "03030399864ef8803a5a4f5e64fccc20bbae36d1ca22a6ddc43d2630c41105e90598fab11e5c7456df3925d4b577b113",
    ),
    "quicknet": beacon(
        QUICKNET,
        657_413,
        "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b",
    ),
    "fastnet": beacon(
        FASTNET,
        5_713_537,
        "9391bf57538cf1c0012fabc0d933408d21f785324bcbb4f9850503e5a31e268f6e523e1c1db91ab4bf950752474e1580",
    ),
}
RANDOMNESS = {
    "default": "a40d3e0e7e3c71f28b7da2fd339f47f0bcf10910309f5253d7c323ec8cea3212",
    "quicknet": "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587",
}
"""As published beside the signatures."""
