"""A settings struct becomes flags and variables; a wrong setting names itself, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
import typer
from msgspec import Meta
from typer.testing import CliRunner, Result

from deploy import options


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Every shape that a setting has."""

    window_ms: Annotated[int, Meta(ge=1, le=1_000, description="a window, in ms")]
    host: str = "127.0.0.1"
    limit: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="a limit")] = None
    folder: Path = Path("data")
    names: tuple[str, ...] = ("a", "b")
    loud: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit > self.window_ms:
            raise ValueError(f"STANCHION_LIMIT is {self.limit}; allowed: at most window_ms ({self.window_ms})")


def invoke(*arguments: str, **environment: str) -> tuple[Result, list[Sample]]:
    got: list[Sample] = []
    app = typer.Typer()
    app.command()(options.command(Sample, got.append, config=True))
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment}), got


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role with a loader of its own."""

    secret: Annotated[str, Meta(description="a secret [keep it]")]
    beat_ms: Annotated[int, Meta(description="how often, in ms")] = 1_000
    loud: bool = False
    issuer: str | msgspec.UnsetType = msgspec.UNSET


def load(environ: Mapping[str, str]) -> Role:
    if "STANCHION_SECRET" not in environ:
        raise ValueError("STANCHION_SECRET must be set")
    given = {
        field: environ[f"STANCHION_{field.upper()}"]
        for field in Role.__struct_fields__
        if f"STANCHION_{field.upper()}" in environ
    }
    return msgspec.convert(given, Role, strict=False)


def invoke_role(*arguments: str, **environment: str) -> tuple[Result, list[Role]]:
    got: list[Role] = []
    app = typer.Typer()
    app.command()(options.role_command(Role, load, got.append))
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment}), got


def test_a_roles_flags_are_laid_over_its_environment() -> None:
    _, got = invoke_role("--beat-ms", "5", "--loud", STANCHION_SECRET="x", STANCHION_BEAT_MS="6")
    assert got == [Role(secret="x", beat_ms=5, loud=True)]


def test_a_roles_loader_says_what_is_wrong() -> None:
    result, got = invoke_role()
    assert result.exit_code == 2
    assert not got
    assert "STANCHION_SECRET must be set" in result.output


def test_a_roles_help_shows_defaults_that_the_loader_fills_in() -> None:
    result, _ = invoke_role("--help")
    assert "how often, in ms [default: 1000]" in result.output
    assert "a secret [keep it]" in result.output


def refused(*arguments: str, **environment: str) -> str:
    result, got = invoke(*arguments, **environment)
    assert result.exit_code == 2
    assert not got
    return " ".join(result.output.replace("│", " ").split())


def test_flags_make_the_struct_and_defaults_fill_it() -> None:
    _, got = invoke("--window-ms", "5", "--loud", "--folder", "/x", "--names", "c")
    assert got == [Sample(window_ms=5, loud=True, folder=Path("/x"), names=("c",))]


def test_the_environment_does_too_and_a_flag_beats_it() -> None:
    _, got = invoke("--window-ms", "6", STANCHION_WINDOW_MS="5", STANCHION_HOST="::1", STANCHION_LIMIT="2")
    assert got == [Sample(window_ms=6, host="::1", limit=2)]


def test_a_file_stands_below_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('window_ms = 7\nhost = "::1"\n')
    _, got = invoke("--config", str(file), STANCHION_WINDOW_MS="8")
    assert got == [Sample(window_ms=8, host="::1")]


def test_help_shows_unit_default_and_variable() -> None:
    result, _ = invoke("--help")
    assert "a window, in ms" in result.output
    assert "[default: 127.0.0.1]" in result.output
    assert "STANCHION_WINDOW_MS" in result.output


def test_a_value_out_of_bounds_is_named_with_them() -> None:
    assert "STANCHION_WINDOW_MS is 0: Expected `int` >= 1" in refused("--window-ms", "0")


def test_a_value_of_another_type_names_flag_and_variable() -> None:
    answer = refused("--window-ms", "soon")
    assert "--window-ms" in answer
    assert "STANCHION_WINDOW_MS" in answer


def test_a_missing_one_is_named() -> None:
    assert "--window-ms" in refused()


def test_a_broken_relation_is_told() -> None:
    assert "STANCHION_LIMIT is 9; allowed: at most window_ms (5)" in refused("--window-ms", "5", "--limit", "9")


@pytest.mark.parametrize(
    ("text", "said"), [("windw_ms = 7", "unknown setting 'windw_ms'"), ("window_ms 7", "STANCHION_CONFIG")]
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    assert said in refused("--config", str(file))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "No such file" in refused("--config", str(tmp_path / "none.toml"))
