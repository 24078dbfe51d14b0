"""The experience document: what a merchant PUTs and GETs, and what is wrong with one that cannot be taken.

Fields that belong to ways in or rules that this version does not run are accepted with the value that means "not
used" and refused with any other, so that nothing is silently ignored. Unknown fields are errors. ``parse`` finds every
error at once, each with its path, because a merchant fixing a launch has no patience for one error a try.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta, Struct

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Address = Annotated[str, Meta(min_length=1, max_length=2_000)]
Instant = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Rate = Annotated[int, Meta(ge=0, le=6_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=30 * 86_400)]
GraceSeconds = Annotated[int, Meta(ge=0, le=86_400)]
Money = Annotated[str, Meta(pattern=r"^\d{1,12}(\.\d{1,3})?\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

_time_zones = cache(available_timezones)
"""The names of the IANA database; looking for them takes a walk through its files, once."""

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

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Text
    price: Money
    currency: Currency
    stock: Count | None = None
    stock_exact: bool = False
    attributes: dict[str, str] = {}


class Product(Struct, frozen=True, forbid_unknown_fields=True):
    """What people come for."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Text
    variants: Annotated[list[Variant], Meta(min_length=1, max_length=VARIANTS_MAX)]
    media: list[Media] = []


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """Shown beside the join button."""

    text: Annotated[str, Meta(min_length=1, max_length=2_000)]
    url: Address | None = None


class Queue(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="queue"):
    """First come, first served. Rates are admissions a minute; null caps mean none."""

    release_rate_per_minute: Rate
    max_active: Count | None = None
    max_admissions: Count | None = None
    capacity: Count | None = None
    checkout_window_seconds: Seconds = 600
    payment_grace_seconds: GraceSeconds = 300
    burst_ms: Annotated[int, Meta(ge=1, le=60_000)] = 1_000
    loyalty_bias: bool = False
    hats_max: Annotated[int, Meta(ge=1, le=64)] = 5
    points_per_hat: Annotated[int, Meta(ge=1, le=1_000_000)] = 100


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """One way in. ``variants`` [] means every variant of the experience."""

    id: Slug
    distribution: Queue
    name: Text | None = None
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    min_level: Literal["guest", "registered", "verified"] = "guest"
    variants: list[str] = []
    product_selection: Literal["checkout"] = "checkout"
    joins_per_consumer: Annotated[int, Meta(ge=1, le=1_000)] = 1
    keep_place_once: bool = True
    terms: Terms | None = None
    hidden: bool = False
    lobby_opens_at: None = None
    audience: None = None
    access_code: None = None
    attached_to: None = None


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
        """Ids of the variants that ``path`` sells, in document order."""
        every = [variant.id for product in self.products for variant in product.variants]
        sold = frozenset(path.variants)
        return [variant for variant in every if variant in sold] if sold else every


class Problem(Struct, frozen=True):
    """One error: ``path`` as in ``paths[0].distribution.capacity``, ``message`` says what is allowed."""

    path: str
    message: str


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
    document = msgspec.convert(raw, Experience)
    problems = list(_relation_problems(document, experience_id))
    if problems:
        raise DocumentError(problems)
    return document


def warnings(document: Experience) -> list[Problem]:
    """What can be taken but is rarely meant."""
    found = []
    for index, path in enumerate(document.paths):
        where = f"paths[{index}].distribution"
        if path.distribution.release_rate_per_minute == 0:
            found.append(Problem(f"{where}.release_rate_per_minute", "is 0: nobody is admitted until it is raised"))
        if path.distribution.max_active == 0:
            found.append(Problem(f"{where}.max_active", "is 0: nobody is admitted until it is raised"))
    return found


def form_problems(kind: Any, raw: Any) -> list[Problem]:
    """Every error of form in ``raw`` (decoded JSON) as a ``kind``, a struct: with none, it can be converted."""
    return list(_shape_problems(kind, raw, ""))


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` can stand in a field of ``kind``, such as ``Count``, or is None."""
    return value is None or not list(_convert_problem(kind, value, ""))


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
            assert rate is not None, "a queue always has a rate"
            distribution = msgspec.structs.replace(
                path.distribution, release_rate_per_minute=rate, max_active=max_active, max_admissions=max_admissions
            )
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


_AT_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")


def _shape_problems(kind: Any, raw: Any, where: str) -> Iterator[Problem]:
    """Every error of form, field by field, deeper than the first that a decoder would stop at."""
    struct, items = _struct_of(kind)
    if struct is not None and not items and isinstance(raw, dict):
        yield from _field_problems(struct, raw, where)
    elif struct is not None and items and isinstance(raw, list) and raw and all(isinstance(one, dict) for one in raw):
        if bounds := getattr(kind, "__metadata__", ()):
            yield from _convert_problem(Annotated[list[Any], *bounds], raw, where)
        for index, item in enumerate(raw):
            yield from _shape_problems(struct, item, f"{where}[{index}]")
    else:
        yield from _convert_problem(kind, raw, where)


def _field_problems(struct: type[Struct], raw: dict[str, Any], where: str) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    prefix = f"{where}." if where else ""
    tag_field = struct.__struct_config__.tag_field
    tag = struct.__struct_config__.tag
    if tag_field is not None and raw.get(tag_field) != tag:
        yield Problem(f"{prefix}{tag_field}", f"must be {tag!r}: no other kind runs in this version")
    for name in raw:
        if name not in fields and name != tag_field:
            yield Problem(f"{prefix}{name}", f"unknown field; known are {', '.join(fields)}")
    for name, field in fields.items():
        if name in raw:
            yield from _shape_problems(field.type, raw[name], f"{prefix}{name}")
        elif field.required:
            yield Problem(f"{prefix}{name}", "is required")


def _struct_of(kind: Any) -> tuple[type[Struct] | None, bool]:
    """(struct, is it a list of them) of a field's type; (None, False) for everything else."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    if getattr(kind, "__origin__", None) is list:
        struct, _ = _struct_of(arguments[0])
        return struct, struct is not None
    if len(arguments) == 1:
        return _struct_of(arguments[0])
    return (kind, False) if isinstance(kind, type) and issubclass(kind, Struct) else (None, False)


def _convert_problem(kind: Any, raw: Any, where: str) -> Iterator[Problem]:
    try:
        msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        inner = _AT_PATH.search(message)
        suffix = inner.group("path") if inner else ""
        yield Problem(f"{where}{suffix}" or "$", _AT_PATH.sub("", message))


def _relation_problems(document: Experience, experience_id: str) -> Iterator[Problem]:
    if document.id != experience_id:
        yield Problem("id", f"must be {experience_id!r}, as in the address")
    if document.time_zone not in _time_zones():
        yield Problem("time_zone", f"{document.time_zone!r} is not a time zone of the IANA database")
    if not _is_web_address(document.checkout_url):
        yield Problem("checkout_url", "must be an address such as https://shop.example/checkout")
    if document.one_path:
        yield Problem("one_path", "must be false: not run in this version")
    yield from _repeats("paths", [path.id for path in document.paths])
    yield from _repeats("products", [product.id for product in document.products])
    variants = [variant.id for product in document.products for variant in product.variants]
    yield from _repeats("products variants", variants)
    if len(variants) > VARIANTS_OF_ALL_MAX:
        yield Problem("products", f"at most {VARIANTS_OF_ALL_MAX} variants in all are allowed")
    known = frozenset(variants)
    for index, path in enumerate(document.paths):
        yield from _path_problems(path, f"paths[{index}]", known)


def _path_problems(path: Path, where: str, variants: Collection[str]) -> Iterator[Problem]:
    if path.opens_at is not None and path.closes_at is not None and path.closes_at <= path.opens_at:
        yield Problem(f"{where}.closes_at", "must be later than opens_at")
    if path.distribution.loyalty_bias:
        yield Problem(f"{where}.distribution.loyalty_bias", "must be false: not run in this version")
    yield from _repeats(f"{where}.variants", path.variants)
    for variant in path.variants:
        if variant not in variants:
            yield Problem(f"{where}.variants", f"{variant!r} is not a variant of the products")


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
