"""Words in the wrong place, and names that nothing has: the answer says what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from .helpers import Run, Sample, assert_refused, split


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("why", "order-3"),
        ("executions show", "order-3"),
        ("repair undo", "20260101-000000-000000"),
        ("repair resume", "20260101-000000-000000"),
        ("repair log", "20260101-000000-000000"),
        ("repair apply", "plan.json"),
        ("migrate downgrade", "t0001"),
    ],
)
def test_a_target_that_comes_last_is_told_of(
    run: Run, healthy: Sample, command: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLYSTONE_REPAIR_UNDO_YES", "1")
    monkeypatch.setenv("HOLYSTONE_MIGRATE_DOWNGRADE_YES", "1")
    target, *schema = healthy.words
    refused = run(*command.split(), word, target, *schema)
    assert_refused(refused, f"{word} is no store, and TARGET comes first: holystone {command} TARGET {word}")


def test_where_no_word_is_a_store_the_first_one_is_missing(run: Run, tmp_path: Path) -> None:
    assert_refused(run("why", str(tmp_path / "gone.db"), "order-3"), "There is no file ")


@pytest.mark.parametrize("words", [["why", "order-33"], ["repair undo", "nope"], ["repair resume", "nope"]])
def test_the_next_step_names_the_store(run: Run, healthy: Sample, words: list[str]) -> None:
    target, *schema = healthy.words
    refused = run(*words[0].split(), target, words[1], *schema)
    assert_refused(refused)
    assert "TARGET" not in refused.err
    [next_step] = [
        line.partition("`holystone ")[2].partition("`")[0] for line in refused.err.splitlines() if "`" in line
    ]
    assert run(*split(next_step)).status == 0


def test_an_orchestration_that_nothing_is_of_is_told_of(run: Run, healthy: Sample) -> None:
    assert run("executions", "list", *healthy.words, "--name", "Order").status == 0
    refused = run("executions", "list", *healthy.words, "--name", "Ordr")
    assert_refused(refused, "is of an orchestration 'Ordr'.", "Leave --name out to see what there is.")


def test_a_revision_that_is_misspelt_leads_to_those_that_there_are(run: Run, healthy: Sample) -> None:
    refused = run("migrate", "upgrade", *healthy.words, "--to", "t9999")
    assert_refused(refused, "t9999", "`holystone migrate status ", "lists those that this version has")


def test_the_next_step_says_nothing_of_a_schema_that_nobody_named(run: Run, postgresql_store: Sample) -> None:
    assert "--schema" not in run("why", postgresql_store.target, "order-33").err


def test_the_id_of_a_check_is_no_store(
    run: Run, healthy: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("check", *healthy.words, "E001")
    assert_refused(refused, "E001 is no store; a check is named by --select E001.")
    monkeypatch.chdir(tmp_path)
    Path("E001").write_text("")
    assert "--select" not in run("check", "E001").err
