"""Secrets are made once, kept, readable by their owner alone, and never shown by accident."""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy import keys
from protocol.sessions import KEY_BYTES


def test_every_file_is_the_owners_alone(tmp_path: Path) -> None:
    keys.prepare(tmp_path / "data")
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {path.name for path in files if path.suffix == ".key"} == {"control.key", "checkout.key", "session.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_second_start_finds_the_same(tmp_path: Path) -> None:
    first = keys.prepare(tmp_path)
    secret = first.session_key_file.read_text()
    assert keys.prepare(tmp_path) == first
    assert first.session_key_file.read_text() == secret


def test_two_folders_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = keys.prepare(tmp_path / "1"), keys.prepare(tmp_path / "2")
    assert one.control_key != other.control_key
    assert one.checkout_key not in {one.control_key, other.checkout_key}
    assert one.kid != other.kid
    assert one.session_key_file.read_text() != other.session_key_file.read_text()


def test_a_given_control_key_replaces_the_kept_one(tmp_path: Path) -> None:
    keys.prepare(tmp_path)
    assert keys.prepare(tmp_path, "given-by-the-merchant").control_key == "given-by-the-merchant"
    assert keys.prepare(tmp_path).control_key == "given-by-the-merchant"
    assert not list(tmp_path.glob("*.new"))


def test_the_keys_are_what_their_readers_expect(tmp_path: Path) -> None:
    made = keys.prepare(tmp_path)
    assert len(bytes.fromhex(made.session_key_file.read_text())) == KEY_BYTES
    pem = (made.pass_keys_folder / f"{made.kid}.pem").read_bytes()
    assert isinstance(load_pem_private_key(pem, None), Ed25519PrivateKey)


def test_showing_them_shows_nothing(tmp_path: Path) -> None:
    made = keys.prepare(tmp_path)
    assert made.control_key not in repr(made)
    assert made.checkout_key not in repr(made)
