"""Each check finds its broken rows and nothing else, and its repair mends them and can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cases.case import Case, as_json
from catalogue.conftest import Prepare
from catalogue.prefixed import PrefixedScribe
from catalogue.sources import EVERY_CHECK, LONG_ON_POSTGRESQL, OF_COPIES, ON_EACH_FLAVOUR, case_of
from conftest import FLAVOURS, EngineStore
from contents import contents
from holystone.demo.scribe import Scribe
from holystone.mend.apply import Report, apply_plan
from holystone.mend.change import repair_of
from holystone.mend.plan import Plan, make_plan
from holystone.mend.repair import repairs
from holystone.mend.runs import read_run
from holystone.mend.undo import undo_run
from holystone.pg_durable.tables import instance_columns
from holystone.scan.check import Check
from holystone.scan.finding import Finding
from holystone.scan.result import Verdict
from holystone.scan.scan import Scan
from holystone.store import Store

EVERY_UNSAFE = [repair.id for repair in repairs()]


def scanned(store: Store, check: Check | None = None) -> list[Finding]:
    """Return the findings in a store at work, and those of the check as well, which may be one for copies alone."""
    scan = Scan(store, [*EVERY_CHECK, *(one for one in OF_COPIES if one is check)])
    findings = list(scan)
    assert scan.verdict is not Verdict.incomplete, [result.reason for result in scan.results.values()]
    return findings


def applied(store: Store) -> tuple[Plan, Report]:
    plan = make_plan(store, EVERY_CHECK)
    return plan, apply_plan(store, plan, unsafe=EVERY_UNSAFE)


@pytest.mark.parametrize(("check", "flavour"), ON_EACH_FLAVOUR)
def test_healthy_rows_are_quiet(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    store = prepare(flavour, case.healthy, own=case.alters_schema).store
    assert [(f.check.id, f.facts) for f in scanned(store, check) if f.check.id not in case.also] == []


@pytest.mark.parametrize(("check", "flavour"), ON_EACH_FLAVOUR)
def test_broken_rows_are_found_exactly(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    store = prepare(flavour, case.broken, own=case.alters_schema).store
    findings = scanned(store, check)
    assert {finding.check.id for finding in findings} - case.also == {check.id}
    to_json = store.flavour.to_json
    found: list[dict[str, Any]] = []
    for finding in findings:
        if finding.check.id == check.id:
            repair = repair_of(finding, repairs().by_id)
            found.append(
                {
                    "instance_id": finding.instance_id,
                    "execution_id": finding.execution_id,
                    "observed": {name: to_json(value) for name, value in finding.observed.items()},
                    "expected": {name: to_json(value) for name, value in finding.expected.items()},
                    "cause": finding.cause,
                    "repair": "none" if repair is None else str(repair.safety),
                }
            )
    wanted = [
        {
            **vars(one),
            "cause": one.cause[flavour] if isinstance(one.cause, Mapping) else one.cause,
            "observed": as_json(store.flavour, one.observed),
            "expected": as_json(store.flavour, one.expected),
        }
        for one in case.findings
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize(("check", "flavour"), LONG_ON_POSTGRESQL)
def test_repair_mends_and_undo_restores(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    ground = prepare(flavour, case.broken, own=case.alters_schema)
    made, store = ground.made, ground.store
    before = contents(made)
    plan, report = applied(store)
    _assert_as_safe(case, check, plan)
    assert report.left == 0
    _assert_repaired(case, made, store)
    unmended = {(one.instance_id, one.execution_id) for one in case.findings if one.repair == "none"}
    assert {(f.instance_id, f.execution_id) for f in scanned(store, check) if f.check.id not in case.also} == unmended

    if report.run is not None:
        undone = undo_run(store, read_run(store, report.run))
        assert (undone.applied, undone.left) == (report.applied, 0)
    assert contents(made) == before


@pytest.mark.long
@pytest.mark.parametrize(("check", "flavour"), ON_EACH_FLAVOUR)
def test_second_apply_changes_nothing(check: Check, flavour: str, prepare: Prepare) -> None:
    case = case_of(check)
    ground = prepare(flavour, case.broken, own=case.alters_schema)
    made, store = ground.made, ground.store
    plan, _ = applied(store)
    repaired = contents(made)
    again = apply_plan(store, plan, unsafe=EVERY_UNSAFE)
    assert (again.run, again.applied, again.already, again.left) == (None, 0, len(plan.changes), 0)
    assert contents(made) == repaired


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_damages_at_once_are_all_found(flavour: str, prepare: Prepare) -> None:
    applying = [c for c in EVERY_CHECK if flavour in c.flavours and not case_of(c).alters_schema]

    def everything(scribe: Scribe) -> None:
        for check in applying:
            case_of(check).broken(PrefixedScribe(scribe, check.id))

    store = prepare(flavour, everything).store
    # A session's row is of no instance.
    found = sorted((f.check.id, f.instance_id or f"{f.check.id} None", f.execution_id or 0) for f in scanned(store))
    wanted = sorted(
        (check.id, f"{check.id} {one.instance_id}", one.execution_id or 0)
        for check in applying
        for one in case_of(check).findings
    )
    assert [row for row in found if row in wanted] == wanted
    assert {row[1] for row in found} == {row[1] for row in wanted}


def _assert_repaired(case: Case, made: EngineStore, store: Store) -> None:
    for row in case.repaired:
        condition = " AND ".join(f"{column} = ?" for column in row.key)
        columns = list(row.columns or row.key)
        statement = f"SELECT {', '.join(columns)} FROM {row.table} WHERE {condition}"
        rows = made.execute(statement, *row.key.values())
        if row.columns is None:
            assert rows == []
        else:
            values = {name: store.flavour.to_json(value) for name, value in zip(columns, rows[0], strict=True)}
            assert values == as_json(store.flavour, row.columns)


def _assert_as_safe(case: Case, check: Check, plan: Plan) -> None:
    """A plan, which sees all that is wrong, has no doubt about what is damaged in one way only."""
    assert plan.waiting.keys() <= case.also
    planned = {
        (_instance_of(*change.found_in), change.found_in[1].get("execution_id"), change.safety): change
        for change in plan.changes
        if change.check == check.id
    }
    wanted = {(one.instance_id, one.execution_id, one.repair) for one in case.findings if one.repair != "none"}
    assert planned.keys() == wanted, [change.unsafe_because for change in planned.values()]


def _instance_of(table: str, key: Mapping[str, Any]) -> Any:
    return key.get(instance_columns(table)[0])
