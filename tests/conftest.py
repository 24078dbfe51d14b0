"""What holds for every test: the fixtures of `tests.support`, and that in CI a skipped test is a failed run."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.support.certificate import certificate
from tests.support.valkey import redis_url, valkey_process
from tests.support.waiting_room import waiting_room

__all__ = ["certificate", "redis_url", "valkey_process", "waiting_room"]


settings.register_profile("no clock", deadline=None)  # a busy machine is no bug
settings.load_profile("no clock")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI nothing may be skipped unnoticed: a green run there says that everything ran."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [] if reporter is None else reporter.stats.get("skipped", [])
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
