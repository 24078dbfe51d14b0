"""The OpenAPI document: every endpoint of a table, every type, every refusal, and references that lead somewhere."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway.api_keys import Scope
from gateway.app import ENDPOINTS
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


NODE = shutil.which("node")
COMPILE = "for (const one of JSON.parse(process.argv[1])) new RegExp(one, 'u')"


def told(value: Any, name: str) -> Iterator[Any]:
    """Every value of a member ``name``."""
    if isinstance(value, dict):
        yield from ([value[name]] if name in value else [])
        for item in value.values():
            yield from told(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from told(item, name)


def patterns() -> set[str]:
    return set(told(document(ENDPOINTS), "pattern"))


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
    assert set(told(whole, "$ref")) <= {f"#/components/schemas/{name}" for name in schemas}
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


def test_patterns_mean_the_same_to_whoever_reads_them() -> None:
    assert len(patterns()) > 5
    assert [one for one in patterns() if "\\Z" in one or "\\d" in one] == []


def test_prices_and_times_of_documents_are_told_with_their_pattern() -> None:
    schemas = document(ENDPOINTS)["components"]["schemas"]
    assert schemas["Variant"]["properties"]["price"]["pattern"] == schemas["BidFrame"]["properties"]["max"]["pattern"]
    assert "24:00" in schemas["OpeningWindow"]["properties"]["from"]["pattern"]


@pytest.mark.skipif(NODE is None, reason="no Node on the path")
def test_patterns_are_those_of_ecma_262() -> None:
    assert NODE is not None
    run = subprocess.run([NODE, "-e", COMPILE, json.dumps(sorted(patterns()))], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_command_tells_every_reason_that_the_engine_has_for_a_consumer() -> None:
    answers = document(ENDPOINTS)["paths"]["/v1/experiences/{experience}/commands"]["post"]["responses"]
    expected = {"409": ("too_low", "bid_stands", "one_path", "gone", "slot_full"), "422": ("key_reused", "invalid")}
    for status, reasons in expected.items():
        assert [one for one in reasons if f"`{one}`" not in answers[status]["description"]] == []
    assert "`stock_below_sold`" not in answers["409"]["description"]
