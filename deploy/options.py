"""A settings struct becomes a command's flags: one place says a setting's name, type, bounds, unit and default.

Each field is a flag `--its-name` and an environment variable `STANCHION_ITS_NAME`; a description in the field's
`Meta` is its help. A flag beats the environment, the environment beats the configuration file, the file beats the
default. What cannot be used ends the command with exit code 2 and names the setting, its value and what is allowed.

A role that is also run without this command loads its settings from its environment itself, with rules of its own
(secrets as files): `role_command` lays the flags over the environment and leaves the rest to that loader.

Hands over to: `deploy.cli`, which makes its commands with `command` and `role_command`.
"""

from __future__ import annotations

import inspect
import os
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import typer
from rich.markup import escape

Settings = TypeVar("Settings", bound=msgspec.Struct)

CONFIG = "config"
ALSO = {"redis_url": "REDIS_URL"}
"""Variables that other programs use for the same thing; ours beats them."""


def command(kind: type[Settings], run: Callable[[Settings], None], *, config: bool = False) -> Callable[..., None]:
    """A function for Typer whose flags are the fields of `kind`, and which calls `run` with the struct.

    With `config` there is also `--config FILE`, a TOML file of fields and their values.
    """

    def invoke(**values: Any) -> None:
        values.pop(CONFIG, None)
        run(build(kind, values))

    parameters = list(_parameters(kind))
    if config:
        parameters.append(_config_parameter(kind))
    _describe(invoke, parameters, run.__doc__)
    return invoke


def role_command(
    kind: type[Settings], load: Callable[[Mapping[str, str]], Settings], run: Callable[[Settings], None]
) -> Callable[..., None]:
    """As `command`, for settings that `load` makes of an environment; it raises ValueError for what cannot be used."""

    def invoke(**values: Any) -> None:
        given = {variable(name): str(value) for name, value in values.items() if value is not None}
        try:
            settings = load({**os.environ, **given})
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        run(settings)

    _describe(invoke, list(_parameters(kind, filled=False)), run.__doc__)
    return invoke


def build(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """The settings that `values` (by field name) describe. Raises `typer.BadParameter` naming what is wrong."""
    try:
        return msgspec.convert({name: _plain(value) for name, value in values.items()}, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(_explain(str(error), values)) from error


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _decode(kind: type[Any], value: Any) -> Any:
    return kind(value)


def _explain(message: str, values: dict[str, Any]) -> str:
    what, _, name = message.partition(" - at `$.")
    name = name.rstrip("`")
    return f"{variable(name)} is {values[name]!r}: {what}" if name in values else message


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"STANCHION_{name.upper()}"


def _variables(name: str) -> list[str]:
    return [variable(name), *([ALSO[name]] if name in ALSO else [])]


def _describe(function: Callable[..., None], parameters: list[inspect.Parameter], doc: str | None) -> None:
    """Make Typer see these parameters."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__doc__ = doc


def _parameters(kind: type[msgspec.Struct], *, filled: bool = True) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        annotation, description = _unwrap(hints[field.name])
        flag = field.name.replace("_", "-")
        declaration = f"--{flag}/--no-{flag}" if annotation is bool else f"--{flag}"
        default = _default(field)
        if not filled and default not in (..., None):
            description += f" [default: {default}]"
        option = typer.Option(
            default if filled else None, declaration, envvar=_variables(field.name), help=escape(description)
        )
        given = annotation if filled else annotation | None
        yield inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=given)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return ...
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    if field.default is msgspec.UNSET:
        return None
    return list(field.default) if isinstance(field.default, tuple) else field.default


def _unwrap(hint: Any) -> tuple[Any, str]:
    """The type that Typer knows, without bounds, and the description."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        annotation, description = _unwrap(inner)
        found = [extra.description for extra in extras if isinstance(extra, msgspec.Meta) and extra.description]
        return annotation, found[-1] if found else description
    if get_origin(hint) in {Union, types.UnionType}:
        kinds, descriptions = zip(
            *(_unwrap(one) for one in get_args(hint) if one is not msgspec.UnsetType), strict=True
        )
        return Union[kinds], max(descriptions, key=len)  # noqa: UP007  (the members are known at run time only)
    if get_origin(hint) is tuple:
        annotation, description = _unwrap(get_args(hint)[0])
        return list[annotation], description  # type: ignore[valid-type]
    return hint, ""


def _config_parameter(kind: type[msgspec.Struct]) -> inspect.Parameter:
    known = {field.name for field in msgspec.structs.fields(kind)}

    def load(context: typer.Context, value: Path | None) -> Path | None:
        if value is not None:
            context.default_map = _read_config(value, known)
        return value

    option = typer.Option(
        None, f"--{CONFIG}", envvar=variable(CONFIG), is_eager=True, callback=load, help="TOML file of these settings"
    )
    return inspect.Parameter(CONFIG, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=Path | None)


def _read_config(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"{variable(CONFIG)} is {str(path)!r}: {error}") from error
    for name in values:
        if name not in known:
            raise typer.BadParameter(f"{path}: unknown setting {name!r}; known are {', '.join(sorted(known))}")
    return values
