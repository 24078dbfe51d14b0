"""A shop where nobody is admitted but by hand: windows of ten seconds, five of grace, five pieces of ``a`` in stock."""

from __future__ import annotations

from typing import Any

from protocol import commands as c
from protocol.documents import Experience as Document
from tests.engine.stage import ACTOR, Stage
from tests.support.samples import consumer, document, raw_path, raw_product, raw_variant


def shop_path(path_id: str = "general", **fields: Any) -> dict[str, Any]:
    """A path as decoded JSON, changed by ``fields`` and, in the distribution, by ``terms``."""
    terms = {"release_rate_per_minute": 0, "checkout_window_seconds": 10, "payment_grace_seconds": 5}
    return raw_path(path_id, distribution=terms | fields.pop("terms", {}), **fields)


def shop_document(*paths: dict[str, Any], stock: int | None = 5, **fields: Any) -> Document:
    """A document with ``paths`` (one that sells ``a`` if none is given); of ``b`` nothing is counted."""
    products = [raw_product(raw_variant("a", stock=stock), raw_variant("b"))]
    return document(paths=list(paths) or [shop_path(variants=["a"])], products=products, **fields)


def shop(count: int = 0, **fields: Any) -> Stage:
    """One path that sells ``a``, where ``count`` people wait."""
    stage = Stage(shop_document(shop_path(variants=["a"], **fields)))
    if count:
        stage.later(0, *(c.Join(consumer(number), "general") for number in range(count)))
    return stage


def admit(stage: Stage, count: int) -> dict[str, Any]:
    """Admit by hand; answers what the merchant is told."""
    return stage.answer(c.AdmitNow(ACTOR, "", "general", count))
