"""The manifest of a pair: what a snapshot and a replica are made of, and why they may be believed.

The writer stores both at one entry of the log, cut into chunks. They count once a manifest names them: with it come
the size and the SHA-256 of either, the entry they stand at with its chain, and how far the commands were applied. The
manifest is sealed by a SHA-256 of its own. So a reader that finds a flipped bit, a chunk too few or a pair of another
log says so (``ManifestError``) and takes an older one; it never believes half of one.

Hands over to: ``engine.io.snapshots`` (writing and reading them), ``gateway.io.resync`` (reading replicas).
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from protocol.streams import parse_entry_id

VERSION: Final = 1
CHUNK_BYTES: Final = 256 * 1024
_SEAL_BYTES: Final = 32


class ManifestError(ValueError):
    """What is stored is not what was written; the text says what was found."""


class Part(Struct, frozen=True):
    """One of the two: its size, its SHA-256, the number of its chunks."""

    size_bytes: int
    digest: bytes
    chunks: int


class Manifest(Struct, frozen=True):
    """The pair that stands at ``entry_id``. ``rules``: the version of the meaning of the log it was made by;
    ``command_id``: the last entry of the commands stream that is applied in it."""

    version: int
    rules: int
    entry_id: str
    chain: bytes
    command_id: str
    snapshot: Part
    replica: Part


class Found(NamedTuple):
    """``manifests`` that hold, newest first; ``faults``: what is wrong with the others, in words."""

    manifests: list[Manifest]
    faults: list[str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Manifest)


def part_of(data: bytes) -> Part:
    """How ``data`` is named in a manifest."""
    return Part(len(data), sha256(data).digest(), -(-len(data) // CHUNK_BYTES))


def chunks_of(data: bytes) -> Iterator[bytes]:
    """``data`` in pieces of ``CHUNK_BYTES``."""
    return (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))


def whole(part: Part, chunks: Iterable[bytes | None]) -> bytes:
    """The data that ``part`` names, from its chunks, None for one that is gone. Raises ManifestError."""
    found = list(chunks)
    missing = [number for number, chunk in enumerate(found) if chunk is None]
    if missing:
        raise ManifestError(f"chunk {missing[0]} of {part.chunks} is gone")
    data = b"".join(chunk for chunk in found if chunk is not None)
    if len(data) != part.size_bytes:
        raise ManifestError(f"{len(data)} bytes are stored, {part.size_bytes} were written")
    if sha256(data).digest() != part.digest:
        raise ManifestError("the stored bytes are not those that were written: their digest differs")
    return data


def encode_manifest(manifest: Manifest) -> bytes:
    """Sealed bytes of a manifest."""
    body = _encoder.encode(manifest)
    return sha256(body).digest() + body


def decode_manifest(data: bytes) -> Manifest:
    """The manifest of sealed bytes. Raises ManifestError."""
    seal, body = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    if sha256(body).digest() != seal:
        raise ManifestError("the manifest is not what was written: its digest differs")
    try:
        manifest = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ManifestError(f"the manifest does not decode: {error}") from error
    if manifest.version != VERSION:
        raise ManifestError(f"the manifest is of version {manifest.version}; this one knows {VERSION}")
    return manifest


def read_manifests(fields: Mapping[bytes, bytes]) -> Found:
    """What of a snapshot hash counts. An empty field is being made, or was left by a writer that died making it."""
    found = Found([], [])
    for entry_id, data in sorted(fields.items()):
        try:
            if data:
                found.manifests.append(_named(entry_id.decode(), decode_manifest(data)))
        except ValueError as error:
            found.faults.append(f"the manifest at {entry_id.decode(errors='replace')}: {error}")
    found.manifests.sort(key=lambda manifest: parse_entry_id(manifest.entry_id), reverse=True)
    return found


def _named(entry_id: str, manifest: Manifest) -> Manifest:
    if manifest.entry_id != entry_id:
        raise ManifestError(f"it is that of {manifest.entry_id}")
    parse_entry_id(entry_id)
    return manifest
