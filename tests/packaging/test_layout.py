"""The sources are short files, which import each other where a reader looks for imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
INSIDE_FUNCTIONS = {
    "src/holystone/api.py": "a check needs nothing that repairs",
    "src/holystone/cli": "a command imports what it needs, and no other command's",
    "src/holystone/flavours/__init__.py": "the driver of one database is imported where a store is on it",
    "src/holystone/flavours/postgresql/session.py": "the driver is an extra, which a store on SQLite does without",
    "src/holystone/registry.py": "threads that watch plug-ins are made where there is one",
    "src/holystone/migrate": "Alembic takes longer to import than most checks take",
    "src/holystone/scan/history_batches.py": "structs of events are made where histories are read",
    "src/holystone/scan/prefilters": "structs of events are made where histories are read",
}
"""File or folder whose functions import modules of holystone -> why."""

PRINTERS = {
    *("print", "click.echo", "click.secho", "click.confirm", "click.prompt", "Console"),
    *("sys.stdout.write", "sys.stderr.write"),
}
"""Functions that write to a terminal; a stream that is given to a writer is none of them."""

PRINTING = {"src/holystone/guard.py"}
"""Files that print themselves: a thread tells there of a plug-in that is still at work."""


def sources() -> Iterator[Path]:
    for folder in ("src", "checks", "repair", "migrations"):
        yield from (ROOT / folder).rglob("*.py")


def test_no_file_is_long() -> None:
    long = {str(path.relative_to(ROOT)): count for path in sources() if (count := _lines(path)) > MOST_LINES}
    assert long == {}


def test_functions_import_nothing_but_to_start_quickly() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources() if any(_imports_inside_functions(path))}
    unexpected = {name for name in found if not name.startswith(tuple(INSIDE_FUNCTIONS))}
    assert unexpected == set()


def test_what_may_import_inside_functions_does() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources() if any(_imports_inside_functions(path))}
    assert [name for name in INSIDE_FUNCTIONS if not any(one.startswith(name) for one in found)] == []


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _imports_inside_functions(path: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("holystone"):
                    yield f"{path}:{node.lineno}"


def test_nothing_prints_outside_of_render() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources() if any(_prints(path))}
    assert {name for name in found if not name.startswith("src/holystone/render/")} == PRINTING


def _prints(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTERS:
            yield node
