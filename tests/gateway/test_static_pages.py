"""The pages: served from memory, nothing let in from elsewhere, never sent twice."""

import re

import httpx
import pytest
from starlette.applications import Starlette

from gateway.static_pages import modules, page_routes, pages_version, read_pages


@pytest.fixture
def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=page_routes())), base_url="http://gateway")


async def test_the_room_is_one_page_for_every_experience(client: httpx.AsyncClient) -> None:
    first, second = await client.get("/r/demo"), await client.get("/r/other")
    assert first.status_code == 200
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.content == second.content == read_pages()["room.html"].content


async def test_nothing_comes_in_from_elsewhere(client: httpx.AsyncClient) -> None:
    for address in ("/r/demo", "/pages/client.js"):
        headers = (await client.get(address)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_what_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/pages/client.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = await client.get("/pages/client.js", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_page_names_its_parts_by_their_version_and_they_are_kept(client: httpx.AsyncClient) -> None:
    page = (await client.get("/r/demo")).text
    parts = set(re.findall(r'"(/pages/[^"#]+)', page))
    assert f"/pages/v/{pages_version()}/room.js" in parts
    for address in parts:
        answer = await client.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True), address
    assert (await client.get("/r/demo")).headers["cache-control"] == "no-cache"


async def test_a_version_that_is_not_here_is_answered_and_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/pages/v/0123456789abcdef/room.js")
    assert (answer.content, answer.headers["cache-control"]) == (read_pages()["room.js"].content, "no-cache")


def test_a_page_names_every_module_that_it_needs() -> None:
    contents = {name: page.content for name, page in read_pages().items()}
    needed = modules(contents, "room.js")
    assert {"client.js", "kinds/queue.js", "kinds/kind.js", "room_words.js"} <= set(needed) <= set(contents)
    page = read_pages()["room.html"].content.decode()
    assert re.findall(r'rel="modulepreload" href="/pages/v/\w+/([^"]+)"', page) == needed[1:]


async def test_the_parts_of_the_kinds_stand_in_a_folder(client: httpx.AsyncClient) -> None:
    assert (await client.get("/pages/kinds/queue.js")).content == read_pages()["kinds/queue.js"].content


@pytest.mark.parametrize(
    "name", ["nothing.js", "kinds", "kinds/", "kinds/../room.js%00", "..%2f__init__.py", "__init__.py"]
)
async def test_only_the_pages_are_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/pages/{name}")).status_code == 404
