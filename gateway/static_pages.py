"""The waiting-room page and its parts, served from memory with headers that let nothing in from elsewhere.

Files are read once a process: they are few and small. ``/r/<experience>`` is the same page for every experience; its
parts stand under ``/pages/``. A page is revalidated by its ETag, so a new version is seen at once. It names its parts
by ``/pages/v/<version>/``, where nothing ever changes, so that whoever reloads asks for the page alone, and it names
all its modules, so that none waits for another to be read. An old page may still ask for parts by a version that is
gone, and while gateways are exchanged a new one for a version that is not here yet: both get what there is, to keep for
no longer than they need it.
"""

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.problems import problem
from protocol.refusals import Reason, Refusal

MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "woff2": "font/woff2",
}
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' https: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
REVALIDATED: Final = "no-cache"
KEPT: Final = "public, max-age=31536000, immutable"

_PARTS = b'"/pages/'
_SCRIPT = re.compile(rb'^ *<script type="module" src="/pages/(?P<name>[^"]+)"', re.MULTILINE)
_IMPORT = re.compile(rb'^(?:import|export)\b[^;]*?\bfrom "(?P<address>\.[^"]+)";', re.MULTILINE)


class Page(Struct, frozen=True):
    """A file with all that its answer needs."""

    content: bytes
    media_type: str
    etag: str

    def answer(self, request: Request, keep: str = REVALIDATED) -> Response:
        """The file, or 304 where the client has it. ``keep``: for how long a client may."""
        headers = {**SECURITY_HEADERS, "ETag": self.etag, "Cache-Control": keep}
        if self.etag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, 200, headers, self.media_type)


@cache
def read_pages() -> dict[str, Page]:
    """Every file of ``gateway/pages`` whose kind is known, by its name, with its folder's where it is in one."""
    contents = dict(_read(files("gateway").joinpath("pages"), ""))
    version = _version(contents)
    return {name: _page(name, _addressed(content, contents, version)) for name, content in contents.items()}


@cache
def pages_version() -> str:
    """What names the parts as they are now: it differs when any byte of them does."""
    return _version(dict(_read(files("gateway").joinpath("pages"), "")))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for file in folder.iterdir():
        if file.is_dir():
            yield from _read(file, f"{prefix}{file.name}/")
        elif _suffix(file.name) in MEDIA_TYPES:
            yield prefix + file.name, file.read_bytes()


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


def _version(contents: dict[str, bytes]) -> str:
    whole = sha256()
    for name in sorted(contents):
        whole.update(sha256(name.encode()).digest() + sha256(contents[name]).digest())
    return whole.hexdigest()[:16]


def _page(name: str, content: bytes) -> Page:
    return Page(content, MEDIA_TYPES[_suffix(name)], f'"{sha256(content).hexdigest()[:32]}"')


def _addressed(content: bytes, contents: dict[str, bytes], version: str) -> bytes:
    """A page with its parts named by ``version``, and with all modules that its own one needs; a part as it is."""
    script = _SCRIPT.search(content)
    if script is None:
        return content
    names = modules(contents, script["name"].decode())[1:]
    hints = b"".join(b'    <link rel="modulepreload" href="/pages/%b">\n' % name.encode() for name in names)
    whole = content[: script.start()] + hints + content[script.start() :]
    return whole.replace(_PARTS, b"%bv/%b/" % (_PARTS, version.encode()))


def modules(contents: dict[str, bytes], first: str) -> list[str]:
    """``first`` and every module that it imports, and that those do, each once."""
    found = [first]
    for name in found:
        for imported in _IMPORT.finditer(contents[name]):
            address = posixpath.normpath(posixpath.join(posixpath.dirname(name), imported["address"].decode()))
            if address not in found:
                found.append(address)
    return found


def page_routes() -> list[BaseRoute]:
    """``/r/<experience>``, ``/docs``, ``/pages/<file>`` and ``/pages/v/<version>/<file>``."""
    pages, version = read_pages(), pages_version()

    async def part(request: Request) -> Response:
        page = pages.get(request.path_params["name"])
        if page is None:
            return problem(Refusal(Reason.NOT_FOUND), request.url.path)
        return page.answer(request, KEPT if request.path_params.get("version") == version else REVALIDATED)

    async def room(request: Request) -> Response:
        return pages["room.html"].answer(request)

    async def docs(request: Request) -> Response:
        return pages["docs.html"].answer(request)

    return [
        Route("/r/{experience}", room, name="room"),
        Route("/docs", docs, name="docs"),
        Route("/pages/v/{version}/{name:path}", part, name="versioned"),
        Route("/pages/{name:path}", part, name="pages"),
    ]
