"""The parts that are measured, as the measurements see them.

The measurements import neither the engine nor the stack: ``deploy`` hands them over, so what is measured here is what
runs there, and a bench can never reach deeper than these names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from protocol.commands import Command
from protocol.events import AnyEvent


class Batch(NamedTuple):
    """The commands of one entry of the commands stream, as ``Core.step`` takes them."""

    sender: bytes
    number: int
    commands: list[Command]


class Core(Protocol):
    """The pure state machine of one experience; a batch is anything with the fields of ``Batch``."""

    def step(self, now_ms: int, batches: Sequence[Any]) -> tuple[list[AnyEvent], dict[bytes, int]]: ...


class PartedStore(Protocol):
    """A store of two servers under Sentinel, from ``with`` to its end; ``url`` is its address for the product."""

    url: str

    def cut(self) -> None:
        """From now on the primary is seen by the product alone."""

    def wait_for_failover(self) -> None:
        """Return once the other server is the primary."""

    def heal(self) -> None:
        """Return once the old primary follows the new one."""

    def __enter__(self) -> PartedStore: ...

    def __exit__(self, *_: object) -> None: ...


class Gateway(NamedTuple):
    """``command`` runs a gateway; ``environment`` names its secrets, which these are."""

    command: list[str]
    environment: Mapping[str, str]
    control_key: str
    checkout_key: str
    session_key_file: str


class Audited(NamedTuple):
    """What a log shows. ``broken``: the first promise that was not kept ("": all were); ``consumers``: by path, in the
    order of their tickets, and ``states`` in which these are at its end, as words; ``admissions``: path and ticket of
    each; ``completed``: paths and tickets."""

    broken: str
    summary: dict[str, Any]
    consumers: dict[str, list[bytes]]
    states: dict[str, list[str]]
    admissions: dict[bytes, tuple[str, int]]
    completed: set[tuple[str, int]]


class Parts(NamedTuple):
    """``core``: an empty experience of this id. ``engine``: the command that runs an engine on the store that
    ``STANCHION_REDIS_URL`` names. ``store``: prepares a store in this folder, on this loopback port, with this
    ``appendfsync``, and answers the command that runs it. ``up``: the command of the whole stack. ``replay`` and
    ``audit``: those of a replay and of an audit, but for the experience. ``verify``: that of checking a draw's proof,
    but for the file. ``engine_forks``: that of a process which forks an engine for every line that it is asked
    (`loadtests.drill_stage.Ask`). ``parted_store``: in this folder, on three loopback ports from this one on.
    ``gateway``: prepares a gateway's secrets in this folder. ``auditor``: reads the entries of a log (ID, payload,
    chain), from the first on, with the model that shares nothing with the engine."""

    core: Callable[[str], Core]
    engine: list[str]
    store: Callable[[Path, int, str], list[str]]
    up: list[str]
    replay: list[str]
    audit: list[str]
    verify: list[str]
    engine_forks: list[str]
    parted_store: Callable[[Path, int], PartedStore]
    gateway: Callable[[Path], Gateway]
    auditor: Callable[[Iterable[tuple[str, bytes, bytes]]], Audited]
