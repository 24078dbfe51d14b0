"""The walls of the repository, held by reading the syntax tree of every file. Nothing is imported, nothing is run.

A rule is a function from a `Source` to its findings. The first test runs every rule over the whole tree; the second
feeds each rule snippets that it must find, and the third snippets that it must let pass: a wall that cannot fall
proves nothing.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("protocol", "engine", "gateway", "loadtests", "deploy", "tests")
PURE = ("protocol/", "engine/core/", "engine/distributions/")
INTEGER_ONLY = ("engine/core/", "engine/distributions/")
UNTIDY = {".git", ".venv", "__pycache__", "data", "node_modules", "screenshots", "results"}

MAY_IMPORT = {
    "protocol": {"protocol"},
    "engine": {"engine", "protocol"},
    "gateway": {"gateway", "protocol"},
    "loadtests": {"loadtests", "protocol"},
    "deploy": {"deploy", "engine", "gateway", "loadtests", "protocol"},
    "tests": {"tests", "deploy", "engine", "gateway", "protocol"},
}
FOR_ALL = {"loadtests.ports"}  # a port that a bench has is none that a test may take
PURE_MAY_IMPORT = {
    "protocol/": {"protocol", "msgspec", "cryptography", "numpy", "py_ecc"},
    "engine/core/": {"protocol", "engine.core", "engine.distributions", "msgspec"},
    "engine/distributions/": {"protocol", "engine.core", "engine.distributions", "msgspec"},
}
IMPURE_MODULES = {
    *("asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "redis", "secrets", "select", "signal"),
    *("socket", "subprocess", "sys", "tempfile", "threading", "time", "uuid"),
}
CLOCK_CALLS = {"now", "utcnow", "today"}
KEYS_FILE = "protocol/streams.py"
KEY_SHAPE = re.compile(
    r"\{s\d|:x:|^[^ ]*:(commands|events|tip|lease|epoch|experiences|wake|snapshot|replica|readers)$", re.IGNORECASE
)
VAGUE_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Written in parts, or this file would break the rule it holds.
UNNAMED = tuple(
    re.compile(r"\b" + r"\.".join(parts), re.IGNORECASE)
    for parts in (("pypi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "(org|com)"), ("deb", "debian", "org"))
)
OUTSIDE = "../" + "shared"


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, its text, its tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.path.split("/")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every imported module by its full name, with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, name) for name in self._imported_from(node))

    def _imported_from(self, node: ast.ImportFrom) -> Iterator[str]:
        base = self.path.split("/")[: -node.level] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        whole = module in MAY_IMPORT or module == "engine"
        yield from (f"{module}.{alias.name}" for alias in node.names) if whole else (module,)


Rule = Callable[[Source], Iterator[tuple[int, str]]]


def import_direction(source: Source) -> Iterator[tuple[int, str]]:
    """A package imports only what stands before it in the flow of data."""
    allowed = MAY_IMPORT[source.package]
    for line, name in source.imports():
        top = name.split(".")[0]
        if top in MAY_IMPORT and top not in allowed and name not in FOR_ALL:
            yield line, f"{source.package} may not import {top}"


def pure_imports(source: Source) -> Iterator[tuple[int, str]]:
    """Pure code imports pure code: no clock, no chance, no system, no store."""
    for folder in PURE:
        if not source.path.startswith(folder):
            continue
        for line, name in source.imports():
            top = name.split(".")[0]
            ours = top in MAY_IMPORT or top not in sys.stdlib_module_names
            if top in IMPURE_MODULES:
                yield line, f"{top} is not pure"
            elif ours and not any(name == ok or name.startswith(f"{ok}.") for ok in PURE_MAY_IMPORT[folder]):
                yield line, f"{folder} may not import {name}"


def no_clock(source: Source) -> Iterator[tuple[int, str]]:
    """Time is an argument in pure code."""
    if source.path.startswith(PURE):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and node.attr in CLOCK_CALLS:
                if ast.unparse(node.value).split(".")[-1] in {"datetime", "date"}:
                    yield node.lineno, f"{ast.unparse(node)} reads a clock"


def integers_only(source: Source) -> Iterator[tuple[int, str]]:
    """The state machine knows no floats: no literal, no true division, no `float`."""
    if not source.path.startswith(INTEGER_ONLY):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield node.lineno, f"{node.value} is not an integer"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "true division makes a float"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield node.lineno, "float"


def no_set_iteration(source: Source) -> Iterator[tuple[int, str]]:
    """The order of a set differs from process to process: in the state machine none is iterated."""
    if not source.path.startswith(INTEGER_ONLY):
        return
    names = {name for node in ast.walk(source.tree) for name in _names_of_sets(node)}
    for node in ast.walk(source.tree):
        for iterated in _iterated(node):
            if _is_set(iterated) or ast.unparse(iterated) in names:
                yield iterated.lineno, f"iterates the set {ast.unparse(iterated)}"


def _is_set(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"set", "frozenset"}
    return isinstance(node, ast.Set | ast.SetComp)


def _names_of_sets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assign) and _is_set(node.value):
        yield from (ast.unparse(target) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and re.match(r"(frozen)?set\b", ast.unparse(node.annotation)):
        name = ast.unparse(node.target)
        yield from (name, f"self.{name}")
    elif isinstance(node, ast.arg) and node.annotation is not None:
        if re.match(r"(frozen)?set\b", ast.unparse(node.annotation)):
            yield node.arg


def _iterated(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.For | ast.comprehension):
        yield node.iter
    elif isinstance(node, ast.Starred):
        yield node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in {"list", "tuple", "iter", "enumerate", "zip", "map"}:
            yield from node.args
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"join", "extend"}:
        yield from node.args


def keys_in_one_place(source: Source) -> Iterator[tuple[int, str]]:
    """Only `protocol/streams.py` spells a Redis key."""
    if source.path in {KEYS_FILE, "tests/test_tidy.py"}:
        return
    docstrings = set(_docstrings(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and node not in docstrings:
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(text, str) and KEY_SHAPE.search(text):
                yield node.lineno, f"{text!r} spells a Redis key; {KEYS_FILE} does"


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def telling_names(source: Source) -> Iterator[tuple[int, str]]:
    """A module is named after what it does."""
    for part in Path(source.path).with_suffix("").parts:
        if VAGUE_NAMES.search(part):
            yield 1, f"{part} says nothing"


def no_silent_except(source: Source) -> Iterator[tuple[int, str]]:
    """What is caught is named, and something is done about it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno, "a bare except"
            if all(_does_nothing(statement) for statement in node.body):
                yield node.lineno, "a silent except"


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def finished(source: Source) -> Iterator[tuple[int, str]]:
    """What is left to do is an issue, not a comment."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and UNFINISHED.search(token.string):
            yield token.start[0], token.string


def opens_with_why(source: Source) -> Iterator[tuple[int, str]]:
    """A file opens with why it exists."""
    if not ast.get_docstring(source.tree):
        yield 1, "no docstring"


def names_no_outsider(source: Source) -> Iterator[tuple[int, str]]:
    """No file names a package index, nor a folder beside the repository."""
    yield from outsiders(source.text)


def outsiders(text: str) -> Iterator[tuple[int, str]]:
    """Lines of any text that name a package index or a folder beside the repository."""
    for number, line in enumerate(text.splitlines(), 1):
        if OUTSIDE in line or any(host.search(line) for host in UNNAMED):
            yield number, line.strip()


RULES: tuple[Rule, ...] = (
    import_direction,
    pure_imports,
    no_clock,
    integers_only,
    no_set_iteration,
    keys_in_one_place,
    telling_names,
    no_silent_except,
    finished,
    opens_with_why,
    names_no_outsider,
)

BROKEN: tuple[tuple[Rule, str, str], ...] = (
    (import_direction, "gateway/rooms.py", "import engine.core"),
    (import_direction, "engine/runner.py", "from gateway import app"),
    (import_direction, "protocol/frames.py", "from engine.core import ticket"),
    (import_direction, "loadtests/swarm.py", "def f():\n    from gateway.app import create_app"),
    (import_direction, "tests/gateway/test_app.py", "import loadtests.swarm"),
    (pure_imports, "protocol/passes.py", "import time"),
    (pure_imports, "protocol/passes.py", "from os import environ"),
    (pure_imports, "protocol/codec.py", "import structlog"),
    (pure_imports, "engine/core/ticket.py", "from random import random"),
    (pure_imports, "engine/core/ticket.py", "from ..io import lease"),
    (pure_imports, "engine/core/ticket.py", "from engine import runner"),
    (pure_imports, "engine/core/ticket.py", "import numpy"),
    (pure_imports, "engine/distributions/queue.py", "import redis.asyncio"),
    (no_clock, "engine/core/deadlines.py", "from datetime import datetime\nnow = datetime.now()"),
    (no_clock, "protocol/passes.py", "import datetime\nnow = datetime.datetime.now()"),
    (integers_only, "engine/core/admission.py", "rate = 1.5"),
    (integers_only, "engine/core/admission.py", "rate = a / b"),
    (integers_only, "engine/distributions/queue.py", "rate /= 2"),
    (integers_only, "engine/distributions/queue.py", "def f(x: float) -> int: return int(x)"),
    (no_set_iteration, "engine/core/stock.py", "for x in {1, 2}:\n    f(x)"),
    (no_set_iteration, "engine/core/stock.py", "free = set()\nlist(free)"),
    (no_set_iteration, "engine/core/stock.py", "def f(free: set[int]) -> list[int]:\n    return [x for x in free]"),
    (no_set_iteration, "engine/core/stock.py", "class S:\n    free: set[int]\n    def f(self):\n        (*self.free,)"),
    (keys_in_one_place, "engine/io/log.py", 'key = f"{{s{shard}}}:x:{id}"'),
    (keys_in_one_place, "gateway/io/events.py", 'key = base + ":events"'),
    (keys_in_one_place, "tests/engine/test_log.py", 'key = b"{s4}:tip"'),
    (telling_names, "gateway/utils.py", ""),
    (telling_names, "gateway/session_helpers.py", ""),
    (telling_names, "engine/common/ticket.py", ""),
    (telling_names, "engine/lease_manager.py", ""),
    (no_silent_except, "gateway/app.py", "try:\n    f()\nexcept:\n    raise"),
    (no_silent_except, "gateway/app.py", "try:\n    f()\nexcept OSError:\n    pass"),
    (no_silent_except, "gateway/app.py", "try:\n    f()\nexcept OSError:\n    ..."),
    (finished, "gateway/app.py", "x = 1  # TO" + "DO: more"),
    (opens_with_why, "protocol/codec.py", "x = 1"),
    (names_no_outsider, "deploy/cli.py", 'index = "https://py' + 'pi.org/simple"'),
    (names_no_outsider, "deploy/cli.py", "# see ../" + "shared/design.md"),
)

SOUND: tuple[tuple[Rule, str, str], ...] = (
    (import_direction, "gateway/app.py", "from protocol import frames\nimport gateway.rooms\nimport time"),
    (import_direction, "deploy/cli.py", "import loadtests.visitors, engine.runner, gateway.app"),
    (
        pure_imports,
        "engine/core/ticket.py",
        "from protocol import events\nfrom . import stock\nimport hashlib, msgspec",
    ),
    (pure_imports, "protocol/roster.py", "import numpy as np"),
    (pure_imports, "engine/io/clock.py", "import time"),
    (no_clock, "gateway/app.py", "from datetime import datetime\nnow = datetime.now()"),
    (integers_only, "engine/core/admission.py", "rate = a // b"),
    (integers_only, "gateway/rooms.py", "rate = 1.5 / 2"),
    (no_set_iteration, "engine/core/stock.py", "free = {1}\nfor x in sorted(free):\n    f(x in free)"),
    (no_set_iteration, "gateway/rooms.py", "for x in {1, 2}:\n    f(x)"),
    (keys_in_one_place, "protocol/streams.py", 'key = f"{{s{shard}}}:x:{id}:events"'),
    (keys_in_one_place, "gateway/consumer_api.py", 'route = "/v1/experiences/{id}/events"'),
    (telling_names, "gateway/session.py", ""),
    (no_silent_except, "gateway/app.py", "try:\n    f()\nexcept OSError as error:\n    log(error)"),
    (finished, "gateway/app.py", "x = 1  # one"),
    (opens_with_why, "protocol/codec.py", '"""Bytes become objects here."""'),
    (names_no_outsider, "deploy/cli.py", 'address = "http://127.0.0.1:8000"'),
)


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the packages."""
    return tuple(
        Source(path, (ROOT / path).read_text())
        for path in files()
        if path.endswith(".py") and path.split("/")[0] in PACKAGES
    )


@cache
def files() -> tuple[str, ...]:
    """Every file that is ours, by its path from the root."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in UNTIDY and (name == ".ci" or not name.startswith("."))]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in names]
    return tuple(sorted(found))


def findings(rule: Rule, source: Source) -> list[str]:
    return [f"{source.path}:{line}: {what}" for line, what in rule(source)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_is_tidy(rule: Rule) -> None:
    found = [finding for source in sources() for finding in findings(rule, source)]
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_each_rule_can_fail(rule: Rule, path: str, text: str) -> None:
    assert findings(rule, Source(path, text))


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_each_rule_lets_sound_code_pass(rule: Rule, path: str, text: str) -> None:
    assert not findings(rule, Source(path, text))


def test_every_rule_is_shown_both_ways() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES) == {rule for rule, _, _ in SOUND}


def test_no_other_file_names_an_outsider() -> None:
    found = []
    for path in files():
        if Path(path).suffix not in {".py", ".png", ".ico", ".woff2"}:
            text = (ROOT / path).read_text(errors="replace")
            found += [f"{path}:{line}: {what}" for line, what in outsiders(text)]
    assert not found, "\n".join(found)
