"""Errors of form: what in decoded JSON cannot stand in a struct, every error at once, each with its path.

A decoder stops at the first error; a merchant who fixes a launch has no patience for one error a try.
"""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct


class Problem(Struct, frozen=True):
    """One error: ``path`` as in ``paths[0].distribution.capacity``, ``message`` says what is allowed."""

    path: str
    message: str


def form_problems(kind: Any, raw: Any) -> list[Problem]:
    """Every error of form in ``raw`` (decoded JSON) as a ``kind``, a struct: with none, it can be converted."""
    return list(_shape_problems(kind, raw, ""))


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` can stand in a field of ``kind``, such as ``Count``, or is None."""
    return value is None or not list(_convert_problem(kind, value, ""))


_AT_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")


def _shape_problems(kind: Any, raw: Any, where: str) -> Iterator[Problem]:
    """Every error of form, field by field, deeper than the first that a decoder would stop at."""
    structs, items = _structs_of(kind)
    if structs and not items and isinstance(raw, dict):
        yield from _struct_problems(structs, raw, where)
    elif structs and items and isinstance(raw, list) and raw and all(isinstance(one, dict) for one in raw):
        if bounds := getattr(kind, "__metadata__", ()):
            yield from _convert_problem(Annotated[list[Any], *bounds], raw, where)
        for index, item in enumerate(raw):
            yield from _struct_problems(structs, item, f"{where}[{index}]")
    else:
        yield from _convert_problem(kind, raw, where)


def _struct_problems(structs: list[type[Struct]], raw: dict[str, Any], where: str) -> Iterator[Problem]:
    """Those of ``raw`` as the one of ``structs`` that its tag names."""
    tags = {struct.__struct_config__.tag: struct for struct in structs}
    tag_field = structs[0].__struct_config__.tag_field
    tag = None if tag_field is None else raw.get(tag_field)
    known = [one for one in tags if tag == one]
    if known:
        yield from _field_problems(tags[known[0]], raw, where)
    else:
        prefix = f"{where}." if where else ""
        yield Problem(f"{prefix}{tag_field}", f"must be one of {', '.join(map(str, tags))}")


def _field_problems(struct: type[Struct], raw: dict[str, Any], where: str) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    prefix = f"{where}." if where else ""
    for name in raw:
        if name not in fields and name != struct.__struct_config__.tag_field:
            yield Problem(f"{prefix}{name}", f"unknown field; known are {', '.join(fields)}")
    for name, field in fields.items():
        if name in raw:
            yield from _shape_problems(field.type, raw[name], f"{prefix}{name}")
        elif field.required:
            yield Problem(f"{prefix}{name}", "is required")


def _structs_of(kind: Any) -> tuple[list[type[Struct]], bool]:
    """(the structs that a field's type allows, is it a list of them); ([], False) for every other type."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    if get_origin(kind) in (list, tuple):
        structs, _ = _structs_of(get_args(kind)[0])
        return structs, bool(structs)
    if get_origin(kind) in (Union, UnionType):
        return [struct for argument in get_args(kind) for struct in _structs_of(argument)[0]], False
    return ([kind], False) if isinstance(kind, type) and issubclass(kind, Struct) else ([], False)


def _convert_problem(kind: Any, raw: Any, where: str) -> Iterator[Problem]:
    try:
        msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        inner = _AT_PATH.search(message)
        suffix = inner.group("path") if inner else ""
        yield Problem(f"{where}{suffix}" or "$", _AT_PATH.sub("", message))
        return
    pattern = _pattern_of(kind)
    if pattern and isinstance(raw, str) and not re.search(pattern, raw):
        yield Problem(where or "$", f"Expected `str` matching regex {pattern!r}")


def _pattern_of(kind: Any) -> str | None:
    """The pattern that the schema of a field tells and its decoder does not ask: see ``protocol.fields.sent``."""
    told = [(meta.extra_json_schema or {}).get("pattern") for meta in getattr(kind, "__metadata__", ())]
    if get_origin(kind) in (Union, UnionType):
        told = [_pattern_of(argument) for argument in get_args(kind)]
    return next((pattern for pattern in told if pattern), None)
