"""``stanchion draw prove EXPERIENCE PATH``: the proof of a draw, from the log alone.

It is read as a gateway reads it (``protocol.replica``), every entry held to the chain, from the oldest beginning that
holds; nothing is replayed. Hands over to: ``protocol.kinds.lots``, which keeps what the proof is made of.
"""

import sys
from contextlib import closing
from pathlib import Path

import redis
from rich.console import Console

from engine.beginning import begin_early
from engine.io.nodes import Nodes
from engine.io.streams import StreamError, read_log
from engine.takeover import LogError
from protocol.kinds.lots import LotsReplica
from protocol.proof import Proof, encode
from protocol.replica import ReplicaError
from protocol.streams import START_ID, shard_of

OK = 0
FAILURE = 1


def main(experience: str, path_id: str, redis_url: str, out: Path | None) -> int:
    """Write the document to ``out``, or to standard output; the exit code."""
    try:
        with closing(Nodes(redis_url)) as nodes:
            document = encode(proof_from_log(nodes.of(shard_of(experience)), experience, path_id))
        if out is None:
            sys.stdout.buffer.write(document + b"\n")
        else:
            out.write_bytes(document)
    except (LogError, StreamError, ReplicaError, redis.RedisError, OSError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"{experience}: {error}", markup=False)
        return FAILURE
    return OK


def proof_from_log(client: redis.Redis, experience: str, path_id: str) -> Proof:
    """The proof of the draw of this path. Raises LogError where there is none, StreamError, ReplicaError, RedisError
    where the log cannot be read."""
    replica = begin_early(client, experience, None).replica
    for entry in read_log(client, experience, replica.entry_id):
        for event in replica.follow(*entry).events:
            replica.apply(event)
    if replica.entry_id == START_ID:
        raise LogError("there is no log of this experience")
    path = replica.paths.get(path_id)
    if path is None or not isinstance(path.kind, LotsReplica) or not path.kind.commitment:
        raise LogError(f"{path_id} is no path of it that draws")
    proof = path.kind.proof(experience)
    if proof is None:
        fixed = f"; its entries are fixed, with the root {path.kind.root.hex()}" if path.kind.root else ""
        raise LogError(f"{path_id} is not drawn yet{fixed}")
    return proof
