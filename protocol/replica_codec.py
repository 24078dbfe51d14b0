"""A replica as bytes: what the writer stores, so that a gateway need not read the whole log to know an experience.

Its fields are named and versioned: a reader ignores those that it does not know, and a later one gets a default where
it is missing; what cannot be ignored takes another ``VERSION``. Equal replicas give equal bytes. It holds one state and
one hats byte a ticket, when people joined, the open windows, and of the admissions those that are open and the latest
``ADMISSIONS_MAX``: all that anybody asks about; and the filter of who may hold a ticket, 1.3 MiB for a million.
Compressed, that is 1 to 6 MB for a million tickets.

Not in it: who holds which ticket. A gateway asks for the people who are there (``Attach``), if they may hold one; where
the filter is missing, everybody may.
"""

import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct, structs

from protocol.documents import Experience
from protocol.events import ADMISSION_BYTES, NoticePosted
from protocol.path_replica import OpenOffer, OpenWindow, PathReplica
from protocol.replica import Replica, Stock
from protocol.roster import Roster
from protocol.states import TicketState
from protocol.ticket_holders import TicketHolders
from protocol.waits import Waits

VERSION: Final = 1
ADMISSIONS_MAX: Final = 100_000
"""So many admissions are kept although their windows are closed: somebody may still ask what became of them."""
_FAST = 1


class ReplicaDecodeError(ValueError):
    """The bytes are no replica that this version knows."""


class _Window(Struct, array_like=True):
    ticket: int
    admission: bytes
    kid: str
    admitted_at: int
    expires_at: int
    variant: str = ""
    price: int | None = None


class _Offer(Struct, array_like=True):
    ticket: int
    offer: bytes
    claim_by: int
    variant: str
    price: int | None
    claimed: bool
    slot: str = ""
    reserved: bool = False


class _Path(Struct):
    id: str
    phase: str
    opens_at: int | None
    closes_at: int | None
    paused: bool
    sold_out: bool
    may_return: bool
    states: bytes
    hats: bytes
    windows: list[_Window]
    forgiven: list[int]
    admitted: int
    completed: int
    expired: int
    runs: tuple[list[int], list[int]]
    waits: list[tuple[int, int]]
    recent: list[tuple[int, int]]
    offers: list[_Offer] = []
    choices: dict[int, str] = {}
    kind: Any = None
    ended_by_hand: bool = False
    was_sold_out: bool = False


class _Admissions(Struct):
    """Column by column: ids one after the other, the paths, for each id its path's index and its ticket."""

    ids: bytes
    paths: list[str]
    of_path: list[int]
    tickets: list[int]


class _Holders(Struct, array_like=True):
    """One filter of ``protocol.ticket_holders``."""

    bits: int
    room: int
    image: bytes


class _Replica(Struct):
    version: int
    experience: str
    entry_id: str
    chain: bytes
    now_ms: int
    document: Experience | None
    revision: int
    kid: str
    notice: NoticePosted | None
    stock: dict[str, Stock]
    paths: list[_Path]
    admissions: _Admissions
    holders: list[_Holders] | None = None
    """None: it is not known who took a ticket."""


class _Version(Struct):
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Replica)
_version = msgspec.msgpack.Decoder(_Version)


def encode_replica(replica: Replica) -> bytes:
    """The bytes from which ``decode_replica`` makes the same."""
    image = _Replica(
        VERSION,
        replica.experience,
        replica.entry_id,
        replica.chain,
        replica.now_ms,
        replica.document,
        replica.revision,
        replica.kid,
        replica.notice,
        replica.stock,
        [_path(path_id, path) for path_id, path in replica.paths.items()],
        _admissions(replica),
        None if replica.holders.everybody else [_Holders(*one) for one in replica.holders.images()],
    )
    return zlib.compress(_encoder.encode(image), _FAST)


def decode_replica(data: bytes) -> Replica:
    """The replica of these bytes. Raises ReplicaDecodeError."""
    try:
        plain = zlib.decompress(data)
        version = _version.decode(plain).version
        if version == VERSION:
            return _replica(_decoder.decode(plain))
    except (zlib.error, msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        raise ReplicaDecodeError(f"the replica does not decode: {error}") from error
    raise ReplicaDecodeError(f"the replica is of version {version}; this one knows {VERSION}")


def _path(path_id: str, path: PathReplica) -> _Path:
    return _Path(
        path_id,
        path.phase,
        path.opens_at,
        path.closes_at,
        path.paused,
        path.sold_out,
        path.may_return,
        bytes(path.states),
        bytes(path.hats),
        [_Window(ticket, *structs.astuple(window)) for ticket, window in path.windows.items()],
        list(path.forgiven),
        path.admitted,
        path.completed,
        path.expired,
        path.waits.runs,
        path.waits.recent,
        list(path.recent),
        [_Offer(ticket, *structs.astuple(offer)) for ticket, offer in path.offers.items()],
        path.choices,
        path.kind.image(),
        path.ended_by_hand,
        path.was_sold_out,
    )


def _admissions(replica: Replica) -> _Admissions:
    kept = dict(_kept(replica))
    paths = list(dict.fromkeys(path for path, _ in kept.values()))
    index = {path: number for number, path in enumerate(paths)}
    of_path = [index[path] for path, _ in kept.values()]
    return _Admissions(b"".join(kept), paths, of_path, [ticket for _, ticket in kept.values()])


def _kept(replica: Replica) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """The admissions that are open and the latest, in the order in which they were given."""
    closed = max(0, len(replica.admissions) - ADMISSIONS_MAX)
    admissions = iter(replica.admissions.items())
    yield from (one for one in islice(admissions, closed) if replica.window_of(one[0]) is not None)
    yield from admissions


def _replica(image: _Replica) -> Replica:
    replica = Replica(image.experience)
    replica.stand_at(image.entry_id, image.chain, image.now_ms)
    replica.document, replica.revision, replica.kid = image.document, image.revision, image.kid
    replica.notice, replica.stock = image.notice, image.stock
    for one in image.paths:
        settings = None if image.document is None else image.document.path(one.id)
        if settings is None:
            raise ReplicaDecodeError(f"the replica has a path {one.id} that its document has not")
        replica.paths[one.id] = _fill(PathReplica(settings), one)
    told, ids = image.admissions, range(0, len(image.admissions.ids), ADMISSION_BYTES)
    for start, path, ticket in zip(ids, told.of_path, told.tickets, strict=True):
        replica.admissions[told.ids[start : start + ADMISSION_BYTES]] = (told.paths[path], ticket)
    replica.holders = _ticket_holders(image.holders)
    return replica


def _ticket_holders(images: list[_Holders] | None) -> TicketHolders:
    if images is None:
        return TicketHolders(everybody=True)
    try:
        return TicketHolders.of((one.bits, one.room, one.image) for one in images)
    except ValueError as error:
        raise ReplicaDecodeError(f"who may hold a ticket does not decode: {error}") from error


def _fill(path: PathReplica, image: _Path) -> PathReplica:
    path.phase, path.opens_at, path.closes_at = image.phase, image.opens_at, image.closes_at
    path.paused, path.sold_out, path.may_return = image.paused, image.sold_out, image.may_return
    path.ended_by_hand, path.was_sold_out = image.ended_by_hand, image.was_sold_out or image.sold_out
    path.states, path.hats = bytearray(image.states), bytearray(image.hats)
    path.roster = Roster.of((np.frombuffer(image.states, np.uint8) == TicketState.WAITING).view(np.uint8))
    path.windows = {one.ticket: OpenWindow(*structs.astuple(one)[1:]) for one in image.windows}
    path.forgiven = dict.fromkeys(image.forgiven)
    path.admitted, path.completed, path.expired = image.admitted, image.completed, image.expired
    path.waits = Waits.of(image.runs, image.waits)
    path.recent.extend(image.recent)
    path.offers = {one.ticket: OpenOffer(*structs.astuple(one)[1:]) for one in image.offers}
    path.choices = dict(image.choices)
    if image.kind is not None:
        path.kind.fill(image.kind)
    return path
