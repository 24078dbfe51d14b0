"""The parts that `stanchion bench` measures: the very ones that `stanchion up` runs."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.valkey import Valkey
from deploy.watched_store import WatchedStore
from engine.core.experience import Experience
from loadtests.parts import Core, Parts


def parts() -> Parts:
    """The core, the commands of what is measured, and a store that fails over."""
    command = [sys.executable, "-m", "deploy.cli"]
    return Parts(
        core=core,
        engine=[*command, "engine"],
        store=store,
        up=[*command, "up"],
        replay=[*command, "replay"],
        audit=[*command, "audit"],
        verify=[*command, "draw", "verify"],
        engine_forks=[sys.executable, "-m", "deploy.engine_forks"],
        parted_store=WatchedStore,
    )


def core(experience: str) -> Core:
    """An empty experience, as a bench may use it."""
    return Experience(experience)


def store(folder: Path, port: int, append_fsync: str) -> list[str]:
    """The command of an embedded store, prepared in `folder`."""
    return Valkey(folder=folder, port=port, append_fsync=append_fsync).prepare()
