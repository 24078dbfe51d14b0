"""Settings: a wrong one names itself, its value and what is allowed; a secret is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import GatewaySettings, SettingError, from_environment

GIVEN = {
    "STANCHION_SESSION_KEY": "ab" * 32,
    "STANCHION_CONTROL_KEY": "control-key-0123456789",
    "STANCHION_CHECKOUT_KEY": "checkout-key-0123456789",
}


def test_defaults_follow_from_one_another() -> None:
    settings = from_environment(GIVEN | {"STANCHION_HOST": "0.0.0.0", "STANCHION_PORT": "8123"})
    assert (settings.origin, settings.token_issuer) == ("http://127.0.0.1:8123",) * 2
    assert not settings.secure_cookies
    assert settings.session_key_bytes == b"\xab" * 32


def test_a_public_origin_is_the_issuer_too() -> None:
    settings = from_environment(GIVEN | {"STANCHION_PUBLIC_ORIGIN": "https://wait.example"})
    assert (settings.token_issuer, settings.secure_cookies) == ("https://wait.example", True)


def test_who_ends_tls_here_is_reached_by_https() -> None:
    settings = from_environment(GIVEN | {"STANCHION_TLS_CERT_FILE": "c.pem", "STANCHION_TLS_KEY_FILE": "k.pem"})
    assert (settings.origin, settings.secure_cookies) == ("https://127.0.0.1:8000", True)
    with pytest.raises(SettingError, match="TLS_CERT_FILE, both or none"):
        from_environment(GIVEN | {"STANCHION_TLS_CERT_FILE": "c.pem"})


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "session.key"
    file.write_text("cd" * 32 + "\n")
    rest = {name: value for name, value in GIVEN.items() if name != "STANCHION_SESSION_KEY"}
    settings = from_environment(rest | {"STANCHION_SESSION_KEY_FILE": str(file)})
    assert settings.session_key == "cd" * 32


def test_the_common_name_of_the_store_is_understood() -> None:
    assert from_environment(GIVEN | {"REDIS_URL": "redis://a:1/0"}).redis_url == "redis://a:1/0"
    both = GIVEN | {"REDIS_URL": "redis://a:1/0", "STANCHION_REDIS_URL": "redis://b:1/0"}
    assert from_environment(both).redis_url == "redis://b:1/0"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "http", "int"),
        ("PORT", "0", ">= 1"),
        ("DRAIN_MS", "-1", ">= 0"),
        ("PUBLIC_ORIGIN", "https://wait.example/room", "no path"),
        ("REDIS_URL", "http://x", "redis"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "networks such as"),
    ],
)
def test_a_wrong_one_says_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingError, match=f"STANCHION_{name} is '{value}'.*{allowed}"):
        from_environment(GIVEN | {f"STANCHION_{name}": value})


@pytest.mark.parametrize("name", list(GIVEN))
def test_secrets_are_needed_and_never_shown(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} .* must be set"):
        from_environment({other: value for other, value in GIVEN.items() if other != name})
    with pytest.raises(SettingError) as caught:
        from_environment(GIVEN | {name: "short"})
    assert "short" not in str(caught.value)


def test_keys_differ() -> None:
    with pytest.raises(SettingError, match="CHECKOUT_KEY"):
        from_environment(GIVEN | {"STANCHION_CHECKOUT_KEY": GIVEN["STANCHION_CONTROL_KEY"]})


def test_the_text_of_settings_has_no_secret() -> None:
    settings: GatewaySettings = from_environment(GIVEN | {"STANCHION_REDIS_URL": "redis://user:word@a:1/0"})
    assert not any(value in repr(settings) for value in GIVEN.values())
    assert "word" not in repr(settings)
