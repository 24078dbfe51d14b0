"""The parts that `stanchion bench` measures: the very ones that `stanchion up` runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from deploy import keys
from deploy.valkey import Valkey
from deploy.watched_store import WatchedStore
from engine.audit import Audit
from engine.audits.promises import Broken
from engine.core.experience import Experience
from loadtests.parts import Audited, Core, Gateway, Parts
from protocol.states import TicketState

PROGRAM = (sys.executable, "-m", "deploy.cli")


def parts() -> Parts:
    """The core, the commands of what is measured, and a store that fails over."""
    return Parts(
        core=core,
        engine=[*PROGRAM, "engine"],
        store=store,
        up=[*PROGRAM, "up"],
        replay=[*PROGRAM, "replay"],
        audit=[*PROGRAM, "audit"],
        verify=[*PROGRAM, "draw", "verify"],
        engine_forks=[sys.executable, "-m", "deploy.engine_forks"],
        parted_store=WatchedStore,
        gateway=gateway,
        auditor=audit,
    )


def core(experience: str) -> Core:
    """An empty experience, as a bench may use it."""
    return Experience(experience)


def store(folder: Path, port: int, append_fsync: str) -> list[str]:
    """The command of an embedded store, prepared in `folder`."""
    return Valkey(folder=folder, port=port, append_fsync=append_fsync).prepare()


def gateway(folder: Path) -> Gateway:
    """The command of a gateway and its secrets, made in `folder`."""
    secrets = keys.prepare(folder)
    environment = {
        "STANCHION_SESSION_KEY_FILE": str(secrets.session_key_file),
        "STANCHION_CONTROL_KEY_FILE": str(secrets.control_key_file),
        "STANCHION_CHECKOUT_KEY_FILE": str(secrets.checkout_key_file),
        "STANCHION_KEYS_DIR": str(secrets.pass_keys_folder),
    }
    command, session_key_file = [*PROGRAM, "gateway"], str(secrets.session_key_file)
    return Gateway(command, environment, secrets.control_key, secrets.checkout_key, session_key_file)


def audit(entries: Iterable[tuple[str, bytes, bytes]]) -> Audited:
    """What the log shows, up to the first promise that was broken."""
    auditor, broken = Audit(), ""
    try:
        for entry in entries:
            auditor.entry(*entry)
    except Broken as error:
        broken = str(error)
    consumers = {path_id: path.consumers for path_id, path in auditor.paths.items()}
    states = {path_id: [state.word for state in path.states] for path_id, path in auditor.paths.items()}
    completed = {
        (path_id, ticket)
        for path_id, path in auditor.paths.items()
        for ticket, state in enumerate(path.states)
        if state is TicketState.COMPLETED
    }
    return Audited(broken, auditor.summary(), consumers, states, auditor.admissions, completed)
