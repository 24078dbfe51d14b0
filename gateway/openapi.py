"""``/openapi.json``: OpenAPI 3.1, made from the tables of endpoints and the very types that validate.

Nothing is written twice: addresses, scopes, contents, answers and refusals are those of the ``Endpoint``s; schemas are
msgspec's of the types that decode and encode. What travels over the socket, which OpenAPI has no words for, is there as
the schemas ``ClientFrame`` and ``ServerFrame``.
"""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, get_args

import msgspec
from msgspec import Struct, structs
from starlette.responses import Response

from gateway.endpoints import KEY_LENGTH_MAX, Call, Endpoint, json_answer
from gateway.problems import MEDIA_TYPE, ProblemDocument
from protocol.frames import ClientFrame, ServerFrame
from protocol.refusals import MEANINGS, Reason, Refusal

_REF = "#/components/schemas/{name}"
_CLIENT_FRAME = _REF.format(name="ClientFrame")
_SERVER_FRAME = _REF.format(name="ServerFrame")
_PLACE = re.compile(r"\{(?P<name>\w+)(?::(?P<kind>\w+))?\}")
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "a repeat with this key gets the first answer; kept for 24 hours",
    "schema": {"type": "string", "maxLength": KEY_LENGTH_MAX},
}
_TAGS = {
    "consumer": "What a consumer's client uses. The session is a cookie or a bearer token.",
    "checkout": "What the merchant's shop uses: a key of scope checkout; verify and the keys of passes need none.",
    "control": "What the merchant uses: a key with the scope view, operate or admin.",
    "service": "What operators and machines use.",
}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of ``endpoints``, as plain data."""
    table = list(endpoints)
    kinds = [kind for one in table for kind in (one.takes, one.gives) if kind is not None]
    frames = (*get_args(ClientFrame), *get_args(ServerFrame))
    schemas, components = msgspec.json.schema_components([*kinds, *frames, ProblemDocument], ref_template=_REF)
    of_kind = dict(zip(map(id, kinds), schemas, strict=False))
    of_kind |= {id(ClientFrame): {"$ref": _CLIENT_FRAME}, id(ServerFrame): {"$ref": _SERVER_FRAME}}
    components["ClientFrame"] = _either(get_args(ClientFrame))
    components["ServerFrame"] = _either(get_args(ServerFrame))
    components["ProblemDocument"] |= {"additionalProperties": True}
    paths: dict[str, Any] = {}
    for endpoint in table:
        operations = paths.setdefault(_PLACE.sub(r"{\g<name>}", endpoint.path), {})
        operations[endpoint.method.lower()] = _operation(endpoint, of_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stanchion", "version": version("stanchion"), "description": "A real-time waiting room."},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def openapi_endpoint(endpoints: Iterable[Endpoint]) -> Endpoint:
    """The endpoint that serves the document of ``endpoints`` and of itself, made once."""

    async def serve(_call: Call) -> Response | Refusal:
        return json_answer(whole, headers={"Cache-Control": "no-cache"})

    endpoint = Endpoint(
        method="GET",
        path="/openapi.json",
        handler=serve,
        summary="This document",
        tag="service",
        gives=dict[str, Any],
    )
    whole = document([*endpoints, endpoint])
    return endpoint


def _either(frames: tuple[type[Struct], ...]) -> dict[str, Any]:
    refs = [_REF.format(name=frame.__name__) for frame in frames]
    mapping = {str(frame.__struct_config__.tag): ref for frame, ref in zip(frames, refs, strict=True)}
    return {
        "anyOf": [{"$ref": ref} for ref in refs],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _operation(endpoint: Endpoint, schemas: dict[int, dict[str, Any]]) -> dict[str, Any]:
    parameters = [*_path_parameters(endpoint), *_parameters(endpoint)]
    described = f"Scope: {endpoint.scope}." if endpoint.scope is not None else ""
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": " ".join(part for part in (endpoint.description, described) if part),
        "tags": [endpoint.tag],
        "parameters": parameters,
        "responses": _answers(endpoint, schemas) | _problems(endpoint),
        "security": [{"key": [endpoint.scope]}] if endpoint.scope is not None else [],
    }
    if endpoint.takes is not None:
        schema = schemas[id(endpoint.takes)]
        required = not _may_be_empty(endpoint.takes)
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _may_be_empty(kind: Any) -> bool:
    """Whether ``{}``, which an empty body counts as, is a ``kind``."""
    return isinstance(kind, type) and not any(field.required for field in structs.fields(kind))


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", _PLACE.sub(r"by_\g<name>", endpoint.path.removeprefix("/v1")))
    return "_".join([endpoint.method.lower(), *words])


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    kinds = {"ticket": {"type": "integer", "minimum": 0}}
    return [
        {
            "name": place["name"],
            "in": "path",
            "required": True,
            "schema": kinds.get(place["kind"], {"type": "string"}),
        }
        for place in _PLACE.finditer(endpoint.path)
    ]


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found = [
        {
            "name": one.name,
            "in": one.where,
            "description": one.description,
            "required": one.required,
            "schema": {"type": "array", "items": text} if one.repeated else text,
        }
        for one in endpoint.parameters
        if (one.where, one.name) != ("header", "Authorization")  # OpenAPI leaves this one to "security"
    ]
    return [*found, _KEY] if endpoint.keyed else found


def _answers(endpoint: Endpoint, schemas: dict[int, dict[str, Any]]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status in endpoint.statuses:
        answers[str(status)] = {"description": endpoint.summary}
        if endpoint.gives is not None:
            answers[str(status)]["content"] = {endpoint.media_type: {"schema": schemas[id(endpoint.gives)]}}
        elif status == 200:
            answers[str(status)]["content"] = {endpoint.media_type: {"schema": {"type": "string"}}}
    return answers


def _problems(endpoint: Endpoint) -> dict[str, Any]:
    by_status: dict[str, list[Reason]] = {}
    for reason in endpoint.all_refusals:
        by_status.setdefault(str(MEANINGS[reason].status), []).append(reason)
    schema = {"$ref": _REF.format(name="ProblemDocument")}
    return {
        status: {
            "description": "\n".join(f"`{reason}`: {MEANINGS[reason].sentence}" for reason in reasons),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, reasons in sorted(by_status.items())
    }
