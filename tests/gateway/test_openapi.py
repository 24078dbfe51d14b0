"""The OpenAPI document: every endpoint of a table, every type, every refusal, and references that lead somewhere."""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway.api_keys import Scope
from gateway.endpoints import Call, Endpoint, Parameter, json_answer
from gateway.openapi import document, openapi_endpoint
from protocol.documents import Experience
from protocol.refusals import Reason, Refusal


class Thing(Struct, frozen=True):
    id: str


async def answer(_call: Call) -> Response | Refusal:
    return json_answer(Thing("a"))


TABLE = (
    Endpoint(
        method="PUT",
        path="/things/{thing}/parts/{part:ticket}",
        handler=answer,
        summary="Put it",
        tag="control",
        scope=Scope.ADMIN,
        keyed=True,
        takes=Experience,
        gives=Thing,
        statuses=(200, 201),
        parameters=(Parameter("entry", "query", "read up to it"), Parameter("Authorization", "header", "a key")),
        refusals=(Reason.IN_USE, Reason.NOT_FOUND),
    ),
    Endpoint(method="GET", path="/things/{thing}/parts/{part:ticket}", handler=answer, summary="Get it", tag="control"),
)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_an_endpoint_is_described_whole() -> None:
    found = document(TABLE)["paths"]["/things/{thing}/parts/{part}"]
    assert set(found) == {"put", "get"}
    put = found["put"]
    assert [(one["in"], one["name"]) for one in put["parameters"]] == [
        ("path", "thing"),
        ("path", "part"),
        ("query", "entry"),
        ("header", "Idempotency-Key"),
    ]
    assert put["parameters"][1]["schema"]["type"] == "integer"
    assert put["requestBody"]["required"]
    assert put["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Experience"}
    assert put["security"] == [{"key": ["admin"]}]
    assert set(put["responses"]) == {"200", "201", "401", "403", "404", "409", "413", "422"}
    assert "`in_use`" in put["responses"]["409"]["description"]
    assert found["get"]["security"] == []


def test_references_lead_somewhere_and_the_frames_are_there() -> None:
    whole = document(TABLE)
    schemas = whole["components"]["schemas"]
    assert set(references(whole)) <= {f"#/components/schemas/{name}" for name in schemas}
    assert {"Welcome", "PositionFrame", "JoinFrame", "ProblemDocument", "Queue", "Thing"} <= set(schemas)
    assert schemas["ServerFrame"]["discriminator"]["mapping"]["admitted"] == "#/components/schemas/AdmittedFrame"
    assert "pass" in schemas["AdmittedFrame"]["properties"]


async def test_it_describes_itself_and_is_json() -> None:
    endpoint = openapi_endpoint(TABLE)
    served = await endpoint.handler(Call(Request({"type": "http"})))
    assert isinstance(served, Response)
    whole = json.loads(bytes(served.body))
    assert whole["openapi"].startswith("3.1")
    assert "/openapi.json" in whole["paths"]
    ids = [one["operationId"] for path in whole["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids)) == 3
