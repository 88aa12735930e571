"""Instances and files whose names would upset a shell, a terminal, SQL or JSON."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select

from holystone.demo.scribe import completed
from holystone.duroxide.tables import executions

from .helpers import GHOST, STALE, UNDATED, WORK, Run, Sample, commands_in, holystone, split

pytestmark = pytest.mark.long

IDS = [
    "it's",
    'say "yes"',
    "''",
    "line\nbreak\r\n",
    "\t \t",
    "100%s %(name)s %%",
    ":name :1 ?",
    "$1 $$ ${HOME} `id` $(id)",
    "back\\slash\\",
    "\\n \\x27",
    "-leading-dash",
    "--schema=elsewhere",
    "; DROP TABLE history; --",
    "/* comment */ -- comment",
    "*/",
    "🧽 ẞ",
    "\x1b[2J\x1b]0;owned\x07",
    "\x01\x08\x7f\x9b31m",
    "\u202eright to left\u2028",
    "{braces} {0} {observed[status]}",
    "<b>&amp;</b>",
    '{"json": true}',
    "parent::sub::2",
    " ",
    "ghost\u200b",
    "long" * 600,
]
CONTROLS = {chr(code) for code in (*range(32), *range(127, 160), 0x202E, 0x2028)} - {"\n"}


@pytest.fixture
def odd(healthy: Sample) -> Sample:
    """A store with a finding about each of IDS, and with outputs and statuses that are as odd."""
    with healthy.scribe() as scribe:
        for id in IDS:
            scribe.execution(id, *WORK, completed(id))
            scribe.change(executions, {"instance_id": id}, status="Running", output=id + "?", completed_at=None)
        scribe.change(executions, {"instance_id": "order-1"}, status="\x1b[31mDone\n\x07")
    return healthy


def test_json_carries_every_id_unchanged(run: Run, odd: Sample) -> None:
    result = run("check", *odd.words, "--format", "json")
    assert {finding["instance_id"] for finding in result.json["findings"]} == {*IDS, "order-1"}
    assert result.out.isascii()


def test_json_lines_are_one_a_finding(run: Run, odd: Sample) -> None:
    lines = [json.loads(line) for line in run("check", *odd.words, "--format", "jsonl").out.splitlines()]
    assert {line["finding"]["instance_id"] for line in lines[:-1]} == {*IDS, "order-1"}


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--max-findings", "999"],
        ["check"],
        ["repair", "plan"],
        ["repair", "plan", "--format", "sql"],
        ["repair", "apply", "--yes"],
    ],
    ids=" ".join,
)
def test_no_control_character_reaches_a_terminal(run: Run, odd: Sample, words: list[str]) -> None:
    result = run(*words, *odd.words)
    assert not CONTROLS & set(result.out + result.err)
    assert result.status < 2


def test_the_journal_is_shown_without_control_characters(run: Run, odd: Sample) -> None:
    assert run("repair", "apply", *odd.words, "--yes").status == 0
    said = run("repair", "log", *odd.words, "--rows").out
    assert "order-1" in said
    assert not CONTROLS & set(said)


def test_a_long_id_is_shortened_for_people(run: Run, odd: Sample) -> None:
    said = run("check", *odd.words, "--max-findings", "999", "--instance", "longlong*").out
    assert "long" * 600 not in said
    assert "…" in said


def status_of(store: Sample) -> dict[str, str]:
    return dict(store.rows(select(executions.c.instance_id, executions.c.status).where(executions.c.execution_id == 1)))


def test_every_id_is_repaired_and_put_back(run: Run, odd: Sample) -> None:
    before = status_of(odd)
    applied = run("repair", "apply", *odd.words, "--yes", "--format", "json")
    assert (applied.status, applied.json["applied"]) == (0, len(IDS) + 1)
    assert {status_of(odd)[id] for id in IDS} == {"Completed"}
    assert run("check", *odd.words).status == 0
    undone = run("repair", "undo", *odd.words, applied.json["run"], "--yes", "--format", "json")
    assert (undone.status, undone.json["applied"]) == (0, len(IDS) + 1)
    assert status_of(odd) == before


def test_a_plan_file_carries_every_id(run: Run, odd: Sample, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert run("repair", "plan", *odd.words, "-o", plan).status == 0
    applied = run("repair", "apply", odd.target, plan, *odd.words[1:], "--format", "json")
    assert (applied.status, applied.json["applied"], applied.json["skipped"]) == (0, len(IDS) + 1, [])


def test_the_sql_of_a_plan_runs_and_repairs(run: Run, odd: Sample) -> None:
    odd.execute(UNDATED)
    script = run("repair", "plan", *odd.words, "--format", "sql").out
    if odd.schema is None:
        with closing(sqlite3.connect(odd.target)) as connection:
            connection.executescript(script)
    else:
        with psycopg.connect(odd.target, autocommit=True) as server:
            server.execute(script.encode())
    assert run("check", *odd.words).status == 0


def test_the_sql_of_a_plan_leaves_what_has_changed(run: Run, drifted: Sample) -> None:
    script = run("repair", "plan", *drifted.words, "--format", "sql").out
    drifted.execute("UPDATE executions SET status = 'Failed' WHERE instance_id = 'order-1'")
    drifted.execute(script.replace("BEGIN;", "").replace("COMMIT;", ""))
    assert status_of(drifted)["order-1"] == "Failed"


def test_the_sql_of_a_plan_leaves_out_what_is_unsafe(run: Run, haunted: Sample) -> None:
    script = run("repair", "plan", *haunted.words, "--format", "sql").out
    assert "left out: unsafe" in script
    assert "DELETE" not in script


FILES = [
    "with space.db",
    "what?.db",
    "hash#tag.db",
    "100%25.db",
    "a&b=c.db",
    "it's.db",
    'say "yes".db',
    "$HOME `id`.db",
    "-leading-dash.db",
    "--yes",
    "ẞ🧽.db",
    "line\nbreak.db",
    "\x1b[2J.db",
    "semi;colon.db",
    "file:x.db",
    "x.db?mode=memory",
]


@pytest.fixture(params=FILES)
def odd_file(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> str:
    """The name of a drifted store in the working directory."""
    shutil.copy(sqlite_template, tmp_path / request.param)
    Sample(str(tmp_path / request.param)).execute(STALE + GHOST)
    name: str = request.param
    return name


def test_the_next_commands_can_be_pasted(
    run: Run, odd_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def follow(said: str, begins: str, *more: str) -> str:
        (line,) = [words for words in commands_in(said) if words.startswith(begins)]
        result = run(*split(line), *more)
        assert result.status < 2, (line, result)
        assert "\x1b" not in result.out + result.err
        return result.out

    named = ["--", odd_file] if odd_file.startswith("-") else [odd_file]
    checked = run("check", *named)
    assert checked.status == 1
    planned = follow(checked.out, "repair plan")
    (apply,) = commands_in(planned)
    words = split(apply)
    applied = run(*words[:2], "--yes", *words[2:])
    assert applied.status == 1, applied  # the ghost is left
    follow(applied.out, "check")
    (unsafe,) = [words for words in commands_in(applied.out) if "--unsafe" in words]
    words = split(unsafe)
    assert run(*words[:2], "--yes", *words[2:]).status == 0
    (undo,) = [words for words in commands_in(applied.out) if words.startswith("repair undo")]
    words = split(undo)
    assert run(*words[:2], "--yes", *words[2:]).status == 0
    assert sorted(os.listdir(tmp_path)) == [odd_file]


def test_the_next_commands_can_be_pasted_on_postgresql(run: Run, postgresql_store: Sample) -> None:
    postgresql_store.execute(STALE)
    planned = run(*split(commands_in(run("check", *postgresql_store.words).out)[0]))
    assert planned.status == 0
    applied = run(*split(commands_in(planned.out)[0]), "--yes")
    assert applied.status == 0
    for words in commands_in(applied.out):
        assert run(*split(words), *(["--yes"] if "undo" in words else [])).status < 2


def test_a_schema_may_have_any_name(run: Run, postgresql_database: Sample) -> None:
    name = 'my "odd" schema; --'
    with psycopg.connect(postgresql_database.target) as connection:
        rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
        connection.execute(rename.format(sql.Identifier(str(postgresql_database.schema)), sql.Identifier(name)))
    store = Sample(postgresql_database.target, name)
    store.execute(STALE)
    checked = run("check", *store.words)
    assert checked.status == 1
    assert run(*split(commands_in(checked.out)[0])).status == 0
    # The engine's functions still name the schema of before, so only who says so repairs anything here.
    refused = run("repair", "apply", *store.words, "--yes")
    assert (refused.status, "S004 says of the store" in refused.out) == (1, True)
    assert run("repair", "apply", *store.words, "--yes", "--unsafe", "restore-outcome").status == 0
    repaired = run("check", store.target)  # the only store of its database is found
    assert f"--schema {shlex.quote(name)}" in repaired.out


def test_the_plans_own_file_is_named_in_its_next_step(
    run: Run, drifted: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planned = run("repair", "plan", *drifted.words, "-o", "my plan.json")
    applied = run(*split(commands_in(planned.out)[0]))
    assert applied.status == 0
    assert run("check", *drifted.words).status == 0


def test_a_name_that_is_not_utf8_is_a_name_all_the_same(sqlite_template: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.db")
    shutil.copy(sqlite_template, tmp_path / name)
    assert holystone("check", name, folder=tmp_path).status == 0
    missing = holystone("check", os.fsdecode(b"\xfe.db"), folder=tmp_path)
    assert missing.status == 2
    assert "There is no file \\udcfe.db" in missing.err


STRAY = "order-\udcff"
"""What Python makes of an argument with a byte that is no UTF-8."""


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--instance", f"{STRAY}*"],
        ["repair", "plan", "--instance", STRAY],
        ["why"],
        ["executions", "show"],
        ["executions", "list", "--status", STRAY],
        ["repair", "log"],
        ["repair", "undo"],
        ["repair", "resume"],
        ["check", "--schema", STRAY],
    ],
    ids=" ".join,
)
def test_an_argument_that_is_no_utf8_is_no_fault_of_the_program(run: Run, healthy: Sample, words: list[str]) -> None:
    names_one = len(words) == 1 or words[1] in ("show", "log", "undo", "resume")
    target = [healthy.target] if "--schema" in words else healthy.words
    said = run(*words, *target, *([STRAY] if names_one else []))
    assert said.status == 2
    assert "fault" not in said.err, said.err
    assert "Error: " in said.err
