"""The table of the engine's rules names what there is, and what is said there is said nowhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "holystone"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Where each rule of the engine stands\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| [^|]+ \| `(\S+\.py)` \| ([^|]+) \|$", SECTION, re.MULTILINE)
NAMES = [(file, name) for file, names in ROWS for name in re.findall(r"`([\w.]+)`", names)]

SAID_ONCE = {
    "sub::": "duroxide/references.py",
    "duroxide_version_major": "duroxide/tables.py",
    "Mend the caller: nothing was written.": "errors.py",
}
"""Words of a rule -> the one file of the package that has them as a text."""


def test_the_table_is_there() -> None:
    assert len(ROWS) > 10
    assert len(set(NAMES)) == len(NAMES)


def defined(path: Path) -> set[str]:
    """Return what a module defines itself, and the methods of its classes as Class.method."""
    found = set()
    for one in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(one, ast.FunctionDef | ast.ClassDef):
            found.add(one.name)
            within = one.body if isinstance(one, ast.ClassDef) else []
            found |= {f"{one.name}.{method.name}" for method in within if isinstance(method, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("file", "name"), NAMES)
def test_each_name_is_defined_there(file: str, name: str) -> None:
    assert name in defined(SOURCES / file)


@pytest.mark.parametrize(("words", "file"), SAID_ONCE.items())
def test_a_rule_is_said_in_one_file(words: str, file: str) -> None:
    texts = {path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if f'"{words}"' in path.read_text()}
    assert texts == {file}
