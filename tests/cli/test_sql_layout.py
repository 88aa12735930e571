"""SQL to paste is laid out over lines, and is the same SQL."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import psycopg
import pytest

from holystone.render.sql_layout import WIDTH, laid_out
from holystone.scan.catalogue import checks

from .helpers import Run, Sample

QUERIES = [
    pytest.param(query, id=f"{check.id}-{flavour}") for check in checks() for flavour, query in check.diagnosis.items()
]
LONGEST_WORD = 150


def words(sql: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'|\"[^\"]*\"|[^\s()'\"]+|[()]", sql)


@pytest.mark.parametrize("query", QUERIES)
def test_only_white_space_differs(query: str) -> None:
    assert words(laid_out(query)) == words(query)


@pytest.mark.parametrize("query", QUERIES)
def test_lines_are_as_wide_as_a_page(query: str) -> None:
    assert max(map(len, laid_out(query).split("\n"))) <= LONGEST_WORD
    for line in laid_out(query).split("\n"):
        assert len(line) <= WIDTH or " AND " not in line.strip(), line


def test_each_clause_begins_a_line() -> None:
    where = "WHERE x IN (SELECT y FROM u WHERE y.name = 'it''s  so' OR y.name = '( AND') AND z = 1"
    assert laid_out(f"SELECT a, b FROM t {where} OR a.name = 'something'").split("\n") == [
        "SELECT a, b",
        "FROM t",
        where,
        "  OR a.name = 'something'",
    ]
    assert laid_out("SELECT 1") == "SELECT 1"


def test_it_runs(healthy: Sample) -> None:
    flavour = "sqlite" if healthy.schema is None else "postgresql"
    elsewhere = ("D", "S002")  # they are of tables that this store does not have
    queries = [
        laid_out(check.diagnosis[flavour])
        for check in checks()
        if flavour in check.diagnosis and not check.id.startswith(elsewhere)
    ]
    assert len(queries) > 40
    if healthy.schema is None:
        with closing(sqlite3.connect(healthy.target)) as connection:
            for query in queries:
                connection.executescript(query)
        return
    with psycopg.connect(healthy.target, autocommit=True) as server:
        server.execute(f"SET search_path TO {healthy.schema}".encode())
        for query in queries:
            if "amcheck" not in query and "bt_index" not in query:
                server.execute(query.encode())


def test_a_report_has_it_for_what_was_found(run: Run, drifted: Sample) -> None:
    told = {check["id"]: check for check in run("check", *drifted.words, "--format", "json").json["checks"]}
    assert told["E001"]["sql"] == laid_out(checks().get("E001").diagnosis["postgresql" if drifted.schema else "sqlite"])
    assert all((check["sql"] is None) == (check["count"] == 0) for check in told.values())
