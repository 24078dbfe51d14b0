"""Every frame that consumers are told, made from the replica. Pure: the time, the tokens and the outage are arguments.

Rules: a path that is hidden is shown only to those who qualify; bands of stock as sold (`plenty` … `none`), exact
counts only where the merchant shows them; what does not apply is absent.

Hands over to: `gateway.rooms`, which says who is told and when.
"""

from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import UNSET, UnsetType

from protocol.distributions import Auction, Draw, Waitlist, capacity_of, kind_of
from protocol.documents import Experience, Product, Variant
from protocol.events import Holding, NoticePosted
from protocol.frame_base import Ref
from protocol.frames import (
    AdmittedFrame,
    ConsumerView,
    ErrorFrame,
    ExperienceView,
    JoinedFrame,
    NoticeFrame,
    PathView,
    PhaseFrame,
    SoldOutFrame,
    StockFrame,
    TicketFrame,
    TicketView,
    Welcome,
)
from protocol.kind_frames import CodeResultFrame, OfferFrame
from protocol.kinds.lots import LotsReplica
from protocol.kinds.waitlist import WaitlistReplica
from protocol.money import decimal_string
from protocol.path_replica import PathReplica
from protocol.refusals import Refusal
from protocol.replica import Replica, Stock
from protocol.states import LEVELS, Phase, TicketState

WIRE_VERSION = 1
FEW_PERCENT = 20
LAST_PERCENT = 5
LAST_COUNT = 3
PASS_PARAMETER = "stanchion_pass"
PAUSED_MERCHANT = "merchant"
PAUSED_OUTAGE = "outage"
FAILOVER = "failover"

_PLACES: Final = frozenset({"queue", "waitlist"})
"""The kinds in which a place is a turn. Chance, bids, claims and slots decide in the others."""

_PUBLIC_TERMS: Final = {
    "draw": ("winner_count", "beacon", "backfill", "redraw_until"),
    "auction": (
        *("style", "currency", "start_price", "quantity", "increments", "extend_window_seconds", "extend_by_seconds"),
        *("max_extensions", "second_chance", "floor_price", "drop_amount", "drop_interval_seconds"),
    ),
    "appointment": (
        *("location", "time_zone", "duration_minutes", "hold_seconds", "min_notice_minutes", "max_advance_days"),
        *("cancel_cutoff_minutes", "checkout"),
    ),
    "timed_release": ("limit",),
    "waitlist": ("strategy", "claim_window_seconds"),
}
"""What consumers may know of the settings of a kind; a reserve price is nobody's business."""

_ERROR_FIELDS: Final = frozenset(ErrorFrame.__struct_fields__) - {"reason", "temporary", "message", "ref", "path"}


def visible_paths(replica: Replica, level: int) -> list[str]:
    """Ids of the paths that a consumer of ``level`` may see, in document order."""
    return [path_id for path_id, path in replica.paths.items() if not path.settings.hidden or qualifies(path, level)]


def qualifies(path: PathReplica, level: int) -> bool:
    """Whether a consumer of ``level`` may join the path."""
    return level >= LEVELS.index(path.settings.min_level)


def experience_view(replica: Replica, level: int, now_ms: int, *, outage: bool = False) -> ExperienceView:
    """The public view of an experience that is configured; its paths by priority."""
    document = replica.document
    assert document is not None, "only a configured experience is shown"
    visible = [replica.paths[path_id] for path_id in visible_paths(replica, level)]
    visible.sort(key=lambda path: path.settings.priority, reverse=True)
    return ExperienceView(
        id=document.id,
        name=document.name,
        phase=replica.phase,
        products=[_product(product) for product in document.products],
        checkout_url=document.checkout_url,
        paths=[_path(path, document, level, outage) for path in visible],
        theme=document.theme,
        notice=_standing_notice(replica.notice, now_ms),
    )


def welcome(
    view: msgspec.Raw, who: ConsumerView, tickets: list[TicketView], now_ms: int, session: str | None
) -> Welcome:
    """The first frame. ``view``: an encoded `ExperienceView`; ``session``: the token made for who brought none."""
    return Welcome(
        WIRE_VERSION, now_ms, who, cast(ExperienceView, view), tickets, UNSET if session is None else session
    )


def consumer(consumer_id: bytes, level: int) -> ConsumerView:
    """Who somebody is."""
    return ConsumerView(consumer_id.hex(), LEVELS[level])


def phase(path: PathReplica, now_ms: int, *, outage: bool) -> PhaseFrame:
    """The phase of a path, when the next one begins, and who paused it."""
    lobby_at = path.settings.lobby_opens_at
    begins = path.opens_at if lobby_at is None else lobby_at
    at = {Phase.SCHEDULED: begins, Phase.LOBBY: path.opens_at, Phase.OPEN: path.closes_at}.get(Phase(path.phase))
    return PhaseFrame(path.settings.id, path.phase, at, now_ms, _paused(path, outage))


def joined(path: PathReplica, holding: Holding, receipt: str) -> JoinedFrame:
    """A ticket of ``path`` is held; ``receipt`` is its signed proof."""
    return JoinedFrame(
        path=holding.path,
        state=TicketState(holding.state).word,
        receipt=receipt,
        ticket=holding.ticket,
        draw_at=_draw_at(path),
        variant=path.choices.get(holding.ticket, UNSET),
    )


def admitted(path: PathReplica, holding: Holding, token: str, checkout_url: str, now_ms: int) -> AdmittedFrame:
    """The consumer may check out; ``token`` is the pass."""
    window = path.windows[holding.ticket]
    return AdmittedFrame(
        path=holding.path,
        admission=holding.admission.hex(),
        expires_at=holding.expires_at,
        checkout_url=with_pass(checkout_url, token),
        now=now_ms,
        pass_=token,
        price=price(path, window.price),
        variant=window.variant or UNSET,
    )


def price(path: PathReplica, units: int | None) -> str | UnsetType:
    """Minor units as a decimal string in the currency of ``path``; UNSET where it has none, or nothing is settled."""
    terms = path.settings.distribution
    if units is None or not isinstance(terms, Auction):
        return UNSET
    return decimal_string(units, terms.currency)


def offer(path: PathReplica, ticket: int, now_ms: int) -> OfferFrame:
    """What is offered to ``ticket``."""
    found, terms = path.offers[ticket], path.settings.distribution
    return OfferFrame(
        path=path.settings.id,
        offer=found.offer.hex(),
        claim_by=found.claim_by,
        now=now_ms,
        price=price(path, found.price),
        variant=found.variant or UNSET,
        reserved=False if isinstance(terms, Waitlist) and terms.strategy == "all" else UNSET,
        gone=True if isinstance(path.kind, WaitlistReplica) and path.kind.gone else UNSET,
        slot=found.slot or UNSET,
    )


def claimed(path: PathReplica, ticket: int) -> TicketFrame:
    """``ticket`` has claimed, and its turn comes."""
    return TicketFrame(path=path.settings.id, state=path.state(ticket).word, ticket=ticket, claimed=True)


def chosen(path: PathReplica, ticket: int) -> TicketFrame:
    """The holder of ``ticket`` has named a variant."""
    state, variant = path.state(ticket).word, path.choices[ticket]
    return TicketFrame(path=path.settings.id, state=state, ticket=ticket, variant=variant)


def code_result(content: dict[str, Any], ref: Ref | None) -> CodeResultFrame:
    """What an access code did, as the engine has answered."""
    return msgspec.convert({**content, **({} if ref is None else {"ref": ref})}, CodeResultFrame)


def shows_places(path: PathReplica) -> bool:
    """Whether whoever waits in ``path`` is told how many are ahead."""
    return kind_of(path.settings.distribution) in _PLACES


def ticket(holding: Holding, ref: Ref | None = None) -> TicketFrame:
    """The state of a ticket, where no other frame tells it."""
    expired = holding.state == TicketState.EXPIRED
    return TicketFrame(
        path=holding.path,
        state=TicketState(holding.state).word,
        ticket=holding.ticket,
        reason=holding.reason or UNSET,
        may_rejoin=holding.may_rejoin if expired else UNSET,
        ref=UNSET if ref is None else ref,
    )


def lost(path: str, ticket: int) -> TicketFrame:
    """The store has lost a ticket that was told."""
    return went_back(path, ticket, TicketState.LOST)


def went_back(path: str, ticket: int, state: TicketState) -> TicketFrame:
    """The store has lost what was told of a ticket last: it is in this state."""
    return TicketFrame(path=path, state=state.word, ticket=ticket, reason=FAILOVER)


def sold_out(path: PathReplica, now_ms: int) -> SoldOutFrame:
    """Nothing that the path, which was sold out once, sells is free; or that is over."""
    return SoldOutFrame(path.settings.id, path.may_return, now_ms, UNSET if path.sold_out else True)


def stocks(replica: Replica, path_id: str) -> list[StockFrame]:
    """What is left of every counted variant that the path sells."""
    document, path = replica.document, replica.paths[path_id]
    assert document is not None, "a path is part of a document"
    sold = set(document.variants_of(path.settings))
    return [
        _stock(product, variant, replica.stock[variant.id])
        for product in document.products
        for variant in product.variants
        if variant.id in sold and variant.id in replica.stock and replica.stock[variant.id].total is not None
    ]


def notice(posted: NoticePosted, now_ms: int) -> NoticeFrame:
    """The merchant's words."""
    return NoticeFrame(posted.text, posted.level, now_ms, UNSET if posted.until is None else posted.until)


def error(refusal: Refusal, path: str = "", ref: Ref | None = None) -> ErrorFrame:
    """A "no" with what helps; further fields of the refusal have no place in a frame."""
    return ErrorFrame(
        reason=refusal.reason,
        temporary=refusal.temporary,
        message=refusal.sentence,
        ref=UNSET if ref is None else ref,
        path=path or UNSET,
        **{name: value for name, value in refusal.detail.items() if name in _ERROR_FIELDS},
    )


_OF_WINDOW = ("admission", "kid", "admitted_at", "expires_at")


def holding(replica: Replica, path_id: str, number: int, reason: str = "") -> Holding:
    """What the replica knows of one ticket. ``reason`` is known to events alone."""
    path = replica.paths[path_id]
    window = path.windows.get(number)
    known = {} if window is None else {name: getattr(window, name) for name in _OF_WINDOW}
    return Holding(
        path_id,
        number,
        path.hats[number],
        path.states[number],
        reason,
        path.may_rejoin(number),
        **known,
    )


def with_pass(checkout_url: str, token: str) -> str:
    """``checkout_url`` with the pass as ``stanchion_pass`` in its query, whatever stands there already."""
    parts = urlsplit(checkout_url)
    others = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != PASS_PARAMETER]
    return urlunsplit(parts._replace(query=urlencode([*others, (PASS_PARAMETER, token)])))


def _path(path: PathReplica, document: Experience, level: int, outage: bool) -> PathView:
    settings = path.settings
    chooses = settings.product_selection == "consumer"
    return PathView(
        id=settings.id,
        kind=kind_of(settings.distribution),
        phase=path.phase,
        opens_at=path.opens_at,
        closes_at=path.closes_at,
        access=_access(path, level),
        name=UNSET if settings.name is None else settings.name,
        terms=UNSET if settings.terms is None else msgspec.to_builtins(settings.terms),
        paused=True if path.paused or outage else UNSET,
        waiting=path.roster.waiting,
        commitment=_commitment(path),
        draw_at=_draw_at(path),
        details=_details(path, document.time_zone),
        attached_to=UNSET if settings.attached_to is None else settings.attached_to,
        choices=document.variants_of(settings) if chooses else UNSET,
    )


def _details(path: PathReplica, time_zone: str) -> Any:
    """The public terms of the path's kind that are set, its times in ``time_zone`` unless it names one; UNSET for a
    kind that has none."""
    terms = path.settings.distribution
    named = {name: getattr(terms, name) for name in _PUBLIC_TERMS.get(kind_of(terms), ())}
    if "time_zone" in named:
        named["time_zone"] = named["time_zone"] or time_zone
    return msgspec.to_builtins({name: value for name, value in named.items() if value is not None}) or UNSET


def _commitment(path: PathReplica) -> Any:
    """What the secret of a lottery is held to, hexadecimal; UNSET where there is none."""
    return (path.kind.commitment.hex() or UNSET) if isinstance(path.kind, LotsReplica) else UNSET


def _draw_at(path: PathReplica) -> Any:
    """When it is drawn (epoch ms); UNSET for any other kind."""
    terms = path.settings.distribution
    if not isinstance(terms, Draw):
        return UNSET
    return terms.closes_at if terms.draw_at is None else terms.draw_at


def _access(path: PathReplica, level: int) -> str:
    if not qualifies(path, level):
        return "needs_level"
    if path.settings.audience is not None:
        return "not_for_you"  # no session says yet which audiences somebody is in
    if path.settings.access_code is not None:
        return "needs_code"
    capacity = capacity_of(path.settings.distribution)
    return "full" if capacity is not None and path.roster.waiting >= capacity else "open"


def _paused(path: PathReplica, outage: bool) -> Any:
    if outage:
        return PAUSED_OUTAGE
    return PAUSED_MERCHANT if path.paused else UNSET


def _product(product: Product) -> dict[str, Any]:
    """A product as consumers see it: without counts of stock."""
    view: dict[str, Any] = msgspec.to_builtins(product)
    for variant in view["variants"]:
        del variant["stock"], variant["stock_exact"]
    return view


def _standing_notice(posted: NoticePosted | None, now_ms: int) -> Any:
    if posted is None or posted.until is None or posted.until <= now_ms:
        return UNSET
    return {"text": posted.text, "level": posted.level, "until": posted.until}


def _stock(product: Product, variant: Variant, stock: Stock) -> StockFrame:
    assert stock.total is not None, "only counted stock is told"
    left = max(0, stock.total - stock.reserved - stock.completed)
    exact = left if variant.stock_exact else UNSET
    if left == 0:
        return StockFrame(product.id, variant.id, "none", exact)
    if left <= LAST_COUNT or left * 100 <= stock.total * LAST_PERCENT:
        return StockFrame(product.id, variant.id, "last", exact)
    return StockFrame(product.id, variant.id, "few" if left * 100 <= stock.total * FEW_PERCENT else "plenty", exact)
