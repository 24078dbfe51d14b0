"""What a client's frame asks of the engine: frame in, command out; and a refusal of it in the words of the document.
Pure.

Money comes as a decimal string and goes on in minor units of the currency that the path names; where a path has no
currency the engine refuses the command by its kind, whatever the amount.
"""

from msgspec import UNSET, UnsetType

from protocol.commands import (
    Book,
    Cancel,
    Choose,
    Claim,
    Command,
    Credentials,
    Decline,
    EnterCode,
    Hold,
    Join,
    Leave,
    PlaceBid,
    Rejoin,
    Reschedule,
)
from protocol.distributions import Auction
from protocol.frames import DeclineFrame, JoinFrame, LeaveFrame, RejoinFrame
from protocol.kind_frames import (
    BidFrame,
    BookFrame,
    CancelFrame,
    ChooseFrame,
    ClaimFrame,
    CodeFrame,
    HoldFrame,
    RescheduleFrame,
)
from protocol.money import minor_units
from protocol.refusals import Reason, Refusal
from protocol.replica import Replica

CHOICES_NAMED_MAX = 20

TakingFrame = BidFrame | ClaimFrame | HoldFrame | BookFrame | RescheduleFrame | CancelFrame
AskingFrame = JoinFrame | LeaveFrame | DeclineFrame | RejoinFrame | ChooseFrame | CodeFrame | TakingFrame
"""The frames that ask the engine for something."""


def command_of(frame: AskingFrame, consumer: bytes, level: int, replica: Replica) -> Command:
    """The command of a consumer of ``level``. Raises ValueError for money with more decimals than the currency has."""
    match frame:
        case JoinFrame(path=path, code=code, variant=variant):
            return Join(consumer, path, level=level, credentials=_credentials(variant, code))
        case LeaveFrame(path=path):
            return Leave(consumer, path)
        case DeclineFrame(path=path, offer=offer):
            return Decline(consumer, path, bytes.fromhex(offer))
        case RejoinFrame(path=path):
            return Rejoin(consumer, path, level=level)
        case ChooseFrame(path=path, variant=variant):
            return Choose(consumer, path, variant)
        case CodeFrame(code=code):
            return EnterCode(consumer, level=level, credentials=Credentials(code=code))
    return _taking(frame, consumer, level, replica)


def _taking(frame: TakingFrame, consumer: bytes, level: int, replica: Replica) -> Command:
    """The commands that only some kinds take."""
    match frame:
        case BidFrame(path=path, max=maximum, id=bid):
            return PlaceBid(consumer, path, level=level, maximum=_units(maximum, path, replica), id=bid)
        case ClaimFrame(path=path, offer=offer, price=price, variant=variant):
            most = _price(price, path, replica)
            return Claim(consumer, path, 1, level, _credentials(variant), bytes.fromhex(offer), most)
        case HoldFrame(path=path, slot=slot):
            return Hold(consumer, path, level=level, slot=slot)
        case BookFrame(path=path, slot=slot):
            return Book(consumer, path, level=level, slot=slot)
        case RescheduleFrame(path=path, slot=slot):
            return Reschedule(consumer, path, slot)
        case CancelFrame(path=path, slot=slot):
            return Cancel(consumer, path, slot)


def explained(refusal: Refusal, command: Command, path: str, replica: Replica) -> Refusal:
    """The engine's ``refusal`` of a command in ``path``, with what would be allowed where its variant is wrong."""
    wanted = _variant_of(command)
    found = replica.paths.get(refusal.detail.get("path", path))
    if refusal.reason != Reason.INVALID or not wanted or found is None or replica.document is None:
        return refusal
    chooses = found.settings.product_selection == "consumer"
    choices = replica.document.variants_of(found.settings) if chooses else []
    if wanted in choices:
        return refusal
    return Refusal(refusal.reason, {**refusal.detail, "field": "variant", "allowed": _listed(choices)})


def _variant_of(command: Command) -> str:
    if isinstance(command, Choose):
        return command.variant
    brought = command.credentials if isinstance(command, Join | Claim) else None
    return "" if brought is None else brought.variant


def _listed(choices: list[str]) -> str:
    """The first of ``choices``, as many as an error has room for."""
    if not choices:
        return "none: nothing is chosen in this path"
    more = len(choices) - CHOICES_NAMED_MAX
    return ", ".join(choices[:CHOICES_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _credentials(variant: str, code: str = "") -> Credentials | None:
    return Credentials(code=code, variant=variant) if code or variant else None


def _price(price: str | UnsetType, path: str, replica: Replica) -> int | None:
    return None if price is UNSET else _units(price, path, replica)


def _units(money: str, path: str, replica: Replica) -> int:
    terms = replica.paths[path].settings.distribution if path in replica.paths else None
    return minor_units(money, terms.currency) if isinstance(terms, Auction) else 0
