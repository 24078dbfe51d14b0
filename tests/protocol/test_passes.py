"""Passes: one valid form, and every way to bend it is refused for what it is."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs, to_builtins

from protocol import passes
from protocol.passes import PassClaims, PassError, sign, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"k1": KEY.public_key()}
ISSUER = "https://room.example"
NOW = 1_790_000_000
CLAIMS = PassClaims(ISSUER, "drop", "00" * 16, "ab" * 16, "general", NOW, NOW, NOW + 600)
PASS = sign(CLAIMS, "k1", KEY)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _claims(**fields: Any) -> dict[str, Any]:
    return dict(to_builtins(CLAIMS)) | fields


def _signed(header: Any, claims: Any) -> str:
    """A token with a true signature over whatever stands in it."""
    signed = f"{_json(header)}.{_json(claims)}"
    return f"{signed}.{_base64(KEY.sign(signed.encode()))}"


def _reason_of(token: str, *, audience: str = "drop", issuer: str = ISSUER, now: int = NOW) -> str:
    with pytest.raises(PassError) as caught:
        verify(token, KEYS, audience=audience, issuer=issuer, now=now)
    return caught.value.reason


def test_a_pass_is_valid_from_its_first_to_before_its_last_second() -> None:
    for now in (NOW, NOW + 599):
        assert verify(PASS, KEYS, audience="drop", issuer=ISSUER, now=now) == CLAIMS
    assert _reason_of(PASS, now=NOW - 1) == "not_yet"
    assert _reason_of(PASS, now=NOW + 600) == "expired"


def test_every_gateway_signs_the_same_bytes() -> None:
    assert sign(structs.replace(CLAIMS), "k1", Ed25519PrivateKey.from_private_bytes(bytes(range(32)))) == PASS


def test_a_pass_is_a_jwt_of_three_parts_with_the_algorithm_named() -> None:
    header, claims, signature = PASS.split(".")
    assert json.loads(urlsafe_b64decode(header + "==")) == {"alg": "EdDSA", "kid": "k1", "typ": "JWT"}
    assert json.loads(urlsafe_b64decode(claims + "==")) == _claims()
    assert len(urlsafe_b64decode(signature + "==")) == 64
    assert len(PASS) <= passes.PASS_LENGTH_MAX


def test_what_the_path_has_settled_stands_in_the_pass() -> None:
    settled = structs.replace(CLAIMS, variant="42", price="130.00")
    token = sign(settled, "k1", KEY)
    claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims == _claims(variant="42", price="130.00")
    assert verify(token, KEYS, audience="drop", issuer=ISSUER, now=NOW) == settled


def test_a_pass_with_any_changed_character_is_refused() -> None:
    for index, character in enumerate(PASS):
        for other in "ABgw_9-=! ":
            if other != character:
                _reason_of(PASS[:index] + other + PASS[index + 1 :])


def test_a_pass_for_another_experience_or_of_another_issuer_is_refused() -> None:
    assert _reason_of(PASS, audience="other") == "wrong_experience"
    assert _reason_of(PASS, issuer="https://other.example") == "wrong_issuer"


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS256", "ES256", "eddsa", None, 1])
def test_the_algorithm_is_fixed_even_under_a_true_signature(algorithm: object) -> None:
    assert _reason_of(_signed({"alg": algorithm, "kid": "k1", "typ": "JWT"}, _claims())) == "bad_algorithm"


def test_no_signature_and_a_mac_by_the_public_key_prove_nothing() -> None:
    claims = PASS.split(".")[1]
    assert _reason_of(f"{_json({'alg': 'none', 'kid': 'k1'})}.{claims}.") == "bad_algorithm"
    signed = f"{_json({'alg': 'HS256', 'kid': 'k1'})}.{claims}"
    mac = hmac.digest(KEY.public_key().public_bytes_raw(), signed.encode(), "sha256")
    assert _reason_of(f"{signed}.{_base64(mac)}") == "bad_algorithm"
    assert _reason_of(f"{PASS.rsplit('.', 1)[0]}.") == "bad_signature"


@pytest.mark.parametrize("header", [{"alg": "EdDSA"}, {"alg": "EdDSA", "kid": "k2"}, {"alg": "EdDSA", "kid": ["k1"]}])
def test_a_key_that_is_not_ours_is_unknown(header: dict[str, Any]) -> None:
    assert _reason_of(_signed(header, _claims())) == "unknown_key"


def test_another_key_under_our_name_does_not_sign() -> None:
    assert _reason_of(sign(CLAIMS, "k1", OTHER_KEY)) == "bad_signature"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        PASS + "A" * passes.PASS_LENGTH_MAX,
        PASS.replace("e", "\u00e9", 1),
        f"{_base64(b'{')}.{PASS.split('.', 1)[1]}",
        f"{_base64(b'[' * 1_100)}.{PASS.split('.', 1)[1]}",
        f"{_base64(bytes([255]))}.{PASS.split('.', 1)[1]}",
        f"{_json([])}.{PASS.split('.', 1)[1]}",
        f"{PASS.split('.')[0]}.{_json([])}.{PASS.split('.')[2]}",
        PASS + "=",
        PASS + "\n",
    ],
)
def test_what_is_no_pass_is_malformed(token: str) -> None:
    assert _reason_of(token) == "malformed"


@pytest.mark.parametrize("claims", [{}, _claims(exp="later"), _claims(nbf=None), _claims(aud=["drop"])])
def test_signed_claims_of_another_form_are_malformed(claims: dict[str, Any]) -> None:
    assert _reason_of(_signed({"alg": "EdDSA", "kid": "k1"}, claims)) == "malformed"


def test_a_key_goes_out_as_a_jwk_and_comes_back() -> None:
    entry = passes.jwk("k1", KEY.public_key())
    assert entry | {"x": ""} == {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": ""}
    others = [{"kty": "RSA", "kid": "k2"}, {"kty": "OKP", "crv": "X25519", "kid": "k3", "x": entry["x"]}]
    keys = passes.keys_of_jwks({"keys": [entry, *others]})
    assert list(keys) == ["k1"]
    assert verify(PASS, keys, audience="drop", issuer=ISSUER, now=NOW) == CLAIMS
