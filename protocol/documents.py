"""The experience document: what a merchant PUTs and GETs, and what is wrong with one that cannot be taken.

Fields that belong to rules that this version does not run are accepted with the value that means "not used" and refused
with any other, so that nothing is silently ignored. Unknown fields are errors. ``parse`` finds every error at once,
each with its path, because a merchant fixing a launch has no patience for one error a try.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta, Struct

from protocol.distribution_rules import problems_of
from protocol.distributions import (
    REGISTERED,
    RUNNING,
    AnyDistribution,
    Appointment,
    Auction,
    Draw,
    Queue,
    Waitlist,
    capacity_of,
    kind_of,
)
from protocol.fields import Address, Count, Currency, Instant, Price, Rate, Slug, Text, sent
from protocol.forms import Problem, form_problems
from protocol.money import minor_units
from protocol.slots import SLOTS_MAX, arranged, slots_of

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
"""As browsers write it, to be compared letter by letter; apps have schemes of their own."""
_time_zones = cache(available_timezones)
"""The names of the IANA database; looking for them takes a walk through its files, once."""

LOBBIES: Final = frozenset({"auction", "queue", "timed_release"})
"""The kinds that let people in before the opening."""

ItemId = Annotated[str, sent(r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f-\x9f]+$(?!\n)", 64)]
"""Names a product or a variant in addresses, where ``/``, ``.`` and ``..`` mean something else."""

PATHS_MAX = 32
PRODUCTS_MAX = 200
VARIANTS_MAX = 500
VARIANTS_OF_ALL_MAX = 2_000


class Media(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of a product."""

    url: Address
    alt: Annotated[str, Meta(max_length=500)] = ""


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is sold. ``stock`` is the total for this experience, ever; null = not counted."""

    id: ItemId
    name: Text
    price: Price
    currency: Currency
    stock: Count | None = None
    stock_exact: bool = False
    attributes: dict[str, str] = {}


class Product(Struct, frozen=True, forbid_unknown_fields=True):
    """What people come for."""

    id: ItemId
    name: Text
    variants: Annotated[list[Variant], Meta(min_length=1, max_length=VARIANTS_MAX)]
    media: list[Media] = []


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """Shown beside the join button."""

    text: Annotated[str, Meta(min_length=1, max_length=2_000)]
    url: Address | None = None


class AccessCode(Struct, frozen=True, forbid_unknown_fields=True):
    """What a consumer must name to use a path. ``max_uses`` counts live and completed tickets; null = no limit."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    max_uses: Count | None = None
    expires_at: Instant | None = None


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """One way in. ``variants`` [] means every variant of the experience."""

    id: Slug
    distribution: AnyDistribution
    name: Text | None = None
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    min_level: Literal["guest", "registered", "verified"] = "guest"
    variants: list[str] = []
    product_selection: Literal["checkout", "consumer", "system"] = "checkout"
    joins_per_consumer: Annotated[int, Meta(ge=1, le=1_000)] = 1
    keep_place_once: bool = True
    terms: Terms | None = None
    hidden: bool = False
    lobby_opens_at: Instant | None = None
    audience: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    access_code: AccessCode | None = None
    attached_to: Slug | None = None

    @property
    def closing(self) -> int | None:
        """When it is planned to take no more of them: a draw and an auction name that themselves. None = never."""
        if isinstance(self.distribution, Draw):
            return self.distribution.closes_at
        return self.distribution.ends_at if isinstance(self.distribution, Auction) else self.closes_at


class Experience(Struct, frozen=True, forbid_unknown_fields=True):
    """One launch or event: products, ways in, schedule."""

    id: Slug
    name: Text
    paths: Annotated[list[Path], Meta(min_length=1, max_length=PATHS_MAX)]
    checkout_url: Address
    time_zone: str = "UTC"
    products: Annotated[list[Product], Meta(max_length=PRODUCTS_MAX)] = []
    theme: dict[str, str] = {}
    locales: list[str] = msgspec.field(default_factory=lambda: ["en"])
    allowed_origins: list[Address] = []
    release_rate_per_minute: Rate | None = None
    max_active: Count | None = None
    max_admissions: Count | None = None
    one_path: bool = False
    limit_per_consumer: None = None

    def path(self, path_id: str) -> Path | None:
        """The path of this id, or None."""
        return next((path for path in self.paths if path.id == path_id), None)

    def variants_of(self, path: Path) -> list[str]:
        """Ids of the variants that ``path`` sells, in document order. A waitlist that names none sells those of the
        path that it is attached to."""
        source = self.path(path.attached_to) if path.attached_to is not None else None
        if source is not None and not path.variants:
            return self.variants_of(source)
        every = [variant.id for product in self.products for variant in product.variants]
        sold = frozenset(path.variants)
        return [variant for variant in every if variant in sold] if sold else every

    def waitlist_of(self, path_id: str) -> Path | None:
        """The waitlist that is attached to a path, or None."""
        return next((path for path in self.paths if path.attached_to == path_id), None)


class DocumentError(ValueError):
    """The document cannot be taken; ``problems`` has every error."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


def parse(raw: Any, experience_id: str) -> Experience:
    """The experience that ``raw`` (decoded JSON) describes. Raises DocumentError with every problem found."""
    problems = form_problems(Experience, raw)
    if problems:
        raise DocumentError(problems)
    document = _filled_in(msgspec.convert(raw, Experience), raw)
    problems = list(_relation_problems(document, experience_id))
    if problems:
        raise DocumentError(problems)
    document = arranged(document)
    problems = list(_slot_problems(document))
    if problems:
        raise DocumentError(problems)
    return document


def _filled_in(document: Experience, raw: Any) -> Experience:
    """The document with the defaults that depend on the kind of a path."""
    paths = []
    for path, told in zip(document.paths, raw["paths"], strict=True):
        terms = path.distribution
        if "min_level" not in told and kind_of(terms) in REGISTERED:
            path = msgspec.structs.replace(path, min_level="registered")
        if isinstance(terms, Draw) and terms.draw_at is None:
            path = msgspec.structs.replace(path, distribution=msgspec.structs.replace(terms, draw_at=terms.closes_at))
        paths.append(path)
    return msgspec.structs.replace(document, paths=paths)


def _slot_problems(document: Experience) -> Iterator[Problem]:
    for index, path in enumerate(document.paths):
        if isinstance(path.distribution, Appointment):
            count, where = len(slots_of(path.distribution)), f"paths[{index}].distribution.windows"
            if not count:
                yield Problem(where, f"have no room for a slot of {path.distribution.duration_minutes} minutes")
            if count > SLOTS_MAX:
                yield Problem(where, f"hold more than {SLOTS_MAX} slots")


def warnings(document: Experience, now_ms: int) -> list[Problem]:
    """What can be taken at ``now_ms`` but is rarely meant."""
    found = []
    for index, path in enumerate(document.paths):
        where = f"paths[{index}].distribution"
        terms = path.distribution
        if terms.release_rate_per_minute == 0:
            found.append(Problem(f"{where}.release_rate_per_minute", "is 0: nobody is admitted until it is raised"))
        if terms.max_active == 0:
            found.append(Problem(f"{where}.max_active", "is 0: nobody is admitted until it is raised"))
        if capacity_of(terms) == 0:
            found.append(Problem(f"{where}.capacity", "is 0: nobody can join"))
        found += _past(path, f"paths[{index}]", now_ms)
        if path.access_code is not None and path.access_code.max_uses == 0:
            found.append(Problem(f"paths[{index}].access_code.max_uses", "is 0: nobody can use the code"))
        if isinstance(terms, Draw) and path.min_level == "guest":
            found.append(Problem(f"paths[{index}].min_level", "a draw open to guests: one person can enter many times"))
        if isinstance(terms, Draw) and terms.beacon is None:
            found.append(Problem(f"{where}.beacon", "is not named: whoever reads the store can know the result before"))
    return found


def _past(path: Path, where: str, now_ms: int) -> Iterator[Problem]:
    terms = path.distribution
    if path.closing is not None and path.closing <= now_ms:
        names = {Draw: "distribution.closes_at", Auction: "distribution.ends_at"}
        yield Problem(f"{where}.{names.get(type(terms), 'closes_at')}", "lies in the past")
    if isinstance(terms, Appointment) and all(start <= now_ms for start in terms.starts or ()):
        yield Problem(f"{where}.distribution.windows", "have no slot that begins in the future")
    if path.access_code is not None and path.access_code.expires_at is not None:
        if path.access_code.expires_at <= now_ms:
            yield Problem(f"{where}.access_code.expires_at", "lies in the past")


def with_release_rate(
    document: Experience, path_id: str, rate: int | None, max_active: int | None, max_admissions: int | None
) -> Experience:
    """The document with these limits in the path of this id, or over all paths ("")."""
    if not path_id:
        return msgspec.structs.replace(
            document, release_rate_per_minute=rate, max_active=max_active, max_admissions=max_admissions
        )
    paths = []
    for path in document.paths:
        if path.id == path_id:
            assert rate is not None or not isinstance(path.distribution, Queue), "a queue always has a rate"
            limits = {"release_rate_per_minute": rate, "max_active": max_active, "max_admissions": max_admissions}
            distribution = msgspec.structs.replace(path.distribution, **limits)
            path = msgspec.structs.replace(path, distribution=distribution)
        paths.append(path)
    return msgspec.structs.replace(document, paths=paths)


def with_stock(document: Experience, variant_id: str, total: int | None) -> Experience:
    """The document with this total stock of a variant."""
    products = []
    for product in document.products:
        variants = [
            msgspec.structs.replace(variant, stock=total) if variant.id == variant_id else variant
            for variant in product.variants
        ]
        products.append(msgspec.structs.replace(product, variants=variants))
    return msgspec.structs.replace(document, products=products)


def _relation_problems(document: Experience, experience_id: str) -> Iterator[Problem]:
    if document.id != experience_id:
        yield Problem("id", f"must be {experience_id!r}, as in the address")
    if document.time_zone not in _time_zones():
        yield Problem("time_zone", f"{document.time_zone!r} is not a time zone of the IANA database")
    yield from _address_problems(document)
    yield from _repeats("paths", [path.id for path in document.paths])
    yield from _repeats("products", [product.id for product in document.products])
    variants = [variant.id for product in document.products for variant in product.variants]
    yield from _repeats("products variants", variants)
    if len(variants) > VARIANTS_OF_ALL_MAX:
        yield Problem("products", f"at most {VARIANTS_OF_ALL_MAX} variants in all are allowed")
    yield from _price_problems(document.products)
    known = frozenset(variants)
    for index, path in enumerate(document.paths):
        yield from _path_problems(path, f"paths[{index}]", known)
        yield from _attachment_problems(document, path, f"paths[{index}]")
        if isinstance(path.distribution, Appointment) and path.distribution.starts is not msgspec.UNSET:
            where = f"paths[{index}].distribution.starts"
            yield Problem(where, "must not be given: it is worked out from the windows")


def _address_problems(document: Experience) -> Iterator[Problem]:
    if not _is_web_address(document.checkout_url):
        yield Problem("checkout_url", "must be an address such as https://shop.example/checkout")
    for index, origin in enumerate(document.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            allowed = "must be the origin of a site as browsers write it, such as https://shop.example; * is not taken"
            yield Problem(f"allowed_origins[{index}]", allowed)
    for index, path in enumerate(document.paths):
        if path.terms is not None and path.terms.url is not None and not _is_web_address(path.terms.url):
            yield Problem(f"paths[{index}].terms.url", "must be an address such as https://shop.example/terms")


def _price_problems(products: list[Product]) -> Iterator[Problem]:
    for number, product in enumerate(products):
        for index, variant in enumerate(product.variants):
            try:
                minor_units(variant.price, variant.currency)
            except ValueError as error:
                yield Problem(f"products[{number}].variants[{index}].price", str(error))


def _path_problems(path: Path, where: str, variants: Collection[str]) -> Iterator[Problem]:
    kind = kind_of(path.distribution)
    if kind not in RUNNING:
        yield Problem(f"{where}.distribution.kind", f"{kind!r} is not run in this version")
    if path.closes_at is not None and isinstance(path.distribution, Draw | Auction):
        yield Problem(f"{where}.closes_at", f"must be null: the distribution of {kind} says when it closes")
    elif path.opens_at is not None and path.closes_at is not None and path.closes_at <= path.opens_at:
        yield Problem(f"{where}.closes_at", "must be later than opens_at")
    if path.lobby_opens_at is not None:
        if kind not in LOBBIES:
            yield Problem(f"{where}.lobby_opens_at", f"must be null: a {kind} has no lobby in this version")
        elif path.opens_at is None or path.opens_at <= path.lobby_opens_at:
            yield Problem(f"{where}.lobby_opens_at", "must be earlier than opens_at")
    if isinstance(path.distribution, Appointment) and path.distribution.time_zone not in (None, *_time_zones()):
        yield Problem(f"{where}.distribution.time_zone", "is not a time zone of the IANA database")
    for problem in problems_of(path.distribution, path.opens_at):
        yield Problem(f"{where}.distribution.{problem.path}", problem.message)
    if path.product_selection != "checkout" and not variants:
        yield Problem(f"{where}.product_selection", "must be 'checkout': there is nothing to select from")
    yield from _repeats(f"{where}.variants", path.variants)
    for variant in path.variants:
        if variant not in variants:
            yield Problem(f"{where}.variants", f"{variant!r} is not a variant of the products")


def _attachment_problems(document: Experience, path: Path, where: str) -> Iterator[Problem]:
    if path.attached_to is None:
        return
    source = document.path(path.attached_to)
    if not isinstance(path.distribution, Waitlist):
        yield Problem(f"{where}.attached_to", "must be null: only a waitlist is attached to another path")
    elif source is None or isinstance(source.distribution, Waitlist):
        yield Problem(f"{where}.attached_to", "must be the id of a path that is no waitlist")
    elif document.waitlist_of(path.attached_to) is not path:
        yield Problem(f"{where}.attached_to", f"{path.attached_to!r} has a waitlist already")


def _is_web_address(text: str) -> bool:
    """Whether browsers can be sent there: a scheme of the web, a host, and no character that an address cannot have."""
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _repeats(where: str, ids: list[str]) -> Iterator[Problem]:
    for repeated in sorted(one for one, count in Counter(ids).items() if count > 1):
        yield Problem(where, f"the id {repeated!r} stands there more than once")
