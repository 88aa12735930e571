"""Whatever somebody has made of a plan or of the journal: one sentence, the next command, and nothing is changed."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases import e001_status_mismatch, i001_current_execution_mismatch, k001_kv_delta_leftover
from catalogue.conftest import Prepare
from catalogue.prefixed import PrefixedScribe
from cli.helpers import Run, assert_refused
from conftest import FLAVOURS
from ground import Ground
from holystone.demo.scribe import Scribe
from holystone.errors import HolystoneError
from holystone.mend.apply import apply_plan
from holystone.mend.plan import make_plan, read_plan
from holystone.mend.runs import read_run, read_runs
from holystone.mend.undo import undo_run
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level

FIELDS = ("check", "repair", "safety", "table", "key", "before", "after", "why", "evidence")
FOR_THE_READER = ("unread", "waiting")
"""The parts of a plan that tell its reader something, and of which nothing is applied."""
ANY_JSON = [
    *(None, True, 0, -1, 2**63, -(2**63) - 1, 10**400, 1.5, float("nan"), float("inf")),
    *("", "x", "\0", "\ud800", "\x1b[31m", "0044-03-15 BC", "executions", "history", "E001", "safe"),
    *([], [[]], {}, {"x": 1}, {"": None}, {"hex": "0"}, {"hex": "zz"}, {"text_hex": ""}, {"hex": "", "text_hex": ""}),
    *({"instance_id": None}, {"instance_id": {}}, {"real": "nan"}, {"finding": 1}, {"finding": {"table": 1, "key": 2}}),
    json.loads("[" * 900 + "]" * 900),
]


def broken(scribe: Scribe) -> None:
    for case in (e001_status_mismatch, k001_kv_delta_leftover, i001_current_execution_mismatch):
        case.CASE.broken(PrefixedScribe(scribe, case.__name__[6:10]))


def plan_of(ground: Ground) -> dict[str, Any]:
    document: dict[str, Any] = make_plan(ground.store, select_checks(Level.deep)).to_json()
    assert len(document["changes"]) > 2
    return document


def signed(document: Any) -> str:
    """The document with the hash that it should have, as somebody who knows holystone could make it."""
    text = json.dumps([document["store"], document["changes"]], sort_keys=True)
    return json.dumps({**document, "plan": hashlib.sha256(text.encode()).hexdigest()[:16]})


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a document."""
    yield path
    if not isinstance(document, dict | list):
        return
    for step, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield from places(value, (*path, step))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    whole = copy.deepcopy(document)
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return whole


def tried(ground: Ground, text: str) -> bool:
    """Whether a plan is read; what is read is applied, which may do no more than pass over what is wrong in it."""
    try:
        plan = read_plan(text, ground.store)
    except HolystoneError:
        return False
    with suppress(HolystoneError):
        apply_plan(ground.store, plan)
    return True


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_each_part_of_a_plan_may_be_anything(prepare: Prepare, flavour: str) -> None:
    ground = prepare(flavour, broken)
    document = plan_of(ground)
    first = put(document, ("changes",), document["changes"][:1])
    assert read_plan(signed(document), ground.store).hash == document["plan"]
    for path in places(first):
        for value in ANY_JSON if flavour == "sqlite" else ANY_JSON[::6]:
            changed = put(first, path, value)
            text = signed(changed) if isinstance(changed, dict) and {"store", "changes"} <= changed.keys() else None
            tried(ground, text if text is not None else json.dumps(changed))
    for path in places(first):
        if path and isinstance(path[-1], str) and path != ("plan",):
            whole = copy.deepcopy(first)
            place = whole
            for step in path[:-1]:
                place = place[step]
            place["has_unnameable_ids\x1b"] = place.pop(path[-1])
            text = signed(whole) if {"store", "changes"} <= whole.keys() else json.dumps(whole)
            assert not tried(ground, text) or path[0] in FOR_THE_READER or path[:3] == ("changes", 0, "evidence")


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("flavour", FLAVOURS)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_mutation_of_a_plan(prepare: Prepare, flavour: str, data: st.DataObject) -> None:
    ground = prepare(flavour, broken)
    document = plan_of(ground)
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text() | st.sampled_from(("instance_id", "status", "hex", "text_hex")), inner, max_size=3
            )
        ),
        max_leaves=5,
    )
    for _ in range(data.draw(st.integers(1, 3))):
        document = put(document, data.draw(st.sampled_from([*places(document)])), data.draw(values))
    has_parts = isinstance(document, dict) and {"store", "changes"} <= document.keys()
    tried(ground, signed(document) if has_parts else json.dumps(document))


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "store": "x", "changes": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"schema": 1, "store": "x", "changes": [{"check": ' + "1" * 5_000 + "}]}",
        '{"schema": 1, "store": NaN, "changes": []}',
        '{"schema": ' + "[" * 100_000,
    ],
    ids=["nested", "digits", "nan", "open"],
)
def test_no_text_is_a_fault(prepare: Prepare, text: str) -> None:
    ground = prepare("sqlite", broken)
    with pytest.raises(HolystoneError, match="is no plan of holystone"):
        read_plan(text, ground.store)


ALTERED = [
    ("row_key", "no JSON"),
    ("row_key", "[" * 100_000),
    ("row_key", '{"has_unnameable_ids": 1}'),
    ("row_key", "{}"),
    ("row_key", '{"instance_id": NaN}'),
    ("before_image", "[]"),
    ("after_image", "17"),
    ("after_image", '{"status": {"hex": "zz"}}'),
    ("evidence", "null"),
    ("evidence", '{"finding": {"table": "x"}}'),
    ("table_name", "sqlite_master"),
    ("safety", "surely"),
]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_journal_that_was_altered(prepare: Prepare, flavour: str) -> None:
    """The rest is still listed; such a run is not undone."""
    ground = prepare(flavour, broken)
    report = apply_plan(ground.store, read_plan(json.dumps(plan_of(ground)), ground.store))
    assert report.run is not None
    for column, value in ALTERED:
        (kept,) = ground.execute(f"SELECT {column} FROM holystone_changes WHERE number = 0")
        ground.execute(f"UPDATE holystone_changes SET {column} = ? WHERE number = 0", value)
        (run,) = read_runs(ground.store)
        assert len(run.unreadable) == 1, (column, value)
        assert len(run.changes) == report.applied - 1
        with pytest.raises(HolystoneError, match="was altered: of its change 0, "):
            read_run(ground.store, report.run)
        ground.execute(f"UPDATE holystone_changes SET {column} = ? WHERE number = 0", *kept)
    assert undo_run(ground.store, read_run(ground.store, report.run)).left == 0


@pytest.mark.long
def test_a_journal_of_any_kind_of_value(prepare: Prepare, run: Run) -> None:
    """SQLite keeps in any column what it is given."""
    ground = prepare("sqlite", broken)
    report = apply_plan(ground.store, read_plan(json.dumps(plan_of(ground)), ground.store))
    for table in ("holystone_runs", "holystone_changes"):
        for column in sorted(ground.store.columns[table] - {"run_id", "number"}):
            for value in ("x'ff00'", "CAST(x'ff' AS TEXT)", "1e999", "-1", "''", "x'1b5b'", "CAST(x'1b5b' AS TEXT)"):
                kept = ground.execute(f"SELECT rowid, {column} FROM {table}")
                ground.execute(f"UPDATE {table} SET {column} = {value}")
                for words in ([], ["--format", "json"], ["--rows"]):
                    said = run("repair", "log", ground.made.target, *words)
                    assert said.status == 0, (column, value, said.err)
                    assert "\x1b" not in said.out
                undone = run("repair", "undo", ground.made.target, str(report.run), "--yes")
                assert "fault of holystone" not in undone.err, (table, column, value)
                for number, old in kept:
                    ground.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", old, number)


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 100_000 + "]" * 100_000, "x = " + "1" * 5_000, "[checks]\nE001 = 1", "[[suppress]]", "\x1b = 1"],
    ids=["nested", "digits", "no table", "empty", "control"],
)
def test_a_policy_of_any_text(run: Run, prepare: Prepare, tmp_path: Path, text: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(text)
    ground = prepare("sqlite", broken)
    assert_refused(run("check", ground.made.target, "--config", str(policy)), "cannot be used")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "1", "{}", '{"findings": 1}', '{"findings": [1]}', '{"findings": [{}]}', "[" * 100_000),
        *('{"findings": [{"fingerprint": {}}]}', '{"findings": [{"fingerprint": 1}]}', '{"findings": {"a": 1}}'),
        '{"findings": [{"fingerprint": ' + "1" * 5_000 + "}]}",
    ],
)
def test_a_baseline_of_any_text(run: Run, prepare: Prepare, tmp_path: Path, text: str) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text(text)
    ground = prepare("sqlite", broken)
    assert_refused(run("check", ground.made.target, "--baseline", str(baseline)), "is no report of holystone")
