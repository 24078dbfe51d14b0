"""Valid things to begin with: a document, consumers, admissions. A test changes what it is about, no more."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from protocol.distributions import Appointment
from protocol.documents import Experience, parse

EXPERIENCE = "drop"


def consumer(number: int) -> bytes:
    """The 16-byte id of consumer ``number``."""
    return number.to_bytes(16, "big")


def raw_path(path_id: str = "general", *, distribution: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One path of a document as decoded JSON: a queue of 600 a minute, changed by ``distribution`` and ``fields``."""
    queue = {"kind": "queue", "release_rate_per_minute": 600} | (distribution or {})
    return {"id": path_id, "distribution": queue} | fields


def raw_auction(path_id: str = "auction", **terms: Any) -> dict[str, Any]:
    """One path of a document as decoded JSON: an English auction in EUR, open to guests, changed by ``terms``."""
    distribution = {"kind": "auction", "currency": "EUR"} | terms
    return {"id": path_id, "min_level": "guest", "distribution": distribution}


def raw_product(*variants: dict[str, Any], product_id: str = "runner") -> dict[str, Any]:
    """One product of a document as decoded JSON."""
    return {"id": product_id, "name": "Runner", "variants": list(variants)}


def raw_variant(variant_id: str = "42", **fields: Any) -> dict[str, Any]:
    """One variant of a product as decoded JSON; its stock is not counted."""
    return {"id": variant_id, "name": f"EU {variant_id}", "price": "129.00", "currency": "EUR"} | fields


def raw_document(**fields: Any) -> dict[str, Any]:
    """A valid document as decoded JSON: one path, nothing counted, changed by ``fields``."""
    base = {
        "id": EXPERIENCE,
        "name": "Sneaker drop",
        "checkout_url": "https://shop.example/checkout",
        "paths": [raw_path()],
    }
    return base | fields


def document(**fields: Any) -> Experience:
    """The document of ``raw_document``."""
    raw = raw_document(**fields)
    return parse(raw, raw["id"])


def with_slots(told: Experience, starts: list[int]) -> Experience:
    """The document with slots of its appointments that begin at other instants (epoch ms, whole seconds) than their
    windows have: closer than a merchant can write them."""
    paths = []
    for path in told.paths:
        terms = path.distribution
        if isinstance(terms, Appointment):
            path = structs.replace(path, distribution=structs.replace(terms, starts=starts))
        paths.append(path)
    return structs.replace(told, paths=paths)
