"""`why`: one instance in text and JSON, ids to the letter, and what a role may not see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import holystone
from holystone.duroxide.tables import OF_INSTANCES, sessions

from .helpers import SCHEMA, STALE, Run, Sample

PUBLISHED = Path(__file__).parents[2] / "docs" / "why.schema.json"


@pytest.mark.parametrize("instance", ["order-1", "order-2", "order-3", "meter-42"])
def test_json_is_as_published(run: Run, healthy: Sample, instance: str) -> None:
    said = run("why", healthy.target, instance, *healthy.words[1:], "--format", "json")
    assert (said.status, said.err) == (0, "")
    jsonschema.validate(said.json, json.loads(PUBLISHED.read_text(encoding="utf-8")))
    found = holystone.why(healthy.target, instance, schema=healthy.schema).to_json()
    for measured in (found, said.json):
        assert measured["instance_id"] == instance
    assert found["state"] == said.json["state"]
    assert found["events"] == said.json["events"]


def test_text_begins_with_the_sentence(run: Run, healthy: Sample) -> None:
    said = run("why", healthy.target, "order-3", *healthy.words[1:])
    assert (said.status, said.err) == (0, "")
    first, state, sentence = said.out.splitlines()[:3]
    assert (first, state) == ("order-3  Order 1.0.0, execution 1", "  waiting")
    assert sentence.startswith("  Its activity Charge waits for a worker since ")
    assert "1 queued activity" in said.out
    ended = run("why", healthy.target, "order-2", *healthy.words[1:]).out
    assert "It has failed " in ended
    assert '"card declined"' in ended


def test_what_its_row_says_otherwise_is_told(run: Run, healthy: Sample) -> None:
    healthy.execute(STALE)
    said = run("why", healthy.target, "order-1", *healthy.words[1:], "--format", "json").json
    assert said["state"] == "ended"
    assert said["notes"] == ["Its row says Running, its history says Completed."]


@pytest.mark.parametrize(
    ("given", "meant"), [("ordre-3", "order-3"), ("Order-3", "order-3"), ("order-4", "order-"), ("meter42", "meter-42")]
)
def test_a_misspelt_id_is_answered_with_those_that_are_close(run: Run, healthy: Sample, given: str, meant: str) -> None:
    said = run("why", healthy.target, given, *healthy.words[1:])
    assert (said.status, said.out) == (2, "")
    error, next_step = said.err.splitlines()
    assert f"has no instance {given!r}. Did you mean {meant}" in error
    assert next_step.startswith("Next: `holystone executions list ")
    assert next_step.endswith("` shows what there is.")


@pytest.mark.parametrize("given", ["order-*", "order-?", "*", "order-[0-9]", "order-%", "order_1", "x" * 100_000, ""])
def test_an_id_is_taken_to_the_letter(run: Run, healthy: Sample, given: str) -> None:
    said = run("why", healthy.target, given, *healthy.words[1:])
    assert (said.status, said.out) == (2, "")
    assert len(said.err) < 3000
    with healthy.scribe() as scribe:
        scribe.execution("order-[0-9]*?", *_waiting())
    said = run("why", healthy.target, "order-[0-9]*?", *healthy.words[1:])
    assert (said.status, said.out.splitlines()[1]) == (0, "  waiting")


def _waiting() -> list[tuple[str, dict[str, Any]]]:
    start = {"name": "Order", "version": "1.0.0", "input": "{}", "parent_instance": None, "parent_id": None}
    return [("OrchestrationStarted", start), ("ExternalSubscribed", {"name": "approved"})]


def test_the_target_may_stand_in_the_environment(
    run: Run, sqlite_store: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLYSTONE_TARGET", sqlite_store.target)
    assert run("why", "order-1").out.splitlines()[1] == "  ended"
    assert run("why", sqlite_store.target, "order-1").status == 0
    monkeypatch.delenv("HOLYSTONE_TARGET")
    assert "Missing argument 'INSTANCE'" in run("why", sqlite_store.target).err


def test_the_last_events_are_listed_and_all_are_counted(run: Run, healthy: Sample) -> None:
    said = run("why", healthy.target, "order-1", *healthy.words[1:], "--events", "1", "--format", "json").json
    assert [event["type"] for event in said["events"]] == ["OrchestrationCompleted"]
    assert said["counts"]["events"] == 4
    assert "4 events, the last 1" in run("why", healthy.target, "order-1", *healthy.words[1:], "--events", "1").out
    assert "OrchestrationStarted" not in run("why", healthy.target, "order-1", *healthy.words[1:], "--events", "0").out


ODD = (
    "UPDATE executions SET output = X'FF00' WHERE instance_id = 'order-1'",
    "INSERT INTO kv_store (instance_id, key, value) VALUES ('order-1', X'FF00', 'v'), ('order-1', 'k', 'v')",
    "INSERT INTO instance_locks VALUES ('order-1', 'token', 9e999, 'text')",
    "INSERT INTO instance_locks VALUES ('order-1', 'token', 'text', -9e999)",
    "UPDATE instances SET orchestration_version = X'FF00', custom_status = X'FF00'",
)


@pytest.mark.parametrize("statement", ODD)
def test_any_value_can_be_shown(run: Run, sqlite_store: Sample, statement: str) -> None:
    """SQLite keeps anything in any column."""
    sqlite_store.execute(statement)
    for format in ("text", "json"):
        said = run("why", sqlite_store.target, "order-1", "--format", format)
        assert (said.status, said.err) == (0, "")
        assert "Infinity" not in said.out


@pytest.fixture
def policy(postgresql_store: Sample) -> Iterator[Sample]:
    """A store whose tables have no row security after the test."""
    yield postgresql_store
    for table in (*OF_INSTANCES, sessions):
        postgresql_store.execute(f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY")


@pytest.mark.parametrize("hidden", ["rows", "table"])
@pytest.mark.parametrize("table", [table.name for table in OF_INSTANCES])
def test_what_could_not_be_seen_is_never_said_to_be_gone(
    run: Run, policy: Sample, reader: Sample, role: str, table: str, hidden: str
) -> None:
    """An activity, whose row is gone: with all in sight nothing will ever wake it."""
    policy.execute("DELETE FROM worker_queue")
    whole = run("why", reader.target, "order-3", *reader.words[1:], "--format", "json").json
    assert (whole["state"], whole["unseen"]) == ("stuck", [])
    how = {"rows": f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", "table": f"REVOKE ALL ON {table} FROM {role}"}
    policy.execute(how[hidden])
    said = run("why", reader.target, "order-3", *reader.words[1:], "--format", "json")
    assert said.status == 2
    assert ("row-level security" if hidden == "rows" else "permission denied") in said.err
    assert said.json["unseen"]
    assert said.json["state"] == ("stuck" if table in ("kv_store", "kv_delta") else "unknown")
    assert "ever wake" not in said.json["sentence"] or table in ("kv_store", "kv_delta")
    policy.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}")
