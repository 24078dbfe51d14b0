"""Every expected "no", in one table: its code on the wire, whether trying again can help, HTTP status and sentence.

A refusal is a value, not an exception: the engine yields it, the gateway shows it as an ``error`` frame or as a
problem document. Programmer errors are assertions and never come through here.
"""

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec


class Meaning(NamedTuple):
    """What a reason says to a client: ``temporary`` means that the same request can succeed later."""

    temporary: bool
    status: int
    sentence: str


class Reason(StrEnum):
    """Reason codes as clients see them."""

    NOT_OPEN = "not_open"
    CLOSED = "closed"
    NOT_CLOSED = "not_closed"
    NO_BEACON = "waiting_for_beacon"
    FULL = "full"
    PAUSED = "paused"
    SOLD_OUT = "sold_out"
    GONE = "gone"
    NOT_ELIGIBLE = "not_eligible"
    NEEDS_LEVEL = "needs_level"
    NEEDS_CODE = "needs_code"
    BAD_CODE = "bad_code"
    NO_TICKET = "no_ticket"
    ALREADY_DONE = "already_done"
    NOT_TAKEN = "not_taken"
    LIMIT_REACHED = "limit_reached"
    ONE_PATH = "one_path"
    TOO_LOW = "too_low"
    BID_STANDS = "bid_stands"
    HOLD_OVER = "hold_over"
    SLOT_FULL = "slot_full"
    CUTOFF_PASSED = "cutoff_passed"
    WINDOW_OVER = "window_over"
    REFUSED = "refused"
    IN_USE = "in_use"
    STOCK_BELOW_SOLD = "stock_below_sold"
    KEY_REUSED = "key_reused"
    INVALID = "invalid"
    BUSY = "busy"
    ENGINE_AWAY = "engine_away"
    BAD_FRAME = "bad_frame"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"
    BAD_TOKEN = "bad_token"
    BAD_KEY = "bad_key"
    BAD_ORIGIN = "bad_origin"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    BAD_METHOD = "bad_method"


MEANINGS: dict[Reason, Meaning] = {
    Reason.NOT_OPEN: Meaning(True, 409, "This is not open yet."),
    Reason.CLOSED: Meaning(False, 409, "This is closed: it takes nobody any more."),
    Reason.NOT_CLOSED: Meaning(True, 409, "Entries are not closed yet."),
    Reason.NO_BEACON: Meaning(True, 409, "The round of the beacon that was named is not given yet."),
    Reason.FULL: Meaning(True, 409, "The line is full at the moment."),
    Reason.PAUSED: Meaning(True, 409, "This is paused at the moment."),
    Reason.SOLD_OUT: Meaning(False, 409, "Everything is sold."),
    Reason.GONE: Meaning(True, 409, "Somebody else was faster; it may come back."),
    Reason.NOT_ELIGIBLE: Meaning(False, 403, "This is for a group that you are not in."),
    Reason.NEEDS_LEVEL: Meaning(False, 403, "This needs a registered or verified consumer."),
    Reason.NEEDS_CODE: Meaning(False, 403, "This needs an access code."),
    Reason.BAD_CODE: Meaning(False, 403, "This access code is not valid here, not any more, or used up."),
    Reason.NO_TICKET: Meaning(False, 409, "There is no ticket in the state that this needs."),
    Reason.ALREADY_DONE: Meaning(False, 409, "This was done already and cannot be done again."),
    Reason.NOT_TAKEN: Meaning(False, 409, "This way in is of another kind and does not take that."),
    Reason.LIMIT_REACHED: Meaning(False, 409, "You have as many as one person can have."),
    Reason.ONE_PATH: Meaning(False, 409, "One person has one way in here, and you have another; leave that first."),
    Reason.TOO_LOW: Meaning(True, 409, "This is less than the least that is taken now."),
    Reason.BID_STANDS: Meaning(False, 409, "A bid that was accepted cannot be withdrawn."),
    Reason.HOLD_OVER: Meaning(False, 409, "The hold is over."),
    Reason.SLOT_FULL: Meaning(True, 409, "This slot has no free place at the moment."),
    Reason.CUTOFF_PASSED: Meaning(False, 409, "It is too late for this."),
    Reason.WINDOW_OVER: Meaning(False, 409, "The checkout window is over."),
    Reason.REFUSED: Meaning(False, 403, "The merchant has refused this ticket."),
    Reason.IN_USE: Meaning(False, 409, "Live tickets depend on this, so it cannot be changed now."),
    Reason.STOCK_BELOW_SOLD: Meaning(False, 409, "The stock cannot be lower than what is reserved and sold."),
    Reason.KEY_REUSED: Meaning(False, 422, "This Idempotency-Key was used for another content."),
    Reason.INVALID: Meaning(False, 422, "The content does not have the form that is needed here."),
    Reason.BUSY: Meaning(True, 503, "Too many are at the door at this moment."),
    Reason.ENGINE_AWAY: Meaning(True, 503, "The engine does not answer at the moment; every place is safe."),
    Reason.BAD_FRAME: Meaning(False, 400, "This is not a frame that the server knows."),
    Reason.TOO_MANY: Meaning(True, 429, "Too many requests in a short time."),
    Reason.TOO_LARGE: Meaning(False, 413, "The content is larger than what is taken here."),
    Reason.BAD_TOKEN: Meaning(False, 401, "The session or pass is not valid."),
    Reason.BAD_KEY: Meaning(False, 401, "This needs a valid API key."),
    Reason.BAD_ORIGIN: Meaning(False, 403, "Pages of this origin may not connect."),
    Reason.NOT_ALLOWED: Meaning(False, 403, "The API key does not have the scope that this needs."),
    Reason.NOT_FOUND: Meaning(False, 404, "There is nothing at this address."),
    Reason.BAD_METHOD: Meaning(False, 405, "This address does not take this method."),
}


class Refusal(msgspec.Struct, frozen=True):
    """A "no" with what helps: ``detail`` holds extra fields of the answer, such as ``opens_at`` (epoch ms)."""

    reason: Reason
    detail: dict[str, Any] = {}

    @property
    def temporary(self) -> bool:
        return MEANINGS[self.reason].temporary

    @property
    def status(self) -> int:
        return MEANINGS[self.reason].status

    @property
    def sentence(self) -> str:
        return MEANINGS[self.reason].sentence
