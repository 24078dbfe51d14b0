"""The proof of a draw: one JSON document with all that anybody needs to draw again, and the checking of it.

The document's fields are the rule's own numbers (``protocol.lottery``); bytes are lower-case hexadecimal, hats base64.
``digest`` binds what the rule does not hash (the names, the reasons): SHA-256 over the document itself, written without
spaces and with an empty ``digest``. So a changed byte anywhere shows.

Checking answers one of three: it is ``ok``; it ``fails``, with every field that does not match; or all matches but the
beacon is not shown to be real: ``unproven``, never ok, because who may invent the randomness may choose a winner.

Hands over to: ``protocol.bls`` (through an argument: whether a beacon is real).
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from protocol import lottery
from protocol.beacons import Beacon
from protocol.lottery import RULE, Drawing, Order, commitment, roster_root, seed_of, winners_of

SLICE_LOTS: Final = 100_000
"""As much as is hashed at a time where nobody waits: about 0.1 s."""
_SHOWN_MAX: Final = 80


class Skipped(Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket that left after the root was fixed, so that the next in order won instead."""

    ticket: int
    reason: str


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """A draw, whole. ``winners`` are tickets in order. ``operator_could_know``: no beacon was named, so whoever could
    read the store knew the order as soon as the entries were fixed."""

    rule: str
    experience: str
    path: str
    tickets: int
    hats: str
    commitment: str
    secret: str
    beacon: Beacon | None
    operator_could_know: bool
    root: str
    seed: str
    winners: list[int]
    skipped: list[Skipped]
    order_digest: str
    digest: str = ""


class Verdict(StrEnum):
    """What a check of a proof says."""

    OK = "ok"
    FAILS = "fails"
    UNPROVEN = "unproven"


class Finding(NamedTuple):
    """A field of a proof that does not match, and in what."""

    field: str
    what: str


class Answer(NamedTuple):
    """``findings`` is empty unless it fails; ``unproven`` says why the beacon is not shown to be real."""

    verdict: Verdict
    findings: list[Finding]
    unproven: str | None


def prove(
    experience: str,
    path: str,
    *,
    hats: bytes,
    secret: bytes,
    beacon: Beacon | None,
    order_digest: bytes,
    winners: Sequence[int],
    skipped: Sequence[Skipped] = (),
) -> Proof:
    """The proof of a draw whose order has ``order_digest`` and that let ``winners`` win; ``hats`` as they stood at the
    close."""
    root = roster_root(hats)
    unsigned = Proof(
        rule=RULE,
        experience=experience,
        path=path,
        tickets=len(hats),
        hats=b64encode(hats).decode(),
        commitment=commitment(secret).hex(),
        secret=secret.hex(),
        beacon=beacon,
        operator_could_know=beacon is None,
        root=root.hex(),
        seed=seed_of(secret, randomness_of(beacon), root).hex(),
        winners=list(winners),
        skipped=list(skipped),
        order_digest=order_digest.hex(),
    )
    return replace(unsigned, digest=_digest(unsigned))


def randomness_of(beacon: Beacon | None) -> bytes:
    """What a beacon gives to the seed; nothing where none was named."""
    return b"" if beacon is None else bytes.fromhex(beacon.randomness)


def encode(proof: Proof) -> bytes:
    """The document, without spaces."""
    return msgspec.json.encode(proof)


class Check:
    """A proof being checked in slices: ``advance`` until ``answer`` is there. ``unproven`` says of a beacon why it is
    not shown to be real, or None if it is (``protocol.bls.unproven``)."""

    def __init__(self, document: bytes, unproven: Callable[[Beacon], str | None]) -> None:
        self.answer: Answer | None = None
        self.proof: Proof | None = None
        self.drawing = Drawing(b"", b"")
        self._findings: list[Finding] = []
        self._unproven = unproven
        try:
            self.proof = msgspec.json.decode(document, type=Proof)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._findings.append(Finding("document", str(error)))
            self.answer = Answer(Verdict.FAILS, self._findings, None)
        else:
            self.drawing = self._begin(self.proof)

    def advance(self, lots: int) -> bool:
        """Hash at most ``lots`` lots more; whether the answer is there."""
        if self.proof is not None and self.answer is None and self.drawing.advance(lots):
            assert self.drawing.order is not None
            self.answer = self._end(self.proof, self.drawing.order)
        return self.answer is not None

    def _begin(self, proof: Proof) -> Drawing:
        """All that is seen without drawing. What is drawn then follows from hats, secret and beacon alone."""
        hats, secret, beacon = self._base64("hats", proof.hats), self._hex("secret", proof.secret), proof.beacon
        root = roster_root(hats)
        self._expect("rule", proof.rule, RULE)
        self._expect("digest", proof.digest, _digest(proof))
        self._expect("tickets", proof.tickets, len(hats))
        self._expect("commitment", proof.commitment, commitment(secret).hex())
        self._expect("root", proof.root, root.hex())
        self._expect("operator_could_know", proof.operator_could_know, beacon is None)
        randomness = b""
        if beacon is not None:
            randomness = self._hex("beacon.randomness", beacon.randomness)
        seed = seed_of(secret, randomness, root)
        self._expect("seed", proof.seed, seed.hex())
        return Drawing(seed, hats)

    def _end(self, proof: Proof, order: Order) -> Answer:
        """What only the order tells, and whether the beacon is real."""
        hats, skipped = self.drawing.hats, [skip.ticket for skip in proof.skipped]
        entered = dict.fromkeys(ticket for ticket in skipped if 0 <= ticket < len(hats) and hats[ticket])
        self._expect("skipped", skipped, list(entered))
        self._expect("order_digest", proof.order_digest, lottery.order_digest(order).hex())
        self._expect("winners", proof.winners, winners_of(order, skipped, len(proof.winners)))
        unproven = None if proof.beacon is None or self._findings else self._unproven(proof.beacon)
        verdict = Verdict.FAILS if self._findings else Verdict.OK if unproven is None else Verdict.UNPROVEN
        return Answer(verdict, self._findings, unproven)

    def _expect(self, field: str, said: object, follows: object) -> None:
        """Note that ``field`` says something else than what follows from the rest."""
        if said != follows:
            self._findings.append(Finding(field, f"says {_short(said)}; from the rest follows {_short(follows)}"))

    def _hex(self, field: str, text: str) -> bytes:
        """The bytes that ``text`` is in the one way to write them; a note if it is written otherwise."""
        try:
            written = bytes.fromhex(text)
        except ValueError:
            written = b""  # which is not how the text is written, so it is noted
        self._expect(field, text, written.hex())
        return written

    def _base64(self, field: str, text: str) -> bytes:
        """The same, for base64."""
        try:
            written = b64decode(text, validate=True)
        except ValueError:
            written = b""
        self._expect(field, text, b64encode(written).decode())
        return written


def check(document: bytes, unproven: Callable[[Beacon], str | None]) -> Answer:
    """The answer at once, for those who may take their time."""
    checking = Check(document, unproven)
    while not checking.advance(SLICE_LOTS):
        continue
    assert checking.answer is not None
    return checking.answer


def _digest(proof: Proof) -> str:
    return sha256(encode(replace(proof, digest=""))).hexdigest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}… ({len(text)} characters)"
