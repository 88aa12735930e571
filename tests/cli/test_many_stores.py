"""Many stores in one check: folders, patterns, all schemas of a database; one that fails stops none of the others."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from shutil import copy

import psycopg
import pytest

from .helpers import (
    COMMAND,
    SCHEMA,
    STALE,
    UNDATED,
    Run,
    Sample,
    assert_refused,
    clean_environment,
    contents,
    create,
    holystone,
)


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with two clean stores, a drifted one, and what is no store."""
    folder = tmp_path / "stores"
    folder.mkdir()
    for name in ("a.db", "b.db", "drifted.sqlite"):
        copy(sqlite_template, folder / name)
    Sample(str(folder / "drifted.sqlite")).execute(STALE + UNDATED)
    with closing(sqlite3.connect(folder / "other.db")) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    (folder / "empty.db").touch()
    (folder / "notes.txt").write_text("SQLite format 4")
    (folder / "deeper").mkdir()
    copy(sqlite_template, folder / "deeper" / "c.db")
    return folder


def verdicts(run: Run, *words: str) -> dict[str, str]:
    document = run("check", *words, "--format", "json").json
    return {Path(report["store"]["target"]).name: report["verdict"] for report in document["reports"]}


FOUND = {"a.db": "clean", "b.db": "clean", "drifted.sqlite": "drift"}


def test_a_folder_stands_for_the_stores_in_it(run: Run, folder: Path) -> None:
    before = contents(folder)
    assert verdicts(run, str(folder)) == FOUND
    assert run("check", str(folder)).status == 1
    assert contents(folder) == before


def test_a_pattern_stands_for_the_files_that_match(run: Run, folder: Path) -> None:
    assert verdicts(run, str(folder / "*.db")) == {"a.db": "clean", "b.db": "clean"}
    assert verdicts(run, str(folder / "**" / "*.db")) == {"a.db": "clean", "b.db": "clean", "c.db": "clean"}


def test_several_words_are_one_report(run: Run, folder: Path) -> None:
    words = [str(folder / "b.db"), str(folder / "a.db"), str(folder / "nothing.db")]
    document = run("check", *words, "--format", "json").json
    assert [report["store"]["target"] for report in document["reports"]] == words
    assert [report["verdict"] for report in document["reports"]] == ["clean", "clean", "incomplete"]
    assert document["reports"][2]["error"]["message"] == f"There is no file {words[2]}."
    assert document["verdict"] == "incomplete"


def test_the_report_of_each_is_as_of_it_alone(run: Run, folder: Path) -> None:
    [*_, drifted] = run("check", str(folder), "--format", "json").json["reports"]
    alone = run("check", str(folder / "drifted.sqlite"), "--format", "json").json
    for report in (drifted, alone):
        for varies in ("started_at", "duration_ms"):
            del report[varies]
    assert drifted == alone


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["a.db", "b.db"], 0),
        (["a.db", "drifted.sqlite"], 1),
        (["drifted.sqlite", "other.db"], 2),
        (["a.db", "no.db"], 2),
    ],
)
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_the_exit_status_is_that_of_the_worst(run: Run, folder: Path, words: list[str], status: int, jobs: str) -> None:
    assert run("check", *[str(folder / word) for word in words], "--jobs", jobs).status == status


def test_a_database_that_a_user_names_himself_is_not_passed_over(run: Run, folder: Path) -> None:
    result = run("check", str(folder / "a.db"), str(folder / "other.db"))
    assert "none of its tables is one of duroxide's" in result.err


@pytest.mark.parametrize("place", ["deeper/none-*.db", "nothing"])
def test_a_place_without_stores_never_reads_as_clean(run: Run, folder: Path, place: str) -> None:
    (folder / "nothing").mkdir()
    (folder / "nothing" / "notes.txt").touch()
    alone = run("check", str(folder / place))
    assert (alone.status, alone.out) == (2, "")
    assert "No store of duroxide is in" in alone.err
    beside = run("check", str(folder / place), str(folder / "a.db"))
    assert beside.status == 2
    assert "2 stores: 1 clean, 1 not checked." in beside.out


@pytest.mark.parametrize("pattern", ["run=2026-*.db", "12:00/*.db", "team@home/**/*.db", "a=[bc].db"])
def test_a_pattern_that_no_file_matches_may_be_a_mistyped_url(run: Run, folder: Path, pattern: str) -> None:
    refused = run("check", str(folder / pattern))
    assert_refused(refused, "neither a file that exists, a pattern that a file matches nor a URL")
    assert pattern not in refused.err
    assert "neither a file that exists nor a URL" in run("check", str(folder / "a=b.db")).err


def test_a_file_that_cannot_be_read_is_told_of(folder: Path) -> None:
    (folder / "b.db").chmod(0)
    result = holystone("check", str(folder), unprivileged=True)
    assert result.status == 2
    assert "b.db cannot be read: permission denied" in result.err
    assert "3 stores: 1 clean, 1 with drift, 1 not checked." in result.out


def test_a_baseline_is_of_the_store_that_it_names(run: Run, folder: Path, tmp_path: Path) -> None:
    copy(folder / "drifted.sqlite", folder / "z.sqlite")
    baseline = tmp_path / "baseline.json"
    one = str(folder / "drifted.sqlite")
    assert run("check", one, "--format", "json", "--output", str(baseline)).status == 1
    assert run("check", one, "--baseline", str(baseline)).status == 0
    assert verdicts(run, str(folder), "--baseline", str(baseline))["z.sqlite"] == "drift"
    assert verdicts(run, str(folder), "--baseline", str(baseline))["drifted.sqlite"] == "clean"
    assert run("check", str(folder), "--format", "json", "--output", str(baseline)).status == 1
    assert run("check", str(folder), "--baseline", str(baseline)).status == 0
    assert run("check", one, "--baseline", str(baseline)).status == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_quiet_says_nothing_of_what_is_clean(run: Run, folder: Path, jobs: str) -> None:
    clean = run("check", str(folder / "*.db"), "-q", "--jobs", jobs)
    assert (clean.status, clean.out, clean.err) == (0, "", "")
    drifted = run("check", str(folder), "--quiet", "--jobs", jobs)
    assert "3 stores: 2 clean, 1 with drift." in drifted.out
    assert "a.db" not in drifted.out


def test_quiet_on_one_store(run: Run, healthy: Sample) -> None:
    clean = run("check", *healthy.words, "-q")
    assert (clean.status, clean.out, clean.err) == (0, "", "")
    healthy.execute(STALE)
    assert run("check", *healthy.words, "-q").out.splitlines()[0].startswith("E001")


def test_verbose_says_what_came_of_each_check(run: Run, drifted: Sample) -> None:
    report = run("check", *drifted.words, "--format", "json").json
    said = run("check", *drifted.words, "-v").out.splitlines()
    for check in report["checks"]:
        outcome = "finding" if check["outcome"] == "found" else check["outcome"]
        [line] = [line for line in said if line.startswith(f"{check['id']} {check['name']}: ")]
        assert outcome in line


def test_the_environment_may_name_the_target(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = copy(folder / "a.db", tmp_path / "two words.db")
    monkeypatch.setenv("HOLYSTONE_TARGET", str(odd))
    assert run("check").status == 0
    monkeypatch.setenv("HOLYSTONE_SCHEMA", "of_another")
    assert run("check", str(folder)).status == 1
    monkeypatch.delenv("HOLYSTONE_TARGET")
    said = "Error: Missing argument 'TARGET...'. HOLYSTONE_TARGET, which may name it, is not set."
    assert run("check").err.splitlines()[-1] == said


def test_a_schema_is_refused_for_files(run: Run, folder: Path) -> None:
    result = run("check", str(folder), "--schema", "x")
    assert result.status == 2
    assert "has no schemas" in result.err


def test_each_schema_of_a_database_is_a_store(run: Run, postgresql_database: Sample) -> None:
    create(postgresql_database.target, "--schema", "another")
    Sample(postgresql_database.target, SCHEMA).execute(STALE)
    result = run("check", postgresql_database.target, "--all", "--format", "json")
    found = {report["store"]["schema"]: report["verdict"] for report in result.json["reports"]}
    assert (result.status, found) == (1, {"another": "clean", SCHEMA: "drift"})
    assert f"--schema {SCHEMA}" in run("check", postgresql_database.target, "--all").out
    listed = run("stores", postgresql_database.target, "--format", "json").json["stores"]
    assert [store["schema"] for store in listed] == ["another", SCHEMA]


def test_a_database_without_stores_is_told_of(run: Run, postgresql_database: Sample, folder: Path) -> None:
    with psycopg.connect(postgresql_database.target) as connection:
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE".encode())
    alone = run("check", postgresql_database.target, "--all")
    assert (alone.status, alone.out) == (2, "")
    assert run("check", postgresql_database.target, str(folder), "--all").status == 2
    assert run("stores", postgresql_database.target).status == 2


def test_a_server_that_is_not_there_stops_none_of_the_others(run: Run, folder: Path) -> None:
    result = run("check", "postgresql://nobody:secret@127.0.0.1:1/none", str(folder), "--all", "--format", "json")
    assert [report["verdict"] for report in result.json["reports"]] == ["incomplete", "clean", "clean", "drift"]
    assert "secret" not in result.out + result.err


def test_stores_lists_what_check_looks_at(run: Run, folder: Path) -> None:
    before = contents(folder)
    listed = run("stores", str(folder), "--format", "json")
    assert listed.status == 0
    assert {Path(store["target"]).name for store in listed.json["stores"]} == FOUND.keys()
    assert "3 stores." in run("stores", str(folder)).out
    assert contents(folder) == before
    refused = run("stores", str(folder / "nothing"))
    assert (refused.status, refused.out) == (2, "")


def test_a_signal_ends_all_processes(folder: Path, sqlite_template: Path) -> None:
    for number in range(300):
        copy(sqlite_template, folder / f"many-{number}.db")
    command = [*COMMAND, "check", str(folder), "--jobs", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(), start_new_session=True
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 2
        assert err.decode().splitlines()[-1] == "Stopped; nothing more was done."
        assert "Traceback" not in err.decode()
        time.sleep(1)
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


@pytest.mark.parametrize("words", [["--format", "nagios", "--nope"], ["--format=nagios", "--level", "x"]])
def test_nagios_hears_of_what_cannot_be_parsed(words: list[str]) -> None:
    result = holystone("check", "store.db", *words)
    assert result.status == 3
    assert result.out.startswith("HOLYSTONE UNKNOWN - ")
    assert len(result.out.splitlines()) == 1


def test_nagios_hears_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    result = holystone("check", str(tmp_path / "no.db"), "--format", "nagios")
    assert (result.status, result.out) == (3, f"HOLYSTONE UNKNOWN - There is no file {tmp_path / 'no.db'}.\n")


def test_json_of_several_is_as_the_schema_says(run: Run, folder: Path) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
    validator = Draft202012Validator(schema)
    document = run("check", str(folder), str(folder / "no.db"), "--format", "json").json
    validator.validate(document)
    document["reports"][0].pop("verdict")
    assert not validator.is_valid(document)
