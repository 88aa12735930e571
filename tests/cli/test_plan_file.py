"""Plan files: made in one place, read in another, and trusted only where they are whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .helpers import STALE, Run, Sample, assert_refused, create, holystone

pytestmark = pytest.mark.slow


KEYS = {"check", "repair", "safety", "table", "key", "before", "after", "why"}


@pytest.fixture
def plan(run: Run, drifted: Sample, tmp_path: Path) -> Path:
    """The plan of a drifted store, in a file."""
    file = tmp_path / "plan.json"
    assert run("repair", "plan", *drifted.words, "--output", str(file)).status == 0
    return file


def apply(run: Run, store: Sample, plan: Path | str) -> Any:
    return run("repair", "apply", store.target, str(plan), *store.words[1:], "--format", "json")


def test_a_plan_has_the_keys_that_scripts_read(plan: Path) -> None:
    document = json.loads(plan.read_text())
    assert document["schema"] == 1
    assert document["plan"]
    assert len(document["changes"]) == 2
    for change in document["changes"]:
        assert change.keys() >= KEYS
        assert change["safety"] == "safe"
        assert change["table"] == "executions"
        assert change["before"].keys() == change["after"].keys()


def test_stdout_and_the_file_hold_the_same_plan(run: Run, drifted: Sample, plan: Path) -> None:
    again = run("repair", "plan", *drifted.words, "--format", "json").json
    assert {**again, "made": None} == {**json.loads(plan.read_text()), "made": None}


@pytest.mark.parametrize("words", [["-o", "-"], ["-o", "-", "--format", "json"]], ids=" ".join)
def test_a_dash_puts_the_plan_on_stdout(run: Run, drifted: Sample, plan: Path, words: list[str]) -> None:
    again = run("repair", "plan", *drifted.words, *words).json
    assert again["changes"] == json.loads(plan.read_text())["changes"]


def test_a_plan_is_read_from_stdin(run: Run, sqlite_store: Sample) -> None:
    sqlite_store.execute(STALE)
    plan = run("repair", "plan", sqlite_store.target, "--format", "json").out
    applied = holystone("repair", "apply", sqlite_store.target, "-", "--format", "json", typed=plan)
    assert (applied.status, applied.json["applied"]) == (0, 1)


def test_a_plan_needs_no_question(run: Run, drifted: Sample, plan: Path) -> None:
    applied = apply(run, drifted, plan)
    assert (applied.status, applied.json["applied"], applied.json["left"]) == (0, 2, 0)


def test_a_plan_is_applied_only_once(run: Run, drifted: Sample, plan: Path) -> None:
    first = apply(run, drifted, plan)
    second = apply(run, drifted, plan)
    assert (second.status, second.json["applied"], second.json["left"]) == (0, 0, 0)
    assert second.json["run"] is None
    assert first.json["run"] is not None
    assert len(run("repair", "log", *drifted.words, "--format", "json").json["runs"]) == 1


def test_a_plan_of_another_store_is_refused(run: Run, drifted: Sample, tmp_path: Path, plan: Path) -> None:
    other = tmp_path / "other.db"
    create(str(other))
    before = other.read_bytes()
    assert_refused(run("repair", "apply", str(other), str(plan)), "The plan was made for another store")
    assert other.read_bytes() == before


def test_a_plan_holds_for_a_copy_of_its_store(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    sqlite_store.execute(STALE)
    plan = tmp_path / "plan.json"
    run("repair", "plan", sqlite_store.target, "-o", str(plan))
    copy = Sample(str(shutil.copy(sqlite_store.target, tmp_path / "copy.db")))
    assert apply(run, copy, plan).json["applied"] == 1


def another_value(document: Any) -> None:
    document["changes"][0]["after"] = {"status": "Completed"}


def another_row(document: Any) -> None:
    document["changes"][0]["key"]["instance_id"] = "order-3"


def made_safe(document: Any) -> None:
    document["changes"][0]["safety"] = "unsafe"


def one_less(document: Any) -> None:
    document["changes"].pop()


def one_twice(document: Any) -> None:
    document["changes"].append(document["changes"][0])


def another_hash(document: Any) -> None:
    document["plan"] = "0" * 16


def no_hash(document: Any) -> None:
    del document["plan"]


@pytest.mark.parametrize("alter", [another_value, another_row, made_safe, one_less, one_twice, another_hash, no_hash])
def test_an_altered_plan_is_refused(run: Run, drifted: Sample, plan: Path, alter: Callable[[Any], None]) -> None:
    document = json.loads(plan.read_text())
    alter(document)
    plan.write_text(json.dumps(document))
    assert_refused(apply(run, drifted, plan), "altered after it was made", "Make a plan anew")
    assert run("migrate", "status", *drifted.words, "--format", "json").json["toolkit_revision"] is None


def test_a_plan_may_be_printed_in_another_way(run: Run, drifted: Sample, plan: Path) -> None:
    plan.write_text(json.dumps(json.loads(plan.read_text()), sort_keys=True, indent=4))
    assert apply(run, drifted, plan).status == 0


@pytest.mark.parametrize("form", [0, 2, "1", None])
def test_a_plan_of_another_form_is_refused(run: Run, drifted: Sample, plan: Path, form: Any) -> None:
    plan.write_text(json.dumps({**json.loads(plan.read_text()), "schema": form}))
    assert_refused(apply(run, drifted, plan), f"has the form {form!r}", "Make a plan anew")


def test_a_form_that_nobody_knows_yet_is_named(run: Run, drifted: Sample, plan: Path) -> None:
    plan.write_text(json.dumps({"schema": 2, "plan": "0", "store": "?", "changes": [{"statement": "…"}]}))
    assert_refused(apply(run, drifted, plan), "has the form 2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"plan"',
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "store": "x", "changes": null}',
        '{"schema": 1, "store": "x", "changes": [null]}',
        '{"schema": 1, "store": "x", "changes": [{}]}',
        '{"schema": 1, "store": "x", "changes": [{"check": "E001"}]}',
        "[" * 100_000,
        "not a plan at all",
        "\0",
    ],
    ids=lambda text: text[:50].replace("\0", "NUL") or "nothing",
)
def test_what_is_no_plan_is_refused(run: Run, sqlite_store: Sample, tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    assert_refused(apply(run, sqlite_store, plan), "is no plan of holystone", "Make a plan anew")


def test_a_report_is_no_plan(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run("check", sqlite_store.target, "--format", "json", "--output", str(report))
    assert_refused(apply(run, sqlite_store, report), "is no plan of holystone")


def test_a_plan_that_is_not_text_is_refused(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(b'{"schema": \xff}')
    assert_refused(apply(run, sqlite_store, plan), "it is not UTF-8 text")


def test_a_plan_that_is_not_there_is_refused(run: Run, sqlite_store: Sample, tmp_path: Path) -> None:
    assert_refused(apply(run, sqlite_store, tmp_path / "plan.json"), "cannot be read: no such file")
    assert_refused(apply(run, sqlite_store, tmp_path), "cannot be read: is a directory")
