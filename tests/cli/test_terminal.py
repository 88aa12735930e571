"""Nothing that a store, a file, a server or the command line holds drives a terminal, in any command or format."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Text, make_url

from conftest import marks_of
from holystone.duroxide.tables import metadata
from holystone.render import CHECK_FORMATS
from holystone.store.toolkit import changes, runs

from .helpers import GHOST, SCHEMA, STALE, UNDATED, Result, Run, Sample

pytestmark = pytest.mark.slow


ODD = "a\x1b[45m\x1b]0;x\x07\x9b1m\r\n\u202e\u2066\u200b\u2028\u2029\x7f\x85\x08z"
"""What sets colours, titles and cursors, deletes, turns text around, or is not seen."""
IN_JSON = json.dumps(ODD)[1:-1]
OURS = re.compile(r"\x1b\[(0|1|3\d)m")
"""The colours that we print ourselves."""
BIDI = {chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
WILD = {chr(code) for code in (*range(32), *range(127, 160), 0x200B, 0x2028, 0x2029)} | BIDI
ALLOWED = {"\n", "\t"}

TEXTS = [(table.name, c.name) for table in metadata.sorted_tables for c in table.columns if isinstance(c.type, Text)]
JOURNAL = [(table.name, c.name) for table in (runs, changes) for c in table.columns if isinstance(c.type, Text)]
ROWS = """
INSERT INTO orchestrator_queue (instance_id, work_item, lock_token, visible_at, created_at)
    VALUES ('order-3', '{"ExternalRaised":{"instance":"order-3","name":"x","data":""}}', 'x', CURRENT_TIMESTAMP,
        CURRENT_TIMESTAMP);
INSERT INTO instance_locks VALUES ('order-3', 'token', 1, 1);
INSERT INTO kv_delta VALUES ('order-3', 'k', 'v', 1);
INSERT INTO sessions VALUES ('s', 'w', 1, 1);
"""


@pytest.fixture(autouse=True)
def _as_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    # Elsewhere click takes all colours out, and what others have put there as well.
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)


def wild_in(result: Result) -> set[str]:
    """Return what a command has printed that drives a terminal."""
    return (set(OURS.sub("", result.out + result.err)) & WILD) - ALLOWED


def commands(store: Sample, run_id: str, plan: Path) -> Iterator[tuple[str, ...]]:
    """Yield commands that show what is in a store; those that write come last."""
    yield "check", *store.words, "--level", "deep", "--max-findings", "999"
    yield "check", *store.words, "--level", "restored"
    yield from (("check", *store.words, "--format", one) for one in CHECK_FORMATS)
    yield "check", *store.words, "--format", "jsonl", "--instance", "*"
    yield from (("repair", "plan", *store.words, "--format", one) for one in ("text", "json", "sql"))
    yield "executions", "list", *store.words
    yield "executions", "list", *store.words, "--format", "json"
    for instance in ("order-1", "order-3", ODD):
        yield "executions", "show", store.target, instance, *store.words[1:]
    yield "executions", "show", store.target, "order-1", *store.words[1:], "--format", "json"
    for instance in ("order-1", "order-3", ODD):
        yield "why", store.target, instance, *store.words[1:]
        yield "why", store.target, instance, *store.words[1:], "--format", "json"
    yield "repair", "log", *store.words, "--rows"
    yield "repair", "log", *store.words, "--format", "json"
    yield "migrate", "status", *store.words
    yield "migrate", "status", *store.words, "--format", "json"
    yield "migrate", "sql", *store.words
    yield "repair", "undo", store.target, run_id, *store.words[1:], "--yes"
    yield "repair", "undo", store.target, ODD, *store.words[1:], "--yes"
    yield "repair", "apply", store.target, str(plan), *store.words[1:], "--unsafe", "remove-ghost"
    yield "repair", "apply", *store.words, "--yes"
    yield "repair", "log", *store.words, "--rows"
    yield "migrate", "adopt", *store.words
    yield "migrate", "upgrade", *store.words


def assert_tame(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert not wild_in(result), (words, result)
    assert "fault of holystone" not in result.err, (words, result.err)
    if "json" in words or "jsonl" in words:
        assert result.out.isascii()


@pytest.fixture(params=["sqlite_store", pytest.param("postgresql_database", marks=pytest.mark.long)])
def repaired(request: pytest.FixtureRequest, run: Run, tmp_path: Path) -> tuple[Sample, str, Path]:
    """A store with a run in its journal and with more to repair, the run's id, and a plan in a file."""
    store: Sample = request.getfixturevalue(request.param)
    store.execute(STALE + ROWS)
    run_id = run("repair", "apply", *store.words, "--yes", "--format", "json").json["run"]
    assert run_id
    store.execute(UNDATED + GHOST)
    plan = tmp_path / "plan.json"
    assert run("repair", "plan", *store.words, "-o", str(plan)).status == 0
    return store, run_id, plan


def spoil(store: Sample, table: str, column: str) -> None:
    """Put ODD into a column of every row but the first, and into the JSON that the column holds."""
    text = ODD.replace("'", "''")
    odd = f"UPDATE {table} SET {column} = '{text}'"
    whole = {"event_data", "work_item", "row_key", "before_image", "after_image", "evidence"}
    if column in whole:
        inside = IN_JSON.replace("'", "''")
        store.execute(
            f'UPDATE {table} SET {column} = replace(replace({column}, \'"name":"\', \'"name":"{inside}\'),'
            f" 'order', '{inside}')"
        )
        odd += f" WHERE {column} LIKE '%Scheduled%'"
    elif column in ("instance_id", "session_id", "key", "run_id"):
        odd = f"UPDATE {table} SET {column} = {column} || '{text}'"
    store.execute(odd)


QUICK = [("executions", "status"), ("history", "event_data"), ("holystone_changes", "why")]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        pytest.param(*one, marks=[] if one in QUICK else marks_of(number, 8))
        for number, one in enumerate(TEXTS + JOURNAL, 1)
    ],
)
def test_no_column_reaches_a_terminal(run: Run, repaired: tuple[Sample, str, Path], table: str, column: str) -> None:
    store = repaired[0]
    try:
        spoil(store, table, column)
    except (sqlite3.IntegrityError, psycopg.errors.IntegrityError):
        pytest.skip("a constraint of the table refuses such a value in this column")
    for words in commands(*repaired):
        assert_tame(run, words)


# --- objects


OBJECTS = {
    "table": 'CREATE TABLE "{odd}" (x text); CREATE TABLE plain ("{odd}" text)',
    "index": 'CREATE INDEX "{odd}" ON executions (status)',
    "column": 'ALTER TABLE executions ADD COLUMN "{odd}" text',
    "view": 'CREATE VIEW "{odd}" AS SELECT 1 AS "{odd}"',
    "renamed column": 'ALTER TABLE executions RENAME COLUMN output TO "{odd}"',
}
ON_SQLITE = {
    "trigger": "CREATE TRIGGER \"{odd}\" BEFORE UPDATE ON executions BEGIN SELECT RAISE(ABORT, '{odd}'); END",
}
ON_POSTGRESQL = {
    "trigger": (
        "CREATE FUNCTION \"{odd}\"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '{odd}' USING hint = '{odd}',"
        " detail = '{odd}'; END $$;"
        ' CREATE TRIGGER "{odd}" BEFORE UPDATE ON executions FOR EACH ROW EXECUTE FUNCTION "{odd}"()'
    ),
    "constraint": "ALTER TABLE executions ADD CONSTRAINT \"{odd}\" CHECK (status <> 'Completed') NOT VALID",
    "type": "CREATE TYPE \"{odd}\" AS ENUM ('{odd}')",
    "rule": 'CREATE RULE "{odd}" AS ON DELETE TO executions DO INSTEAD NOTHING',
    "policy": 'ALTER TABLE executions ENABLE ROW LEVEL SECURITY; CREATE POLICY "{odd}" ON executions',
    "comment": "COMMENT ON TABLE executions IS '{odd}'",
}
NAMED = [("sqlite_store", kind, script) for kind, script in (OBJECTS | ON_SQLITE).items()] + [
    ("postgresql_database", kind, script) for kind, script in (OBJECTS | ON_POSTGRESQL).items()
]


@pytest.mark.parametrize(
    ("repaired", "script"),
    [
        pytest.param(
            fixture,
            script,
            id=f"{fixture.partition('_')[0]}-{kind}",
            marks=[] if (fixture, kind) == ("sqlite_store", "trigger") else [pytest.mark.long],
        )
        for fixture, kind, script in NAMED
    ],
    indirect=["repaired"],
)
def test_no_name_of_an_object_reaches_a_terminal(run: Run, repaired: tuple[Sample, str, Path], script: str) -> None:
    repaired[0].execute(script.replace("{odd}", ODD[:30]))
    for words in commands(*repaired):
        assert_tame(run, words)


@pytest.mark.long
def test_no_name_of_a_schema_database_or_role_reaches_a_terminal(
    run: Run, postgresql: Any, postgresql_template: str, tmp_path: Path
) -> None:
    odd, quoted = ODD[:25], f'"{ODD[:25]}"'
    url = postgresql.create_database("holystone_odd_names", template=postgresql_template)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA {SCHEMA} RENAME TO {quoted}".encode())
        with psycopg.connect(postgresql.url(), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE holystone_odd_names RENAME TO {quoted}".encode())
            connection.execute(f"CREATE ROLE {quoted} LOGIN".encode())
        place = make_url(url).set(database=odd)
        for one in (place, place.set(username=odd), place.set(username="nobody" + odd), place.set(database="no" + odd)):
            store = Sample(one.render_as_string(hide_password=False), odd)
            for words in commands(store, "x", tmp_path / ODD[:5]):
                assert_tame(run, words)
    finally:
        with psycopg.connect(postgresql.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)".encode())
            connection.execute("DROP DATABASE IF EXISTS holystone_odd_names WITH (FORCE)")
            connection.execute(f"DROP ROLE IF EXISTS {quoted}".encode())


# --- words of the command line, files and the environment


LINES = [
    ("{odd}",),
    ("check",),
    ("check", "{odd}"),
    ("check", "{store}", "{odd}"),
    ("check", "{store}", "--{odd}"),
    ("check", "{store}", "--{odd}=x"),
    ("check", "{store}", "--schema", "{odd}"),
    ("check", "{store}", "--select", "{odd}"),
    ("check", "{store}", "--ignore", "{odd}"),
    ("check", "{store}", "--ignore", "E001={odd}"),
    ("check", "{store}", "--ignore", "{odd}={odd}"),
    ("check", "{store}", "--level", "{odd}"),
    ("check", "{store}", "--format", "{odd}"),
    ("check", "{store}", "--fail-on", "{odd}"),
    ("check", "{store}", "--max-findings", "{odd}"),
    ("check", "{store}", "--jobs", "{odd}"),
    ("check", "{store}", "--since", "{odd}"),
    ("check", "{store}", "--statement-timeout", "{odd}"),
    ("check", "{store}", "--race-window", "{odd}"),
    ("check", "{store}", "--instance", "{odd}"),
    ("check", "{store}", "--instance", "{odd}", "--instance", "{odd}"),
    ("check", "{store}", "--config", "{odd}"),
    ("check", "{store}", "--baseline", "{odd}"),
    ("check", "{store}", "--config", "{file}"),
    ("check", "{store}", "--baseline", "{file}"),
    ("check", "{file}"),
    ("check", "{folder}"),
    ("check", "{store}", "--output", "{folder}/x/{odd}"),
    ("check", "{odd_store}"),
    ("check", "{odd_store}", "--level", "deep"),
    ("check", "{odd_store}", "--output", "{odd_store}"),
    ("check", "{url}"),
    ("check", "{odd}://x"),
    ("repair", "{odd}"),
    ("repair", "plan", "{odd_store}"),
    ("repair", "plan", "{odd_store}", "-o", "{file}"),
    ("repair", "plan", "{odd_store}", "--format", "sql"),
    ("repair", "apply", "{odd_store}", "{odd}"),
    ("repair", "apply", "{odd_store}", "{folder}"),
    ("repair", "apply", "{odd_store}", "{file}"),
    ("repair", "apply", "{odd_store}", "--yes", "--unsafe", "{odd}"),
    ("repair", "apply", "{odd_store}", "--yes"),
    ("repair", "undo", "{odd_store}", "{odd}", "--yes"),
    ("repair", "undo", "{odd_store}", "{odd}"),
    ("repair", "log", "{odd_store}"),
    ("executions", "list", "{odd_store}", "--status", "{odd}"),
    ("executions", "list", "{odd_store}", "--name", "{odd}"),
    ("executions", "list", "{odd_store}", "--instance", "{odd}"),
    ("executions", "list", "{odd_store}", "--limit", "{odd}"),
    ("executions", "show", "{odd_store}", "{odd}"),
    ("executions", "show", "{odd_store}", "order-1", "{odd}"),
    ("why", "{odd_store}", "{odd}"),
    ("migrate", "status", "{odd_store}"),
    ("migrate", "sql", "{odd_store}"),
    ("migrate", "sql", "{odd_store}", "--to", "{odd}"),
    ("migrate", "adopt", "{odd_store}"),
    ("migrate", "upgrade", "{odd_store}", "--to", "{odd}"),
    ("migrate", "upgrade", "{folder}/{odd}"),
    ("migrate", "downgrade", "{odd_store}", "{odd}", "--yes"),
    ("explain", "{odd}"),
    ("checks", "{odd}"),
    ("completion", "{odd}"),
    ("demo", "{folder}/demo{odd}"),
    ("demo", "{file}"),
]
IN_ENVIRONMENT = [
    *(
        ("HOLYSTONE_TARGET", ("check",)),
        ("HOLYSTONE_CONFIG", ("check", "{store}")),
        ("HOLYSTONE_SCHEMA", ("check", "{url}")),
    ),
    *(("HOLYSTONE_TARGET", ("repair", "apply", "x")), ("HOLYSTONE_TARGET", ("migrate", "downgrade"))),
]


@pytest.fixture
def places(sqlite_store: Sample, tmp_path: Path) -> dict[str, str]:
    """What the words in braces stand for."""
    sqlite_store.execute(STALE)
    folder = tmp_path / f"folder {ODD}"
    folder.mkdir()
    file = folder / f"file {ODD}.json"
    file.write_text(f"{ODD} = [{ODD}")
    odd_store = folder / f"store {ODD}.db"
    shutil.copy(sqlite_store.target, odd_store)
    url = make_url("postgresql://x@localhost:1/x").set(username=ODD, database=ODD, query={"application_name": ODD})
    return {
        "odd": ODD,
        "store": sqlite_store.target,
        "folder": str(folder),
        "file": str(file),
        "odd_store": str(odd_store),
        "url": url.render_as_string(),
    }


def test_no_word_of_the_command_line_reaches_a_terminal(run: Run, places: dict[str, str]) -> None:
    wild = {}
    for line in LINES:
        result = run(*(word.format(**places) for word in line))
        assert "fault of holystone" not in result.err, (line, result.err)
        if found := wild_in(result):
            wild[line] = found, result
    assert not wild


@pytest.mark.parametrize(("name", "line"), IN_ENVIRONMENT)
def test_nothing_of_the_environment_reaches_a_terminal(
    run: Run, places: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, line: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, ODD)
    assert_tame(run, tuple(word.format(**places) for word in line))
