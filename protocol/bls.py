"""Whether a beacon's round is real: the BLS signature under the chain's key, checked with the pairing of py-ecc.

``e(H(message), key) = e(signature, generator)``, on whichever side of BLS12-381 the chain signs: one product of two
Miller loops and one final exponentiation, about a second in pure Python. Points are compressed as Zcash has it, must
lie in the subgroup of prime order and be no infinity (draft-irtf-cfrg-bls-signature-05, sections 2.5 and 2.7); the hash
to the curve is that of RFC 9380.

Apart from ``protocol.beacons`` because importing py-ecc costs most of a second and 20 MB: only who verifies pays it.
"""

from hashlib import sha256
from typing import Any, Final

from py_ecc.bls.hash_to_curve import hash_to_G1, hash_to_G2
from py_ecc.bls.point_compression import decompress_G1, decompress_G2
from py_ecc.bls.typing import G1Compressed, G2Compressed
from py_ecc.fields import optimized_bls12_381_FQ12 as Fq12
from py_ecc.optimized_bls12_381.optimized_curve import G1, G2, curve_order, is_inf, multiply, neg
from py_ecc.optimized_bls12_381.optimized_pairing import final_exponentiate, pairing

from protocol.beacons import SCHEMES, Beacon, Chain, chain_of

G1_BYTES: Final = 48
G2_BYTES: Final = 96

_SHA256: Final[Any] = sha256
"""Annotated by py-ecc as a hash that has begun; what it calls is the function that begins one."""

Point = Any
"""A point of G1 or G2 in py-ecc's projective coordinates; its types do not tell them apart usefully."""


def unproven(beacon: Beacon) -> str | None:
    """Why it is not proved that ``beacon`` is what its source said in that round; None: it is."""
    chain = chain_of(beacon.source)
    if chain is None:
        return f"{beacon.source} is no known public chain"
    if beacon.public_key != chain.public_key:
        return f"the public key is not that of {chain.id}"
    if beacon.round < 1 or beacon.round >= 1 << 64:
        return f"{chain.id} has no round {beacon.round}"
    if (beacon.previous_signature is not None) != SCHEMES[chain.scheme].chained:
        return f"{chain.id} signs {'the previous signature too' if beacon.previous_signature is None else 'no other'}"
    try:
        signature, before = bytes.fromhex(beacon.signature), bytes.fromhex(beacon.previous_signature or "")
    except ValueError as error:
        return f"the signature is not hexadecimal: {error}"
    if beacon.randomness != sha256(signature).hexdigest():
        return "the randomness is not the SHA-256 of the signature"
    real = signed(chain, beacon.round, signature, before)
    return None if real else f"the signature is not that of {chain.id} for round {beacon.round}"


def signed(chain: Chain, round_number: int, signature: bytes, previous_signature: bytes = b"") -> bool:
    """Whether ``signature`` is the one of ``chain`` for this round, which follows ``previous_signature``."""
    scheme, message = SCHEMES[chain.scheme], chain.message(round_number, previous_signature)
    key = bytes.fromhex(chain.public_key)
    try:
        if scheme.on_g1:
            point = _g1(signature)
            return _product_is_one((_g2(key), hash_to_G1(message, scheme.tag, _SHA256)), (G2, neg(point)))
        point = _g2(signature)
        return _product_is_one((hash_to_G2(message, scheme.tag, _SHA256), _g1(key)), (point, neg(G1)))
    except ValueError:
        return False


def _product_is_one(*pairs: tuple[Point, Point]) -> bool:
    """Whether the pairings of a point of G2 with one of G1 multiply to one."""
    product = Fq12.one()
    for in_g2, in_g1 in pairs:
        product *= pairing(in_g2, in_g1, final_exponentiate=False)
    return bool(final_exponentiate(product) == Fq12.one())


def _g1(compressed: bytes) -> Point:
    """Raises ValueError."""
    if len(compressed) != G1_BYTES:
        raise ValueError(f"a point of G1 has {G1_BYTES} bytes, not {len(compressed)}")
    return _of_prime_order(decompress_G1(G1Compressed(int.from_bytes(compressed, "big"))))


def _g2(compressed: bytes) -> Point:
    """Raises ValueError."""
    if len(compressed) != G2_BYTES:
        raise ValueError(f"a point of G2 has {G2_BYTES} bytes, not {len(compressed)}")
    halves = (int.from_bytes(compressed[:G1_BYTES], "big"), int.from_bytes(compressed[G1_BYTES:], "big"))
    return _of_prime_order(decompress_G2(G2Compressed(halves)))


def _of_prime_order(point: Point) -> Point:
    if is_inf(point) or not is_inf(multiply(point, curve_order)):
        raise ValueError("a point outside of the subgroup")
    return point
