"""docs/configuration.md lists exactly the environment variables the code reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
READERS = {
    "address",
    "domain",
    "file",
    "flag",
    "key",
    "keys",
    "mail",
    "number",
    "password",
    "rate",
    "secret",
    "text",
    "words",
}
FROM_FILE = {"secret", "key", "keys", "password"}
ALLOWED = {
    ("clinchat/env.py", "text"): "the reader itself; every caller's name is found",
    ("compliance/scanning/tools.py", "call"): "PATH, locale and the like, passed on to a tool; none of ours",
    ("clinchat/local/services.py", "embedded"): "asked for DATABASE_URL and REDIS_URL, which the settings read too",
}


def reads(path: Path) -> Iterator[tuple[str, str]]:
    """(function, variable) of each read of the environment in a file; an empty variable is a computed name."""
    tree = ast.parse(path.read_text())
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        name = getattr(scope, "name", "")
        for node in _own(scope):
            if (found := _variable(node)) is not None:
                yield from ((name, variable) for variable in found)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, functions inside it left out."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own(child)


def _variable(node: ast.AST) -> list[str] | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="env"), attr=reader), args=[name, *_]) if reader in READERS:
            found = _constant(name)
            return [found, f"{found}_FILE"] if reader in FROM_FILE else [found]
        case (
            ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"), args=[name, *_])
            | ast.Call(func=ast.Attribute(attr="getenv"), args=[name, *_])
            | ast.Subscript(value=ast.Attribute(attr="environ"), slice=name, ctx=ast.Load())
        ):
            return [_constant(name)]
        case _:
            return None


def _constant(node: ast.AST) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def found() -> dict[str, str]:
    """Every variable with a place that reads it. A computed name must be on the list above."""
    folders = ("clinchat", "compliance", "training", "chat", "deploy", "bench")
    files = [ROOT / "manage.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]
    names: dict[str, str] = {}
    computed = set()
    for path in files:
        place = str(path.relative_to(ROOT))
        for function, variable in reads(path):
            if variable:
                names[variable] = place
            else:
                assert (place, function) in ALLOWED, f"{place}: {function} reads a variable whose name is computed"
                computed.add((place, function))
    assert computed == set(ALLOWED), "a stale exception"
    return names


def documented() -> list[str]:
    return re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)


def test_the_list_is_complete_and_current() -> None:
    read = found()
    assert len(read) > 12, "the guard finds too little"
    listed = documented()
    assert sorted(set(listed)) == sorted(listed), "a variable is listed twice"
    assert {name: place for name, place in read.items() if name not in listed} == {}, "not in docs/configuration.md"
    assert set(listed) - set(read) == set(), "docs/configuration.md lists what nothing reads"


def test_what_compose_sets_is_read() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text()
    given = set(re.findall(r"^ +((?:CLINCHAT|DATABASE|REDIS|SECRET|SEALING|INDEX|AUDIT)_[A-Z_]+):", text, re.MULTILINE))
    assert len(given) >= 10
    assert given <= set(found())
