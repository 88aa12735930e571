"""Files, journals, URLs and options with changes at random: no command crashes, hangs, or prints what it should not."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import strategies as st

from mutations import SECONDS, for_seconds, mutated, read

from .helpers import STALE, Run, Sample
from .hostile import why_wrong
from .test_hostile_files import HOUSE

pytestmark = [pytest.mark.long, pytest.mark.timeout(SECONDS + 300)]


def written(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))


def assert_well(run: Run, *words: str) -> None:
    assert why_wrong(run(*words)) is None, words


@pytest.fixture
def drifted(sqlite_store: Sample) -> Sample:
    sqlite_store.execute(STALE)
    return sqlite_store


def test_configuration(run: Run, drifted: Sample, tmp_path: Path) -> None:
    file = tmp_path / "house.toml"

    def examine(text: str) -> None:
        written(file, text)
        assert_well(run, "check", drifted.target, "--select", "E001,E003", "--config", str(file))

    assert for_seconds(mutated([HOUSE, *read("configuration")]), examine) > 0


def test_baseline(run: Run, drifted: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    select = ("--select", "E001")
    run("check", drifted.target, *select, "--format", "json", "--output", str(file))
    samples = [file.read_text(), *read("baselines")]

    def examine(text: str) -> None:
        written(file, text)
        assert_well(run, "check", drifted.target, *select, "--baseline", str(file))

    assert for_seconds(mutated(samples), examine) > 0


def test_plan(run: Run, drifted: Sample, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    run("repair", "plan", drifted.target, "-o", str(file))
    samples = [file.read_text(), *read("plans")]

    def examine(text: str) -> None:
        written(file, text)
        assert_well(run, "repair", "apply", drifted.target, str(file), "--yes")

    assert for_seconds(mutated(samples), examine) > 0


JOURNAL = {
    "holystone_runs": ("run_id", "kind", "plan", "undoes", "actor", "version", "started_at_ms", "finished_at_ms"),
    "holystone_changes": ("row_key", "before_image", "after_image", "evidence", "table_name", "check_id", "made_at_ms"),
}
PLACES = [(table, column) for table, columns in JOURNAL.items() for column in columns]


def test_journal(run: Run, drifted: Sample) -> None:
    assert run("repair", "apply", drifted.target, "--yes").status == 0
    store = Path(drifted.target)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = [str(one) for table in JOURNAL for row in connection.execute(f"SELECT * FROM {table}") for one in row]
        ((run_id,),) = connection.execute("SELECT run_id FROM holystone_runs")
    saved = store.read_bytes()

    def examine(drawn: str) -> None:
        number, _, text = drawn.partition(" ")
        table, column = PLACES[int(number)]
        store.write_bytes(saved)
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute(
                f"UPDATE {table} SET {column} = CAST(? AS TEXT)", [text.encode("utf-8", "surrogatepass")]
            )
        assert_well(run, "repair", "log", drifted.target)
        assert_well(run, "repair", "log", drifted.target, "--rows", "--format", "json")
        assert_well(run, "repair", "undo", drifted.target, str(run_id), "--yes")

    strategy = st.builds("{} {}".format, st.integers(0, len(PLACES) - 1), mutated(kept))
    assert for_seconds(strategy, examine) > 0


URLS = (
    "sqlite:///{target}",
    "{target}",
    "sqlite:{target}?mode=ro",
    "postgresql://user:secret@127.0.0.1:1/app?connect_timeout=1",
    "postgresql:///app?host=/nowhere&options=-csearch_path%3Dx",
    "postgres://127.0.0.1:1,127.0.0.1:2/app?sslmode=disable",
    "mysql://root@localhost/app",
)


def test_urls(run: Run, drifted: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(drifted.target).parent)
    before = sorted(os.listdir())

    def examine(text: str) -> None:
        said = run("check", "--select", "E001", "--", text)
        assert why_wrong(said) is None, text
        # Two targets in one are not mistyped ones, what follows no colon is no password, and what no @ follows in a URL
        # is the name of a database.
        if text.count("secret") == 1 and ":secret" in text and ("://" not in text or "@" in text.split("secret")[1]):
            assert "secret" not in said.out + said.err, text

    samples = [url.format(target=drifted.target) for url in URLS] + read("urls")
    for sample in samples:
        examine(sample)
    assert for_seconds(mutated(samples), examine) > 0
    assert sorted(os.listdir()) == before


OPTIONS = (
    ("check", "TARGET", "--select", "E001,H", "--level", "deep", "--format", "json"),
    ("check", "TARGET", "--ignore", "E001", "--instance", "order-*", "--race-window", "30s", "--jobs", "2"),
    ("check", "TARGET", "--since", "last", "--max-findings", "3", "--statement-timeout", "5s"),
    ("repair", "plan", "TARGET", "--select", "E001", "--instance", "order-1"),
    ("repair", "log", "TARGET", "--rows", "--format", "json"),
    ("executions", "list", "TARGET", "--status", "Running", "--limit", "3"),
    ("executions", "show", "TARGET", "order-1", "1"),
    ("why", "TARGET", "order-1"),
    ("explain", "E001"),
    ("migrate", "status", "TARGET"),
)


def test_options(run: Run, drifted: Sample) -> None:
    """What a word is changed into may be any option but one that writes a file."""

    def examine(line: str) -> None:
        words = [drifted.target if word == "TARGET" else word for word in line.split("\t")]
        if any(word.startswith(("-o", "--out")) or "\0" in word for word in words):
            return
        said = run(*words)
        assert "Traceback" not in said.out + said.err, words
        assert "fault of holystone" not in said.out + said.err, words
        assert said.status in (0, 1, 2), words

    assert for_seconds(mutated(["\t".join(words) for words in OPTIONS] + read("options")), examine) > 0
