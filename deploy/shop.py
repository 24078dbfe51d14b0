"""The demo shop: what a merchant's checkout does with a pass, in the smallest program that does it right.

It uses the public interface alone, as any shop would: the JWKS, `redeem`, `complete`, the public view.

- A pass is checked offline first (Ed25519 only, audience, issuer, times without leeway): a forgery costs no request.
- Then it is redeemed, which only works once: that, not the signature, is what makes it single use.
- From there on the browser is known by the shop's own cart cookie (signed, HttpOnly), and the pass is out of the
  address, so it stands in no history, log or `Referer`.
- A price or a variant that the pass names was settled in the waiting room: it is what is sold, for that.
- Every refusal is a page that names its reason, also as `data-reason`.

Hands over to: `protocol.passes` for the check; the pages lie in `deploy/shop/`.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Annotated, Any

import httpx
import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, structs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.settings import SettingError
from protocol.passes import PassClaims, PassError, keys_of_jwks, verify

PAGES = Path(__file__).parent / "shop"
CART_COOKIE = "shop_cart"
CART_AGE_SECONDS = 24 * 3_600
REQUEST_TIMEOUT_MS = 5_000
TRIES_MAX = 3
JWKS_REFRESH_MIN_MS = 10_000
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
SENTENCES: Mapping[str, tuple[HTTPStatus, str]] = {
    "expired": (HTTPStatus.UNAUTHORIZED, "The time to check out with this pass is over."),
    "used": (HTTPStatus.CONFLICT, "This pass was used already. It opens the checkout once, in one browser."),
    "wrong_experience": (HTTPStatus.FORBIDDEN, "This pass is for another event than the one that is sold here."),
    "wrong_issuer": (HTTPStatus.FORBIDDEN, "This pass comes from another waiting room than ours."),
    "bad_signature": (HTTPStatus.UNAUTHORIZED, "This pass was changed or forged: its signature does not fit."),
    "bad_algorithm": (HTTPStatus.UNAUTHORIZED, "This pass is not signed in the one way that is accepted here."),
    "malformed": (HTTPStatus.UNAUTHORIZED, "This is not a pass."),
    "not_yet": (HTTPStatus.UNAUTHORIZED, "This pass is not valid yet."),
    "closed": (HTTPStatus.CONFLICT, "The turn that this pass proves has ended."),
    "away": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The waiting room does not answer just now. Please try again.",
    ),
}
OF_ANSWER = {"already_done": "used", "window_over": "expired", "no_ticket": "closed", "not_found": "closed"}


class ShopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo shop runs with; each field is the environment variable `STANCHION_<NAME>`."""

    checkout_key: Annotated[str, Meta(min_length=16, description="API key with scope checkout; or …_FILE")]
    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535, description="port to listen on")] = 8001
    origin: Annotated[str, Meta(pattern=r"^https?://[^/?#\s]+\Z", description="the waiting room's origin")] = (
        "http://127.0.0.1:8000"
    )
    experience: Annotated[str, Meta(min_length=1, max_length=64, description="the experience that is sold here")] = (
        "demo"
    )

    def __repr__(self) -> str:
        return f"ShopSettings(host={self.host!r}, port={self.port}, origin={self.origin!r}, …)"


def from_environment(environ: Mapping[str, str]) -> ShopSettings:
    """The settings that `environ` gives. Raises SettingError for the first that cannot be used."""
    given = {
        field.name: environ[f"STANCHION_{field.name.upper()}"]
        for field in msgspec.structs.fields(ShopSettings)
        if f"STANCHION_{field.name.upper()}" in environ
    }
    file = environ.get("STANCHION_CHECKOUT_KEY_FILE")
    if "checkout_key" not in given and file is not None:
        try:
            given["checkout_key"] = Path(file).read_text().strip()
        except OSError as error:
            raise SettingError("checkout_key_file", file, f"a file that can be read ({error.strerror})") from error
    try:
        return msgspec.convert(given, ShopSettings, strict=False)
    except msgspec.ValidationError as error:
        name = next((name for name in given if f"$.{name}`" in str(error)), "checkout_key")
        shown = "not usable" if name == "checkout_key" else given[name]
        raise SettingError(name, shown, str(error)) from error


class Refusal(Exception):
    """The shop does not let this visitor check out; `reason` is a key of SENTENCES."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Cart(msgspec.Struct, frozen=True):
    """What the cart cookie says: the admission it was redeemed for, until when (epoch ms), the order once paid; the
    price and the variant where the pass has named them."""

    admission: str
    expires_at: int
    order: str = ""
    price: str = ""
    variant: str = ""


class WaitingRoom:
    """The waiting room as a shop sees it: its public keys and its checkout endpoints."""

    def __init__(self, settings: ShopSettings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_ms = float("-inf")
        self._refreshing = asyncio.Lock()

    async def check(self, token: str) -> PassClaims:
        """The claims of a valid pass. For an unknown key the keys are fetched anew. Raises Refusal."""
        try:
            return self._verify(token)
        except PassError as error:
            if error.reason != "unknown_key":
                raise Refusal(error.reason) from error
        await self._refresh()
        try:
            return self._verify(token)
        except PassError as error:
            raise Refusal("bad_signature" if error.reason == "unknown_key" else error.reason) from error

    async def redeem(self, admission: str) -> int:
        """Uses the admission; returns the end of its window, epoch ms. An unclear answer is asked again by the same
        key, which cannot redeem twice."""
        answer = await self._tell(admission, "redeem", {}, key=secrets.token_hex(16))
        return int(answer["expires_at"])

    async def complete(self, admission: str, order: str) -> None:
        """Tells that the order is paid; repeating it with the same order is harmless."""
        await self._tell(admission, "complete", {"order_id": order}, key=order)

    async def products(self) -> list[dict[str, Any]]:
        """What the experience sells, from its public view."""
        view = await self._ask("GET", f"/v1/experiences/{self._settings.experience}")
        products: list[dict[str, Any]] = view["products"]
        return products

    def _verify(self, token: str) -> PassClaims:
        settings = self._settings
        return verify(token, self._keys, audience=settings.experience, issuer=settings.origin, now=int(time.time()))

    async def _refresh(self) -> None:
        """Fetches the keys, at most once in JWKS_REFRESH_MIN_MS: forged passes cannot make us ask more often."""
        async with self._refreshing:
            if time.monotonic() * 1000 - self._fetched_ms >= JWKS_REFRESH_MIN_MS:
                self._keys = keys_of_jwks(await self._ask("GET", "/.well-known/jwks.json"))
                self._fetched_ms = time.monotonic() * 1000

    async def _tell(self, admission: str, word: str, body: dict[str, str], key: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._settings.checkout_key}", "Idempotency-Key": key}
        address = f"/v1/admissions/{admission}/{word}?experience={self._settings.experience}"
        return await self._ask("POST", address, headers=headers, json=body or None)

    async def _ask(self, method: str, address: str, **request: Any) -> dict[str, Any]:
        for left in reversed(range(TRIES_MAX)):
            try:
                answer = await self._client.request(method, address, **request)
            except httpx.TransportError as error:
                if left == 0:
                    raise Refusal("away") from error
                continue
            if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or left == 0:
                break
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise Refusal(OF_ANSWER.get(told.get("reason", ""), "away"))


class Shop:
    """The endpoints."""

    def __init__(self, settings: ShopSettings) -> None:
        self._settings = settings
        self._cart_key = hmac.digest(settings.checkout_key.encode(), b"cart", "sha256")
        self._room: WaitingRoom

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """One HTTP client for the life of the shop."""
        timeout = REQUEST_TIMEOUT_MS / 1000
        async with httpx.AsyncClient(base_url=self._settings.origin, timeout=timeout, trust_env=False) as client:
            self._room = WaitingRoom(self._settings, client)
            yield

    async def front(self, request: Request) -> Response:
        """The door: without a pass, the way leads to the waiting room."""
        return self._page("front", "Runner Store", room=self._line)

    async def checkout(self, request: Request) -> Response:
        """With a pass: check it, redeem it, and go on without it. With a cart: the checkout."""
        token = request.query_params.get("stanchion_pass")
        cart = self._cart(request)
        if token is not None:
            return await self._enter(token, cart)
        if cart is None:
            return await self.front(request)
        return self._thanks(cart) if cart.order else await self._till(cart)

    async def pay(self, request: Request) -> Response:
        """The order is paid: tell the waiting room, which alone knows whether the window still stands."""
        cart = self._cart(request)
        if cart is None:
            raise Refusal("closed")
        paid = cart if cart.order else structs.replace(cart, order=f"order-{cart.admission[:12]}")
        await self._room.complete(paid.admission, paid.order)
        return self.with_cart(paid)

    async def refused(self, request: Request, refusal: Exception) -> Response:
        """The page that says why not."""
        assert isinstance(refusal, Refusal)
        status, sentence = SENTENCES[refusal.reason]
        return self._page("refused", "No checkout", status, reason=refusal.reason, sentence=sentence, room=self._line)

    @property
    def _line(self) -> str:
        return f"{self._settings.origin}/r/{self._settings.experience}"

    async def _enter(self, token: str, cart: Cart | None) -> Response:
        claims = await self._room.check(token)
        if cart is not None and cart.admission == claims.jti:
            return RedirectResponse("/checkout", HTTPStatus.SEE_OTHER, HEADERS)
        settled = {"price": claims.price or "", "variant": claims.variant or ""}
        return self.with_cart(Cart(claims.jti, await self._room.redeem(claims.jti), **settled))

    async def _till(self, cart: Cart) -> Response:
        products = await self._room.products()
        variants = [
            (f"{product['name']} {variant['name']}", f"{cart.price or variant['price']} {variant['currency']}")
            for product in products
            for variant in product["variants"]
            if cart.variant in ("", variant["id"])
        ]
        options = "".join(f"<option>{escape(name)} – {escape(price)}</option>" for name, price in variants)
        left_ms = max(0, cart.expires_at - int(time.time() * 1000))
        return self._page("till", "Checkout", options=Markup(options), left_ms=str(left_ms))

    def _thanks(self, cart: Cart) -> Response:
        return self._page("thanks", "Thank you", order=cart.order)

    def _page(self, name: str, title: str, status: HTTPStatus = HTTPStatus.OK, **fields: str) -> Response:
        """`deploy/shop/<name>.html` in the frame of `page.html`; what is no Markup is escaped."""
        safe = {field: value if isinstance(value, Markup) else escape(value) for field, value in fields.items()}
        body = Template((PAGES / f"{name}.html").read_text()).substitute(safe)
        frame = Template((PAGES / "page.html").read_text())
        page = frame.substitute(title=escape(title), state=name, reason=safe.get("reason", ""), body=body)
        return HTMLResponse(page, status, HEADERS)

    def with_cart(self, cart: Cart) -> Response:
        """On to the checkout, with the cart in a cookie that only this shop can make."""
        answer = RedirectResponse("/checkout", HTTPStatus.SEE_OTHER, HEADERS)
        content = msgspec.json.encode(cart)
        signed = urlsafe_b64encode(self._sign(content) + content).decode()
        secure = self._settings.origin.startswith("https://")
        answer.set_cookie(CART_COOKIE, signed, CART_AGE_SECONDS, httponly=True, samesite="lax", secure=secure)
        return answer

    def _cart(self, request: Request) -> Cart | None:
        """The cart of this browser; a cookie that we did not sign is none."""
        try:
            raw = urlsafe_b64decode(request.cookies.get(CART_COOKIE, ""))
        except (Base64Error, ValueError):
            return None
        signature, content = raw[: sha256().digest_size], raw[sha256().digest_size :]
        if not hmac.compare_digest(signature, self._sign(content)):
            return None
        return msgspec.json.decode(content, type=Cart)

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._cart_key, content, "sha256")


class Markup(str):
    """Text that is HTML already."""


def create_app(settings: ShopSettings) -> Starlette:
    """The shop as an ASGI application."""
    shop = Shop(settings)
    routes = [
        Route("/", shop.front),
        Route("/checkout", shop.checkout),
        Route("/pay", shop.pay, methods=["POST"]),
        Mount("/shop", StaticFiles(directory=PAGES)),
    ]
    return Starlette(routes=routes, lifespan=shop.lifespan, exception_handlers={Refusal: shop.refused})


def main(settings: ShopSettings) -> None:
    """Runs the shop until SIGTERM. No access log: a pass stands in an address."""
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False)
