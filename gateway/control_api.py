"""The table of the control endpoints: address, scope, content, answer and refusals of each. The handlers stand in
``gateway/control/``.

``view`` reads, ``operate`` acts on what runs, ``admin`` configures. An experience is not deleted: its log is the record
of what happened, so there is no DELETE; ``end`` its paths.
"""

from functools import partial
from typing import Any

from gateway.api_keys import Scope
from gateway.control import bookings, content, draws, experiences, paths
from gateway.endpoints import DOCUMENT_BYTES_MAX, Endpoint, Handler, Parameter
from protocol.commands import CancelBooking, CheckIn, Close, End, NoShow, Open, Pause, Resume
from protocol.documents import Experience
from protocol.refusals import Reason

_EXPERIENCES = "/v1/control/experiences"
_EXPERIENCE = f"{_EXPERIENCES}/{{experience}}"
_PATH = f"{_EXPERIENCE}/paths/{{path}}"

_READ_BACK = (
    Parameter("Stanchion-Entry", "header", "ID of an entry to read up to: the answer waits for it, at most 200 ms"),
    Parameter("entry", "query", "the same as the header Stanchion-Entry"),
)
_GONE = (Reason.NOT_FOUND, Reason.INVALID)
_AWAY = (Reason.BUSY, Reason.ENGINE_AWAY)

_read = partial(Endpoint, method="GET", tag="control", scope=Scope.VIEW, parameters=_READ_BACK, refusals=_GONE)
_change = partial(
    Endpoint, tag="control", scope=Scope.OPERATE, keyed=True, gives=content.Changed, parameters=_READ_BACK
)


def _by_hand(word: str, handler: Handler, summary: str, *refusals: Reason, **more: Any) -> Endpoint:
    address = f"{_PATH}/{word}"
    return _change(
        method="POST", path=address, handler=handler, summary=summary, refusals=(*_GONE, *refusals, *_AWAY), **more
    )


CONTROL_ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path=_EXPERIENCES,
        handler=experiences.list_experiences,
        summary="List the experiences",
        tag="control",
        scope=Scope.VIEW,
        gives=content.ExperienceList,
    ),
    _read(
        path=_EXPERIENCE,
        handler=experiences.get_experience,
        summary="Read an experience's document, phase and revision",
        gives=content.ExperienceAnswer,
    ),
    Endpoint(
        method="PUT",
        path=_EXPERIENCE,
        handler=experiences.put_experience,
        summary="Make an experience be as the document says",
        description="201 the first time, 200 from then on; the same document twice changes nothing. Every error of a "
        "document is told at once. What live tickets depend on is refused as in_use, each field named.",
        tag="control",
        scope=Scope.ADMIN,
        keyed=True,
        takes=Experience,
        checked=False,
        body_bytes_max=DOCUMENT_BYTES_MAX,
        gives=content.ExperienceAnswer,
        statuses=(200, 201),
        refusals=(Reason.IN_USE, Reason.STOCK_BELOW_SOLD, *_AWAY),
    ),
    _change(
        method="PATCH",
        path=_EXPERIENCE,
        handler=experiences.patch_experience,
        summary="Change the limits over all paths",
        takes=content.ExperiencePatch,
        refusals=(*_GONE, *_AWAY),
    ),
    _read(
        path=f"{_EXPERIENCE}/stats",
        handler=experiences.get_stats,
        summary="Read the numbers of an experience",
        description="Counted by the answering process from what it has read of the log. Waits are null as long as "
        "that does not tell when each ticket was taken; sockets are those of the answering process alone.",
        gives=content.StatsAnswer,
    ),
    _change(
        method="POST",
        path=f"{_EXPERIENCE}/notice",
        handler=experiences.post_notice,
        summary="Tell everybody there something",
        takes=content.NoticeBody,
        refusals=(*_GONE, *_AWAY),
    ),
    _change(
        method="PATCH",
        path=_PATH,
        handler=paths.patch_path,
        summary="Change the release rate and the caps of a path, pause or resume it",
        takes=content.PathPatch,
        refusals=(*_GONE, *_AWAY),
    ),
    _by_hand("open", paths.by_hand(Open), "Open a path now", Reason.CLOSED),
    _by_hand("pause", paths.by_hand(Pause), "Admit nobody until resume"),
    _by_hand("resume", paths.by_hand(Resume), "End the pause"),
    _by_hand("close", paths.by_hand(Close), "Take no more joins; those who wait are still served"),
    _by_hand("end", paths.by_hand(End), "Take no more joins and serve nobody who waits"),
    _by_hand(
        "admit",
        paths.admit,
        "Admit some at once, outside the rate",
        Reason.PAUSED,
        Reason.NOT_OPEN,
        takes=content.AdmitBody,
        gives=content.AdmitAnswer,
    ),
    _by_hand(
        "offer",
        paths.offer,
        "Offer something to the next on a waitlist",
        *(Reason.PAUSED, Reason.NOT_OPEN, Reason.CLOSED, Reason.NOT_TAKEN),
        takes=content.OfferBody,
        gives=content.OfferAnswer,
    ),
    _by_hand(
        "draw",
        draws.draw,
        "Draw now, or take in the round of the beacon that the path names",
        *(Reason.NOT_CLOSED, Reason.NO_BEACON, Reason.CLOSED, Reason.PAUSED, Reason.NOT_TAKEN, Reason.ALREADY_DONE),
        takes=draws.DrawBody,
    ),
    _by_hand(
        "tickets/{ticket:ticket}/refuse",
        paths.refuse_ticket,
        "Turn a waiting ticket away",
        Reason.NO_TICKET,
        takes=content.RefuseBody,
    ),
    _read(
        path=f"{_PATH}/bookings",
        handler=bookings.list_bookings,
        summary="List the bookings of an appointment",
        description="By confirmation code: who has booked is not told.",
        parameters=(*_READ_BACK, Parameter("slot", "query", "only those of this slot")),
        gives=bookings.Bookings,
    ),
    *(
        _by_hand(
            f"bookings/{{confirmation}}/{word}",
            bookings.by_code(command),
            summary,
            *(Reason.ALREADY_DONE, Reason.NOT_TAKEN, *refusals),
        )
        for word, command, summary, refusals in (
            ("check_in", CheckIn, "Whoever has this booking is here", ()),
            ("no_show", NoShow, "Nobody came for this booking, whose slot has begun", (Reason.NOT_OPEN,)),
            ("cancel", CancelBooking, "Take this booking back, at any time", ()),
        )
    ),
    _change(
        method="PATCH",
        path=f"{_EXPERIENCE}/products/{{product}}/variants/{{variant}}",
        handler=paths.patch_variant,
        summary="Set the stock of a variant, or add to it",
        takes=content.VariantPatch,
        gives=content.StockAnswer,
        refusals=(*_GONE, Reason.STOCK_BELOW_SOLD, *_AWAY),
    ),
)
