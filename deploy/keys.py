"""The secrets of a one-machine stack: made at the first start, kept in its folder, readable by its owner alone.

| file             | what                                                     | who reads it          |
| ---------------- | -------------------------------------------------------- | --------------------- |
| `control.key`    | the merchant's key, every scope                          | gateways, the command |
| `checkout.key`   | the demo shop's key, scope `checkout`                    | gateways, the shop    |
| `session.key`    | 32 bytes in hexadecimal: signs session tokens, receipts  | gateways              |
| `keys/<kid>.pem` | Ed25519 private keys: sign passes; the last kid is named | gateways, engines     |

A file that exists is kept as it is, so a restart invalidates nothing. Nothing here is ever logged; `stanchion up`
prints the control key once, for the person who started it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.sessions import KEY_BYTES

API_KEY_BYTES = 24
KID_BYTES = 4


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Where the secrets lie, and the few that a start needs in hand."""

    control_key: str
    checkout_key: str
    control_key_file: Path
    checkout_key_file: Path
    session_key_file: Path
    pass_keys_folder: Path
    kid: str

    def __repr__(self) -> str:
        return f"Keys(kid={self.kid!r}, …)"


def prepare(folder: Path, control_key: str | None = None) -> Keys:
    """The secrets of `folder`, made where they are missing. `control_key` replaces the kept one.

    Raises OSError where the folder cannot be written.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if control_key is not None:
        _write(folder / "control.key", control_key)
    control_key_file = _kept(folder / "control.key", "control_" + secrets.token_urlsafe(API_KEY_BYTES))
    checkout_key_file = _kept(folder / "checkout.key", "checkout_" + secrets.token_urlsafe(API_KEY_BYTES))
    return Keys(
        control_key=control_key_file.read_text().strip(),
        checkout_key=checkout_key_file.read_text().strip(),
        control_key_file=control_key_file,
        checkout_key_file=checkout_key_file,
        session_key_file=_kept(folder / "session.key", secrets.token_hex(KEY_BYTES)),
        pass_keys_folder=folder / "keys",
        kid=_pass_key(folder / "keys"),
    )


def _pass_key(folder: Path) -> str:
    """The kid of the newest pass key by name; makes the first one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    kids = sorted(path.stem for path in folder.glob("*.pem"))
    if kids:
        return kids[-1]
    kid = f"k0001-{secrets.token_hex(KID_BYTES)}"
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / f"{kid}.pem", pem.decode())
    return kid


def _kept(path: Path, new: str) -> Path:
    if not path.exists():
        _write(path, new)
    return path


def _write(path: Path, text: str) -> None:
    """Write a whole secret or none: 0600 from the first byte on, then renamed into place."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
