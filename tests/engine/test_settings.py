"""A wrong setting names itself, its value and what is allowed; an address never shows."""

from __future__ import annotations

import pytest

from engine.settings import EngineSettings, SettingError, from_environment


def test_without_an_environment_the_defaults_hold() -> None:
    assert from_environment({}) == EngineSettings()
    assert EngineSettings().metrics_port is None


def test_every_setting_comes_from_the_environment() -> None:
    settings = from_environment(
        {"STANCHION_LEASE_MS": "2000", "STANCHION_BEAT_MS": "500", "STANCHION_METRICS_PORT": "9100", "OTHER": "x"}
    )
    assert (settings.lease_ms, settings.beat_ms, settings.metrics_port) == (2_000, 500, 9_100)


def test_the_store_may_be_named_by_the_usual_variable() -> None:
    ours, usual = "redis://ours/0", "redis://usual/0"
    assert from_environment({"REDIS_URL": usual}).redis_url == usual
    assert from_environment({"REDIS_URL": usual, "STANCHION_REDIS_URL": ours}).redis_url == ours


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("STANCHION_LEASE_MS", "long", "Expected `int`"),
        ("STANCHION_LEASE_MS", "10", ">= 500"),
        ("STANCHION_BEAT_MS", "1500", "less than half of lease_ms, which is 3000"),
        ("STANCHION_METRICS_PORT", "0", ">= 1"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingError) as caught:
        from_environment({name: value})
    assert name in str(caught.value)
    assert value in str(caught.value)
    assert told in str(caught.value)


def test_an_address_with_a_password_is_never_shown() -> None:
    with pytest.raises(SettingError) as caught:
        from_environment({"STANCHION_REDIS_URL": "http://user:secret@host"})
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(from_environment({"STANCHION_REDIS_URL": "redis://user:secret@host"}))
