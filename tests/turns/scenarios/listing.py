"""SCENARIOS.md: what each scenario proves, in the words of the tests."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from turns.scenarios.suite import LEFT_OUT, SUITE

FOLDER = Path(__file__).parent
PAGE = FOLDER / "SCENARIOS.md"
COMMAND = "PYTHONPATH=tests python -m turns.scenarios.listing"

HEAD = """\
# What the turn protocol is proven to hold

The engine publishes a validation suite for the stores that it runs on: {there} scenarios, in
`src/provider_validation/` of microsoft/duroxide. {restated} of them are restated here as tests of
`holystone.store`, under their own names and in our own words. Each runs on SQLite and on PostgreSQL, and ends
with the catalogue of checks finding the store clean. (All but I007, instance-stuck, and I011, nothing-asked: what
these tests play has no code that would go on, and so often waits for nothing.)

`{command}` writes this page from the tests.
"""


@dataclass(frozen=True)
class Scenario:
    """A test of this folder: the file that it is in, its name and arguments, and what it says that it proves."""

    group: str
    name: str
    arguments: frozenset[str]
    proves: str


@cache
def scenarios() -> list[Scenario]:
    """Return all tests of the groups' files, read and not imported."""
    found = []
    for group in SUITE:
        path = FOLDER / f"test_{group}.py"
        if not path.exists():
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                arguments = frozenset(argument.arg for argument in node.args.args)
                found.append(Scenario(group, node.name, arguments, " ".join((ast.get_docstring(node) or "").split())))
    return found


def name_here(scenario: str) -> str:
    """Return the name that the scenario's test has here."""
    return scenario if scenario.startswith("test_") else f"test_{scenario}"


def page() -> str:
    """Return SCENARIOS.md."""
    proven = {scenario.name: scenario.proves for scenario in scenarios()}
    there = sum(len(names) for names in SUITE.values())
    parts = [HEAD.format(there=there, restated=there - len(LEFT_OUT), command=COMMAND)]
    for group, names in SUITE.items():
        rows = [f"| `{name}` | {proven[name_here(name)]} |" for name in names if name not in LEFT_OUT]
        parts.append("\n".join([f"## {group}\n", "| scenario | what holds |", "|---|---|", *rows, ""]))
    rows = [f"| `{name}` | {why} |" for name, why in LEFT_OUT.items()]
    parts.append("\n".join(["## Left out\n", "| scenario | why |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
