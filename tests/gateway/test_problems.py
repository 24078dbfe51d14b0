"""Problem documents: the members of RFC 9457, those of an ``error`` frame, and the headers that belong to a status."""

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.problems import MEDIA_TYPE, ProblemDocument, invalid, not_found, problem, unexpected, wrong_method
from protocol.forms import Problem
from protocol.refusals import MEANINGS, Reason, Refusal


def body_of(response: Response) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(bytes(response.body))
    return decoded


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_document(reason: Reason) -> None:
    response = problem(Refusal(reason), "/v1/somewhere")
    body = body_of(response)
    assert response.status_code == body["status"] == MEANINGS[reason].status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert (body["reason"], body["temporary"]) == (reason, MEANINGS[reason].temporary)
    assert body["title"] == body["message"] == MEANINGS[reason].sentence
    assert body["type"] == f"urn:stanchion:refusal:{reason}"
    assert body["instance"] == "/v1/somewhere"


def test_what_helps_stands_in_it_and_cannot_hide_its_own_members() -> None:
    detail = {"opens_at": 5, "path": "general", "status": 200, "reason": "fine"}
    body = body_of(problem(Refusal(Reason.NOT_OPEN, detail)))
    assert (body["opens_at"], body["path"], body["status"], body["reason"]) == (5, "general", 409, "not_open")
    assert "instance" not in body


def test_a_temporary_503_says_when_to_come_back() -> None:
    response = problem(Refusal(Reason.BUSY))
    body = body_of(response)
    assert 1_000 <= body["retry_after_ms"] <= 5_000
    assert int(response.headers["retry-after"]) * 1_000 >= body["retry_after_ms"]
    assert problem(Refusal(Reason.BUSY, {"retry_after_ms": 2_001})).headers["retry-after"] == "3"
    assert "retry-after" not in problem(Refusal(Reason.NOT_FOUND)).headers


def test_a_401_names_how_to_come_in() -> None:
    assert problem(Refusal(Reason.BAD_KEY)).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in problem(Refusal(Reason.NOT_ALLOWED)).headers


def test_invalid_names_the_place() -> None:
    body = body_of(problem(invalid("paths[0].id", "is required")))
    assert body["errors"] == [{"path": "paths[0].id", "message": "is required"}]
    assert invalid("$", "x").detail["errors"] == [Problem("$", "x")]


def test_the_declared_form_is_the_form() -> None:
    response = problem(Refusal(Reason.BUSY, {"detail": "1,024 handshakes are in flight"}), "/v1/x")
    assert set(body_of(response)) <= set(ProblemDocument.__struct_fields__)


async def test_the_app_answers_404_405_and_500_as_problems() -> None:
    async def breaks(_request: Request) -> Response:
        raise RuntimeError("a secret of ours")

    app = Starlette(
        routes=[Route("/breaks", breaks, methods=["POST"])],
        exception_handlers={404: not_found, 405: wrong_method, Exception: unexpected},
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        nowhere = await client.get("/nowhere", params={"token": "secret"})
        wrong = await client.get("/breaks")
        broken = await client.post("/breaks")
    assert (nowhere.status_code, nowhere.json()["reason"]) == (404, "not_found")
    assert "secret" not in nowhere.text
    assert (wrong.status_code, wrong.json()["reason"], wrong.headers["allow"]) == (405, "bad_method", "POST")
    assert (broken.status_code, broken.json()["title"]) == (500, "Internal Server Error")
    assert "secret" not in broken.text
    assert {one.headers["content-type"] for one in (nowhere, wrong, broken)} == {MEDIA_TYPE}
