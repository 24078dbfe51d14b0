"""Public randomness beacons: the drand chains that a path may name, what their rounds sign, and when a round begins.

A chain's hash names it and binds its key: ``SHA-256(period as 4 bytes ‖ genesis as 8 bytes ‖ public key ‖ group hash ‖
id)``, big-endian, the id left out where it is ``default`` (drand, ``chain.Info.Hash``). A test computes every hash of
the table anew, so a key that is not the chain's cannot stand here. Source of the table: the ``/info`` documents of the
League of Entropy's mainnet chains. Only its chains are in it: whoever runs a chain alone can choose its randomness.

A round's signature is BLS on BLS12-381; its randomness is SHA-256 of the signature. What is signed, and with which
domain separation tag, is the chain's scheme (drand, ``crypto/schemes.go``).

Hands over to: ``protocol.bls``, which verifies a signature.
"""

from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

SOURCE_PREFIX: Final = "drand:"
DEFAULT_ID: Final = "default"
MS: Final = 1_000

_TAG_G1: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_TAG_G2: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"


class Beacon(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One round of a beacon, as it stands in a proof. ``source`` is ``drand:<chain hash>``; all bytes are lower-case
    hexadecimal. ``previous_signature`` only where the chain signs it too."""

    source: str
    round: int
    randomness: str
    signature: str
    public_key: str
    previous_signature: str | None = None


class Scheme(NamedTuple):
    """How a chain signs. ``chained``: a round signs the signature before it too. ``on_g1``: signatures are points of
    G1 (48 bytes) and the key is one of G2 (96), else the other way round. ``tag`` separates the hash to the curve."""

    chained: bool
    on_g1: bool
    tag: bytes


SCHEMES: Final = {
    "pedersen-bls-chained": Scheme(True, False, _TAG_G2),
    "pedersen-bls-unchained": Scheme(False, False, _TAG_G2),
    "bls-unchained-on-g1": Scheme(False, True, _TAG_G2),
    "bls-unchained-g1-rfc9380": Scheme(False, True, _TAG_G1),
}
"""The second signs on G1 with the tag of G2: a slip of drand's that its chain kept, and that the fourth mends."""


class Chain(NamedTuple):
    """A chain of rounds. ``period`` and ``genesis`` (the instant of round 1) are seconds."""

    id: str
    scheme: str
    public_key: str
    period: int
    genesis: int
    group_hash: str

    def hash(self) -> str:
        """The chain hash, hexadecimal: what ``source`` names."""
        times = self.period.to_bytes(4, "big") + self.genesis.to_bytes(8, "big")
        identity = b"" if self.id == DEFAULT_ID else self.id.encode()
        key, group = bytes.fromhex(self.public_key), bytes.fromhex(self.group_hash)
        return sha256(times + key + group + identity).hexdigest()

    def begins_ms(self, round_number: int) -> int:
        """The instant (epoch ms) before which nobody can know this round."""
        return (self.genesis + (round_number - 1) * self.period) * MS

    def message(self, round_number: int, previous_signature: bytes) -> bytes:
        """What round ``round_number`` signs; ``previous_signature`` counts only where the scheme is chained."""
        before = previous_signature if SCHEMES[self.scheme].chained else b""
        return sha256(before + round_number.to_bytes(8, "big")).digest()


CHAINS: Final = {
    "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce": Chain(
        id=DEFAULT_ID,
        scheme="pedersen-bls-chained",
        public_key="868f005eb8e6e4ca0a47c8a77ceaa5309a47978a7c71bc5cce96366b5d7a569937c529eeda66c7293784a9402801af31",
        period=30,
        genesis=1_595_431_050,
        group_hash="176f93498eac9ca337150b46d21dd58673ea4e3581185f869672e59fa4cb390a",
    ),
    "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971": Chain(
        id="quicknet",
        scheme="bls-unchained-g1-rfc9380",
        public_key="83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
        period=3,
        genesis=1_692_803_367,
        group_hash="f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e",
    ),
    "dbd506d6ef76e5f386f41c651dcb808c5bcbd75471cc4eafa3f4df7ad4e4c493": Chain(
        id="fastnet",
        scheme="bls-unchained-on-g1",
        public_key="a0b862a7527fee3a731bcb59280ab6abd62d5c0b6ea03dc4ddf6612fdfc9d01f01c31542541771903475eb1ec6615f8d"
        "0df0b8b6dce385811d6dcf8cbefb8759e5e616a3dfd054c928940766d9a5b9db91e3b697e5d70a975181e007f87fca5e",
        period=3,
        genesis=1_677_685_200,
        group_hash="a81e9d63f614ccdb144b8ff79fbd4d5a2d22055c0bfe4ee9a8092003dab1c6c0",
    ),
}
"""By chain hash. ``fastnet`` has ended; its rounds still verify."""


def chain_of(source: str) -> Chain | None:
    """The known chain that ``source`` names, or None."""
    return CHAINS.get(source.removeprefix(SOURCE_PREFIX)) if source.startswith(SOURCE_PREFIX) else None
