"""What goes into the engine: every command, imperative. Array-like on the stream, so a join costs about 30 bytes.

Who sends what: consumers' commands carry the consumer's 16-byte id; the merchant's carry an ``actor`` (for the audit
log) and a ``key`` (the Idempotency-Key, "" for none), which makes a repeat through another gateway harmless. Instants
are epoch milliseconds, durations are named with their unit.
"""

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from protocol.documents import Experience


class ConsumerCommand(Struct, frozen=True, array_like=True, gc=False):
    """A command of one consumer, in an experience that the stream names."""

    consumer: bytes


class Credentials(Struct, frozen=True, array_like=True, gc=False):
    """What somebody brings to the door: the names of the audiences they are in, an access code, the variant they want
    where that is theirs to say. Most bring nothing, and a command without it is smaller."""

    audiences: tuple[str, ...] = ()
    code: str = ""
    variant: str = ""


NOTHING: Final = Credentials()


class Join(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="join"):
    """Take a ticket in ``path`` ("" = the first, by priority, that the consumer qualifies for).

    ``implicit`` joins are made by connecting: they never give up a turn that ``Rejoin`` could still bring back, and
    whoever had a ticket and can have no other is told what became of it instead of a "no".
    """

    path: str = ""
    implicit: bool = False
    hats: int = 1
    level: int = 0
    credentials: Credentials | None = None


class Leave(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="leave"):
    """Give up the waiting ticket in ``path``."""

    path: str


class Decline(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="decline"):
    """Give up the admission, or the offer, in ``path``: this ``offer`` (16 bytes), or b"" = whichever there is."""

    path: str
    offer: bytes = b""


class Rejoin(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="rejoin"):
    """Take the same place again after a missed turn; once. Where that is not forgiven it is a ``Join``."""

    path: str
    hats: int = 1
    level: int = 0
    credentials: Credentials | None = None


class Choose(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="choose"):
    """Want ``variant`` from now on, at the same place."""

    path: str
    variant: str


class EnterCode(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="enter_code"):
    """Take a ticket in the path of the access code; the answer says ``advanced``, ``unchanged`` or ``gated``."""

    hats: int = 1
    level: int = 0
    credentials: Credentials | None = None


class TicketCommand(ConsumerCommand, frozen=True, array_like=True, gc=False):
    """A command that needs a ticket in ``path`` and takes one first where there is none, as a ``Join`` with the same
    fields would."""

    path: str
    hats: int = 1
    level: int = 0
    credentials: Credentials | None = None


class Claim(TicketCommand, frozen=True, array_like=True, gc=False, tag="claim"):
    """Take what is offered: a timed release, an ``offer`` (16 bytes, b"" = whichever there is), or a unit of a Dutch
    auction for at most ``price`` (minor units)."""

    offer: bytes = b""
    price: int | None = None


class PlaceBid(TicketCommand, frozen=True, array_like=True, gc=False, tag="place_bid"):
    """Bid up to ``maximum`` (minor units). ``id``: the client's own; the same bid sent again is the same bid."""

    maximum: int = 0
    id: str = ""


class Hold(TicketCommand, frozen=True, array_like=True, gc=False, tag="hold"):
    """Keep a place in ``slot`` for a while."""

    slot: str = ""


class Book(TicketCommand, frozen=True, array_like=True, gc=False, tag="book"):
    """Book ``slot`` ("" = the one held)."""

    slot: str = ""


class BookingCommand(ConsumerCommand, frozen=True, array_like=True, gc=False):
    """A command about the hold or the booking in ``path``."""

    path: str


class Reschedule(BookingCommand, frozen=True, array_like=True, gc=False, tag="reschedule"):
    """Have ``slot`` instead of the slot that is booked, or keep that."""

    slot: str


class Cancel(BookingCommand, frozen=True, array_like=True, gc=False, tag="cancel"):
    """Give up the hold or the booking: that of ``slot``, or "" = whichever there is."""

    slot: str = ""


class Attach(ConsumerCommand, frozen=True, array_like=True, gc=False, tag="attach"):
    """Tell all that this consumer holds; changes nothing."""


class MerchantCommand(Struct, frozen=True, array_like=True):
    """A command of the merchant or an operator. ``actor`` names the API key used, never its secret."""

    actor: str
    key: str


class AdmissionCommand(MerchantCommand, frozen=True, array_like=True):
    """A command of the merchant's checkout about one admission (16 bytes)."""

    admission: bytes


class Redeem(AdmissionCommand, frozen=True, array_like=True, tag="redeem"):
    """Use the admission; once."""


class Complete(AdmissionCommand, frozen=True, array_like=True, tag="complete"):
    """The order is paid; redeems an admission that was not."""

    order_id: str = ""


class Release(AdmissionCommand, frozen=True, array_like=True, tag="release"):
    """End the admission without an order."""


class Extend(AdmissionCommand, frozen=True, array_like=True, tag="extend"):
    """Move the end of the window by ``seconds`` (0 = one whole window); once."""

    seconds: int = 0


class Configure(MerchantCommand, frozen=True, array_like=True, tag="configure"):
    """Make the experience be as ``document`` says. ``secret`` (32 bytes) is kept from the first one on; ``kid`` names
    the key that passes are signed with from now on."""

    document: Experience
    secret: bytes
    kid: str


class Limits(Struct, frozen=True):
    """What meters admissions. None = no such limit; a field that is ``UNSET`` is left as it is.

    Not array-like like the commands around it: an array has no place for a field that is not there.
    """

    release_rate_per_minute: int | None | UnsetType = UNSET
    max_active: int | None | UnsetType = UNSET
    max_admissions: int | None | UnsetType = UNSET


class SetReleaseRate(MerchantCommand, frozen=True, array_like=True, tag="set_release_rate"):
    """Change the ``limits`` of ``path`` ("" = over all paths)."""

    path: str
    limits: Limits


class SetStock(MerchantCommand, frozen=True, array_like=True, tag="set_stock"):
    """Set the total stock of a variant to ``stock`` (None = not counted), or, where ``add`` is given, add that."""

    variant: str
    stock: int | None = None
    add: int | None = None


class PathCommand(MerchantCommand, frozen=True, array_like=True):
    """A command of the merchant about one path."""

    path: str


class Open(PathCommand, frozen=True, array_like=True, tag="open"):
    """Open the path now, whatever its schedule says."""


class Pause(PathCommand, frozen=True, array_like=True, tag="pause"):
    """Admit nobody until ``Resume``; joins and open windows go on."""


class Resume(PathCommand, frozen=True, array_like=True, tag="resume"):
    """End the pause."""


class Close(PathCommand, frozen=True, array_like=True, tag="close"):
    """Take no more joins; those who wait are still served."""


class End(PathCommand, frozen=True, array_like=True, tag="end"):
    """Take no more joins and serve nobody who waits; open windows keep their time."""


class AdmitNow(PathCommand, frozen=True, array_like=True, tag="admit_now"):
    """Admit up to ``count`` at once: takes no token, keeps to the caps and the stock."""

    count: int


class RefuseTicket(PathCommand, frozen=True, array_like=True, tag="refuse_ticket"):
    """Turn a waiting ticket away, with a ``reason`` for the consumer."""

    ticket: int
    reason: str


class DrawBeacon(PathCommand, frozen=True, array_like=True, tag="draw_beacon"):
    """The randomness of the ``round`` of ``source`` that the path named, with its signature, after the roster's root is
    committed; ``previous_signature`` where the chain signs that too."""

    source: str
    round: int
    randomness: bytes
    signature: bytes
    previous_signature: bytes = b""


class Draw(PathCommand, frozen=True, array_like=True, tag="draw"):
    """Draw now."""


class Offer(PathCommand, frozen=True, array_like=True, tag="offer"):
    """Offer ``count`` units to the next on a waitlist."""

    count: int


class CheckIn(PathCommand, frozen=True, array_like=True, tag="check_in"):
    """The booking of this confirmation code is here."""

    confirmation: str


class NoShow(PathCommand, frozen=True, array_like=True, tag="no_show"):
    """The booking of this confirmation code did not come."""

    confirmation: str


class CancelBooking(PathCommand, frozen=True, array_like=True, tag="cancel_booking"):
    """The merchant cancels the booking of this confirmation code."""

    confirmation: str


class PostNotice(MerchantCommand, frozen=True, array_like=True, tag="post_notice"):
    """Tell everybody there ``text``; it stands in ``welcome`` while ``until`` (epoch ms) is ahead."""

    text: str
    level: str
    until: int | None


CheckoutCommand = Redeem | Complete | Release | Extend
Command = (
    Join | Leave | Decline | Rejoin | Attach | Choose | EnterCode
    | Claim | PlaceBid | Hold | Book | Reschedule | Cancel
    | Redeem | Complete | Release | Extend
    | Configure | SetReleaseRate | SetStock
    | Open | Pause | Resume | Close | End | AdmitNow | RefuseTicket | PostNotice
    | DrawBeacon | Draw | Offer | CheckIn | NoShow | CancelBooking
)  # fmt: skip
