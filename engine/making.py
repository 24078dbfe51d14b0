"""A snapshot is made by a forked child, so that the writer goes on: the child has the state as it was at one instant.

Copy-on-write makes that instant short (5 ms at a million tickets) whatever the state holds. The child encodes the
snapshot and the replica, stores their chunks over a connection of its own, reads them back, and answers with the
manifest through a pipe; then it ends. It lets nothing count: that is the writer's, who may have been replaced by then.
What it does step by step is ``steps``, so that a simulator can let it die at any of them.
It closes every descriptor that it inherited, takes no lock that another thread may hold (it never logs), and ends
when its parent has.

Hands over to: ``engine.snapshots``, which lets the manifest count.
"""

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from typing import NamedTuple, Protocol

import redis
from redis.exceptions import RedisError

from engine.core.experience import RULES, Experience
from engine.io.append import LogEnd
from engine.io.nodes import Nodes
from engine.io.snapshots import discard, fetch, is_writer, write_chunks
from protocol.manifest import VERSION, Manifest, ManifestError, decode_manifest, encode_manifest, part_of
from protocol.replica import Replica
from protocol.replica_codec import encode_replica
from protocol.streams import replica_chunks_key, shard_of, snapshot_chunks_key

NICENESS = 5
READ_BYTES = 65_536
FIRST_DESCRIPTOR = 3
DONE = b"+"
FAILED = b"-"
AWAY = b"?"
OVERTAKEN = b"!"


class MakingError(Exception):
    """The child could not make the pair; the text says why."""


class MakingAwayError(MakingError):
    """It could not, because the store did not answer it."""


class OvertakenError(MakingError):
    """It did not, because another writer has taken over."""


class Order(NamedTuple):
    """What a child is to store, and as whom: ``end`` is the entry that ``state`` and ``replica`` stand at."""

    url: str
    writer: bytes
    state: Experience
    replica: Replica
    end: LogEnd
    pause_ms: int


class Making(Protocol):
    """One pair that is being made at ``entry_id``, as ``writer``; see ``Child``."""

    experience: str
    writer: bytes
    entry_id: str
    began_ms: int

    def poll(self) -> Manifest | None: ...

    def kill(self) -> None: ...


Fork = Callable[[Order, int], Making]
"""``Child`` or one like it."""


class Child:
    """One child at work."""

    def __init__(self, order: Order, began_ms: int) -> None:
        self.experience, self.writer, self.entry_id = order.state.id, order.writer, order.end.entry_id
        self.began_ms = began_ms
        self._answer = b""
        self._pipe, answers = os.pipe()
        os.set_blocking(self._pipe, False)
        parent = os.getpid()
        with warnings.catch_warnings():  # the other thread, of the metrics, holds no lock that a child needs
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _live(order, answers, parent)
        os.close(answers)

    def poll(self) -> Manifest | None:
        """The manifest, once all is stored; None before that. Raises MakingError: then it has ended in vain."""
        while (part := self._read()) is not None:
            self._answer += part
            if not part:
                self._reap()
                return self._manifest()
        return None

    def _read(self) -> bytes | None:
        try:
            return os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return None

    def _manifest(self) -> Manifest:
        kind, content = self._answer[:1], self._answer[1:]
        if kind == DONE:
            return decode_manifest(content)
        if kind == AWAY:
            raise MakingAwayError(content.decode())
        if kind == OVERTAKEN:
            raise OvertakenError(content.decode())
        raise MakingError(content.decode() if kind == FAILED else "the child ended without an answer")

    def kill(self) -> None:
        """End it, whatever it does."""
        os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def _live(order: Order, answers: int, parent: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        gc.disable()
        os.closerange(FIRST_DESCRIPTOR, answers)
        os.closerange(answers + 1, os.sysconf("SC_OPEN_MAX"))
        os.nice(NICENESS)
        os.write(answers, _answer_of(order, parent))
        code = 0
    finally:
        os._exit(code)


def _answer_of(order: Order, parent: int) -> bytes:
    try:
        return DONE + encode_manifest(store(order, parent))
    except OvertakenError as error:
        return OVERTAKEN + _said(error)
    except (MakingError, ManifestError) as error:
        return FAILED + _said(error)
    except RedisError as error:
        return AWAY + _said(error)


def _said(error: Exception) -> bytes:
    return f"{type(error).__name__}: {error}".encode()


def store(order: Order, parent: int) -> Manifest:
    """Take all ``steps``, pausing between them; the manifest. ``parent``: who must be alive. Raises what they raise."""
    with closing(Nodes(order.url)) as nodes:
        taken = steps(nodes.of(shard_of(order.state.id)), order, lambda: os.getppid() == parent)
        while True:
            try:
                next(taken)
            except StopIteration as end:
                manifest: Manifest = end.value
                return manifest
            time.sleep(order.pause_ms / 1000)


def steps(client: redis.Redis, order: Order, parent_lives: Callable[[], bool]) -> Generator[None, None, Manifest]:
    """Encode both, store them chunk by chunk, and read them back; returns the manifest that names them.

    Raises MakingError, ManifestError, RedisError.
    """
    experience, entry_id = order.state.id, order.end.entry_id
    snapshot, replica = order.state.snapshot(), encode_replica(order.replica)
    chain, command_id = order.end.chain, order.end.command_id
    manifest = Manifest(VERSION, RULES, entry_id, chain, command_id, part_of(snapshot), part_of(replica))
    keys = (snapshot_chunks_key(experience, entry_id), replica_chunks_key(experience, entry_id))
    yield
    for key, data in zip(keys, (snapshot, replica), strict=True):
        writing = write_chunks(client, key, data)
        while is_writer(client, experience, order.writer):
            if next(writing, None) is None:
                break
            if not parent_lives():
                discard(client, experience, order.writer, entry_id)
                raise MakingError("the engine has ended")
            yield
        else:
            raise OvertakenError("somebody else writes by now")
    for key, part in zip(keys, (manifest.snapshot, manifest.replica), strict=True):
        fetch(client, key, part)
    return manifest
