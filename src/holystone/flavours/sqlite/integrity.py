"""Whether a SQLite file is whole: what SQLite's own check of its pages, tables and indexes says."""

import re
import sqlite3
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from holystone.flavours.structure import Objects

# Of the quicker check, quick_check, no difference between an index and its table would be found.
_CHECK = text("PRAGMA integrity_check(1000)")
_ROOTS = text("SELECT rootpage, type || ' ' || name FROM sqlite_master WHERE rootpage > 0")
_INDEX = re.compile(r"\bindex (\S+)$")
_COLUMN = re.compile(r"value in (\w+)\.|constraint failed in (\w+)")
_TREE = re.compile(r"(?:On tree page|Tree) (\d+)")
_FILE = "the file"


def damages(connection: Connection) -> Objects:
    """Return what is damaged, by index or table; `the file` for what is of neither."""
    try:
        said = [line for report in connection.execute(_CHECK).scalars() for line in report.splitlines()]
    except DatabaseError as error:
        # What is damaged beyond what the check itself can go through.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return {_FILE: str(error.orig)}
    roots = {row.rootpage: row[1] for row in connection.execute(_ROOTS)}
    found: dict[str, list[str]] = {}
    for line in said:
        if line != "ok" and not line.startswith("***"):
            found.setdefault(_object(line, roots), []).append(line)
    return {name: _summed_up(lines) for name, lines in found.items()}


def _object(line: str, roots: Mapping[int, str]) -> str:
    if index := _INDEX.search(line):
        return f"index {index[1]}"
    if column := _COLUMN.search(line):
        return f"table {column[1] or column[2]}"
    tree = _TREE.search(line)
    return roots.get(int(tree[1]), _FILE) if tree else _FILE


def _summed_up(lines: Sequence[str]) -> str:
    """Return the first fault, and how many others there are."""
    return lines[0] if len(lines) == 1 else f"{lines[0]}, and {len(lines) - 1:,} more"
