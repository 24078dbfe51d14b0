"""Every Redis key in one table: its type, who writes it, how long it lives. No other module spells a key.

An experience belongs to one of ``SHARDS`` shards for the life of a deployment. The hash tag of every key is the
shard, so that the append script and blocking reads over a shard work on a cluster too.

| key                    | type   | written by              | lives                                        |
| ---------------------- | ------ | ----------------------- | -------------------------------------------- |
| ``…:x:<id>:commands``  | stream | gateways, control API   | until trimmed below what is applied          |
| ``…:x:<id>:events``    | stream | the experience's writer | until trimmed below what every reader has    |
| ``…:x:<id>:tip``       | hash   | the append script       | as long as the events                        |
| ``…:x:<id>:snapshot``  | hash   | the experience's writer | its two newest manifests, by entry ID        |
| ``…:snapshot:<entry>`` | hash   | a child of that writer  | as long as the manifest that names it        |
| ``…:replica:<entry>``  | hash   | a child of that writer  | as long as the manifest that names it        |
| ``…:x:<id>:readers``   | hash   | worker, archive         | until struck out for being too far behind    |
| ``…:lease``            | string | engines                 | ``LEASE_TTL_MS``, renewed with every beat    |
| ``…:epoch``            | string | the append script       | for ever                                     |
| ``…:experiences``      | set    | control API             | for ever                                     |
| ``…:wake``             | stream | control API             | the latest ``WAKE_LENGTH_MAX`` entries       |

Fields of the entries: a ``commands`` entry has ``sender`` (8 bytes), ``number`` (decimal) and ``batch``
(msgpack, a list of commands); an ``events`` entry has ``entry`` (msgpack, ``events.Entry``) and ``chain``
(32 bytes); a ``wake`` entry has ``experience``. The ``tip`` hash has ``id``, ``writer`` and ``chain``. Chunks of a
snapshot or replica are fields ``0``, ``1`` … of their hash (``manifest``); a manifest that is empty names chunks that
do not count yet. The ``readers`` hash has the last entry that each registered reader is done with, by its name.
"""

from functools import lru_cache
from hashlib import sha256

SHARDS = 64
LEASE_TTL_MS = 60_000
WAKE_LENGTH_MAX = 1_000

FIELD_SENDER = b"sender"
FIELD_NUMBER = b"number"
FIELD_BATCH = b"batch"
FIELD_ENTRY = b"entry"
FIELD_CHAIN = b"chain"
FIELD_EXPERIENCE = b"experience"

TIP_ID = b"id"
TIP_WRITER = b"writer"
TIP_CHAIN = b"chain"

START_ID = "0-0"
"""The entry ID before the first entry of any stream."""
GENESIS_CHAIN = bytes(32)
"""The chain value before the first event entry."""


@lru_cache(maxsize=1_024)
def shard_of(experience: str) -> int:
    """Shard, 0 … SHARDS-1, of an experience: stable over processes, machines and versions."""
    return int.from_bytes(sha256(experience.encode()).digest()[:8], "big") % SHARDS


def shard_of_key(key: str) -> int:
    """The shard whose tag ``key`` has. Raises ValueError for a key that has none."""
    return int(key[len("{s") : key.index("}")])


def _tag(shard: int) -> str:
    return f"{{s{shard}}}"


def _of_experience(experience: str, what: str) -> str:
    return f"{_tag(shard_of(experience))}:x:{experience}:{what}"


def commands_key(experience: str) -> str:
    """Stream of numbered batches of commands."""
    return _of_experience(experience, "commands")


def events_key(experience: str) -> str:
    """Stream of event entries; IDs are ``<epoch>-<seq>``, seq dense over the whole log."""
    return _of_experience(experience, "events")


def tip_key(experience: str) -> str:
    """Hash (id, writer, chain): the last event entry and who may append the next."""
    return _of_experience(experience, "tip")


def snapshot_key(experience: str) -> str:
    """Hash: entry ID → manifest of the snapshot and the replica that stand at this entry; empty until they count."""
    return _of_experience(experience, "snapshot")


def snapshot_chunks_key(experience: str, entry_id: str) -> str:
    """Hash: number → a piece of the engine's state at this entry."""
    return _of_experience(experience, f"snapshot:{entry_id}")


def replica_chunks_key(experience: str, entry_id: str) -> str:
    """Hash: number → a piece of the replica at this entry."""
    return _of_experience(experience, f"replica:{entry_id}")


def readers_key(experience: str) -> str:
    """Hash: name of a registered reader → the last entry it is done with; trimming stays below the least of them."""
    return _of_experience(experience, "readers")


def lease_key(shard: int) -> str:
    """String ``<owner>:<beat>``: which engine tries to write this shard."""
    return f"{_tag(shard)}:lease"


def epoch_key(shard: int) -> str:
    """Counter: the highest epoch ever taken in this shard."""
    return f"{_tag(shard)}:epoch"


def experiences_key(shard: int) -> str:
    """Set of the ids of the shard's experiences."""
    return f"{_tag(shard)}:experiences"


def wake_key(shard: int) -> str:
    """Stream that wakes blocked readers when an experience is added to the shard."""
    return f"{_tag(shard)}:wake"


def parse_entry_id(entry_id: str) -> tuple[int, int]:
    """``"7-42"`` → ``(7, 42)``. Raises ValueError for anything else."""
    left, dash, right = entry_id.partition("-")
    if not dash:
        raise ValueError(f"{entry_id!r} is not an entry ID: expected <number>-<number>")
    return int(left), int(right)


def format_entry_id(epoch: int, seq: int) -> str:
    """``(7, 42)`` → ``"7-42"``."""
    return f"{epoch}-{seq}"
