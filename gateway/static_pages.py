"""The waiting-room page and its parts, served from memory with headers that let nothing in from elsewhere.

Files are read once a process: they are few and small. ``/r/<experience>`` is the same page for every experience; the
parts stand under ``/pages/``. Everything is revalidated by its ETag, so a new version is seen at once and an old one is
never sent twice.
"""

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


class Page(Struct, frozen=True):
    """A file with all that its answer needs."""

    content: bytes
    media_type: str
    etag: str

    def answer(self, request: Request) -> Response:
        """The file, or 304 where the client has it."""
        headers = {**SECURITY_HEADERS, "ETag": self.etag, "Cache-Control": "no-cache"}
        if self.etag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, 200, headers, self.media_type)


@cache
def read_pages() -> dict[str, Page]:
    """Every file of ``gateway/pages`` whose kind is known, by its name, with its folder's where it is in one."""
    return dict(_read(files("gateway").joinpath("pages"), ""))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, Page]]:
    for file in folder.iterdir():
        media_type = MEDIA_TYPES.get(file.name.rpartition(".")[2])
        if file.is_dir():
            yield from _read(file, f"{prefix}{file.name}/")
        elif media_type is not None:
            content = file.read_bytes()
            yield prefix + file.name, Page(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')


def page_routes() -> list[BaseRoute]:
    """``/r/<experience>``, ``/docs`` and ``/pages/<file>``."""
    pages = read_pages()

    async def part(request: Request) -> Response:
        page = pages.get(request.path_params["name"])
        return problem(Refusal(Reason.NOT_FOUND), request.url.path) if page is None else page.answer(request)

    async def room(request: Request) -> Response:
        return pages["room.html"].answer(request)

    async def docs(request: Request) -> Response:
        return pages["docs.html"].answer(request)

    return [
        Route("/r/{experience}", room, name="room"),
        Route("/docs", docs, name="docs"),
        Route("/pages/{name:path}", part, name="pages"),
    ]
