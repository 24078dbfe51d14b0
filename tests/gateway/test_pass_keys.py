"""The keys of passes: read from a folder, the newest first, two of them published."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.pass_keys import PassKeys, PassKeysError, claims_of
from protocol import passes
from protocol.passes import PassClaims

CLAIMS = claims_of(
    "http://room", "demo", "general", consumer=b"c" * 16, admission=b"a" * 16, admitted_at=1_500, expires_at=601_999
)


def write(folder: Path, kid: str, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{kid}.pem").write_bytes(pem)


def test_claims_are_in_seconds_and_hexadecimal() -> None:
    assert CLAIMS == PassClaims("http://room", "demo", "63" * 16, "61" * 16, "general", iat=1, nbf=1, exp=601)


def test_the_last_by_name_is_active_and_two_are_published(tmp_path: Path) -> None:
    for kid in ("k2", "k1", "k3"):
        write(tmp_path, kid, Ed25519PrivateKey.generate())
    keys = PassKeys.load(tmp_path)
    assert keys.active_kid == "k3"
    assert [key.kid for key in keys.jwks().keys] == ["k3", "k2"]
    assert set(keys.public_keys) == {"k1", "k2", "k3"}


def test_a_pass_is_checked_with_what_is_published(tmp_path: Path) -> None:
    write(tmp_path, "k1", Ed25519PrivateKey.generate())
    keys = PassKeys.load(tmp_path)
    token = keys.sign(CLAIMS, "k1")
    assert token == keys.sign(CLAIMS, "k1")
    published = {"keys": [{field: getattr(key, field) for field in key.__struct_fields__} for key in keys.jwks().keys]}
    found = passes.verify(token, passes.keys_of_jwks(published), audience="demo", issuer="http://room", now=2)
    assert found == CLAIMS


def test_a_key_that_is_not_here_signs_nothing(tmp_path: Path) -> None:
    write(tmp_path, "k1", Ed25519PrivateKey.generate())
    with pytest.raises(PassKeysError, match="'k9'"):
        PassKeys.load(tmp_path).sign(CLAIMS, "k9")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PassKeysError, match=str(tmp_path)):
        PassKeys.load(tmp_path)
    with pytest.raises(PassKeysError):
        PassKeys({})


def test_what_is_no_ed25519_key_is_named(tmp_path: Path) -> None:
    write(tmp_path, "k1", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(PassKeysError, match=r"k1\.pem is not an Ed25519 key"):
        PassKeys.load(tmp_path)
    (tmp_path / "k1.pem").write_text("no key")
    with pytest.raises(PassKeysError, match=r"k1\.pem cannot be read"):
        PassKeys.load(tmp_path)
