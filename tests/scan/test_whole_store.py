"""Of the store as a whole a check finds one thing, once; whatever made the store, its schema is none unless altered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from cases.s001_schema_unknown import broken as altered
from cases.s002_toolkit_schema_behind import broken as behind
from conftest import ENGINES, SCHEMA, EngineStore, Flavour, MakePlace, MakeStore, available
from holystone.demo.scribe import Scribe
from holystone.flavours.target import parse_target
from holystone.migrate import adopt, create, downgrade, restore, upgrade
from holystone.render import report
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Check, Level, Severity
from holystone.scan.finding import Finding
from holystone.scan.policy import Policy, Suppression
from holystone.scan.result import Outcome, Verdict
from holystone.scan.scan import Scan
from holystone.scan.watermark import cover
from holystone.scan.watermarks import watermarks_of
from holystone.store import Store
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import REVISIONS
from migrate.old_stores import make_level

WHOLE = select_checks(Level.quick, ["S001", "S002"])
QUICK = select_checks(Level.quick)


@pytest.fixture
def made(engine_store: MakeStore, flavour: Flavour) -> EngineStore:
    return engine_store(ENGINES[-1], flavour, ())


def opened(made: EngineStore) -> Store:
    return Store.open(made.target, made.schema)


def found(store: OpenStore, checks: list[Check] = WHOLE, **more: Any) -> list[Finding]:
    scan = Scan(store, checks, **more)
    findings = list(scan)
    failed = [(r.check.id, r.reason) for r in scan.results.values() if r.outcome is Outcome.failed]
    assert scan.verdict is not Verdict.incomplete, failed
    return [finding for finding in findings if finding.check.id.startswith("S")]


def spoil(made: EngineStore) -> None:
    upgrade(opened(made))
    with opened(made).transaction() as connection:
        for write in (altered, behind):
            write(Scribe(connection, opened(made).flavour))


def test_one_finding_however_the_store_is_looked_at(made: EngineStore) -> None:
    spoil(made)
    store = opened(made)
    findings = found(store)
    assert [(one.check.id, one.instance_id, dict(one.facts.key)) for one in findings] == [
        ("S001", None, {}),
        ("S002", None, {}),
    ]
    assert found(store, QUICK, jobs=3) == findings
    by_id = {one.check.id: report.to_json(report.finding(store, one)) for one in findings}
    assert {(one["instance_id"], one["execution_id"], one["row_id"], one["repair"]) for one in by_id.values()} == {
        (None, None, None, "none")
    }
    known = {one.fingerprint for one in findings}
    assert len(known) == 2
    assert found(store, known=known) == []


@pytest.mark.parametrize("flavour", ["sqlite"])
def test_it_is_of_no_instance(made: EngineStore) -> None:
    spoil(made)
    made.execute(
        "INSERT INTO kv_delta (instance_id, key, value, last_updated_at_ms) VALUES ('some', 'k', 'v', 1760000000000)"
    )
    scan = Scan(opened(made), QUICK, instances="*")
    assert [finding.check.id for finding in scan] == ["K002"]
    made.execute("DELETE FROM kv_delta")
    whole = [id for id, result in scan.results.items() if "about the store as a whole" in str(result.reason)]
    assert whole == [check.id for check in QUICK if check.id.startswith("S") and "sqlite" in check.flavours]
    assert {scan.results[id].outcome for id in whole} == {Outcome.skipped}
    assert scan.scanned.keys().isdisjoint({"schema", "toolkit", "interference", "sequences"})
    of_all = Suppression("tried", instance="*", until=date.max)
    assert len(found(opened(made), policy=Policy(suppressions=[of_all]))) == 2
    of_one = replace(of_all, instance=None, check="S001")
    assert [one.check.id for one in found(opened(made), policy=Policy(suppressions=[of_one]))] == ["S002"]


@pytest.mark.long
def test_a_watermark_does_not_hide_it(made: EngineStore) -> None:
    upgrade(opened(made))
    kept = watermarks_of(opened(made))
    kept.keep(cover(opened(made), kept, Level.quick, WHOLE))
    with opened(made).transaction() as connection:
        altered(Scribe(connection, opened(made).flavour))
    coverage = cover(opened(made), kept, Level.quick, WHOLE)
    assert coverage.instances == []
    assert [one.check.id for one in found(opened(made), coverage=coverage)] == ["S001"]


@pytest.mark.long
def test_the_ways_up_and_down_are_quiet(made: EngineStore) -> None:
    assert found(opened(made)) == []
    adopt(opened(made))
    assert found(opened(made)) == []
    for revision in reversed(["toolkit@base", *REVISIONS]):
        downgrade(opened(made), revision)
        pending = ["S002"] if revision in list(REVISIONS)[1:-1] else []
        assert [one.check.id for one in found(opened(made))] == pending, revision
    upgrade(opened(made), "t0002")
    (finding,) = found(opened(made))
    assert finding.cause == "revision-pending"
    assert finding.observed == {"pending": "t0003, t0004, t0005", "lacking": "none"}
    upgrade(opened(made))
    assert found(opened(made)) == []


@pytest.mark.long
def test_an_upgrade_mends_what_is_behind(made: EngineStore) -> None:
    upgrade(opened(made), "t0003")
    made.execute("DROP INDEX holystone_executions_status")
    assert [one.cause for one in found(opened(made))] == ["object-missing"]
    restore(opened(made))
    assert [one.cause for one in found(opened(made))] == ["revision-pending"]
    upgrade(opened(made))
    assert found(opened(made)) == []


@pytest.mark.long
def test_tables_of_which_no_revision_is_recorded_are_told(made: EngineStore) -> None:
    upgrade(opened(made))
    made.execute("DROP TABLE holystone_migrations")
    (finding,) = found(opened(made))
    assert finding.observed == {"pending": "none", "lacking": "the revision in holystone_migrations"}


@pytest.mark.long
def test_of_two_recorded_revisions_the_newer_one_counts(made: EngineStore) -> None:
    upgrade(opened(made))
    made.execute("INSERT INTO holystone_migrations VALUES ('t0002')")
    assert found(opened(made)) == []


@pytest.mark.long
def test_a_store_of_a_newer_holystone_is_not_behind(made: EngineStore) -> None:
    upgrade(opened(made))
    made.execute("UPDATE holystone_migrations SET version_num = 't0099'")
    assert found(opened(made)) == []


@pytest.mark.parametrize("flavour", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_newer_engine_is_named_and_not_judged(made: EngineStore) -> None:
    ledger = opened(made).flavour.ledger.name
    columns = {"sqlite": "description, success, checksum, execution_time", "postgresql": "name"}[made.flavour]
    values = {"sqlite": "'later', TRUE, x'00', 1", "postgresql": "'later'"}[made.flavour]
    made.execute(f"INSERT INTO {ledger} (version, {columns}) VALUES (20990101000000, {values})")
    (finding,) = found(opened(made), QUICK)
    assert (finding.check.id, finding.check.severity) == ("S006", Severity.info)
    assert "goes on after migration" in finding.message


@pytest.mark.long
@pytest.mark.parametrize("revision", ["s0001", "s0006", "s0011"])
def test_stores_of_older_schemas_are_quiet(tmp_path: Path, revision: str) -> None:
    assert found(create(str(tmp_path / "store.db"), revision), QUICK) == []


def test_store_that_the_engine_has_yet_to_complete_is_quiet(postgresql_schema: MakePlace) -> None:
    place = postgresql_schema()
    assert found(create(parse_target(place.target, place.schema)), select_checks(Level.deep)) == []


@pytest.mark.long
@pytest.mark.parametrize("level", [1, 2, 8, 12, 17, 21])
@pytest.mark.parametrize("version", ENGINES)
def test_stores_of_older_schemas_are_quiet_on_postgresql(
    version: str, level: int, postgresql_schema: MakePlace
) -> None:
    available(version)
    place = postgresql_schema()
    make_level(version, place, level)
    for change in (upgrade, adopt):
        assert found(Store.open(place.target, place.schema), QUICK) == []
        change(Store.open(place.target, place.schema))
    assert found(Store.open(place.target, place.schema), QUICK) == []


@pytest.mark.long
@pytest.mark.parametrize("flavour", ["postgresql"])
def test_other_checks_that_cannot_run_do_not_hide_it(made: EngineStore) -> None:
    made.execute("ALTER TABLE executions ALTER COLUMN execution_id TYPE text")
    scan = Scan(opened(made), QUICK)
    assert [finding.check.id for finding in scan] == ["S001"]
    assert scan.verdict is Verdict.incomplete
    assert scan.results["E001"].outcome is Outcome.failed


@contextmanager
def granted(made: EngineStore) -> Iterator[tuple[Callable[[str], None], str]]:
    """What grants a role more or less than to read what is there now, and the URL by which the role sees the store."""
    role = f"role_{Path(made.target).name}"
    url = make_url(made.target).set(username=role).render_as_string(hide_password=False)
    with psycopg.connect(made.target, autocommit=True) as owner:

        def run(statement: str) -> None:
            owner.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Identifier(SCHEMA)))

        for grant in (
            "CREATE ROLE {0} LOGIN",
            "GRANT USAGE ON SCHEMA {1} TO {0}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {1} TO {0}",
        ):
            run(grant)
        try:
            yield run, url
        finally:
            run("DROP OWNED BY {0}; DROP ROLE {0}")


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_a_role_that_may_not_read_our_revision_can_check(made: EngineStore) -> None:
    """It was granted SELECT on the engine's tables before there were others."""
    with granted(made) as (_, url):
        upgrade(opened(made))
        scan = Scan(Store.open(url, made.schema, read_only=True), WHOLE)
        assert list(scan) == []
    assert {id: result.outcome for id, result in scan.results.items()} == {
        "S001": Outcome.clean,
        "S002": Outcome.skipped,
    }
    assert scan.results["S002"].reason is not None
    assert "permission denied for table holystone_migrations" in scan.results["S002"].reason


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_a_role_that_may_not_read_a_table_checks_the_others(made: EngineStore) -> None:
    with granted(made) as (run, url):
        run("REVOKE SELECT ON {1}.worker_queue FROM {0}")
        with Store.open(url, made.schema, read_only=True).snapshots(3) as connections:
            assert len(connections) == 3
        # In a process that may fork others, as this one may not.
        command = [sys.executable, "-m", "holystone", "check", url, "--schema", str(made.schema), "--jobs", "3"]
        ran = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    outcomes = {check["id"]: check["outcome"] for check in json.loads(ran.stdout)["checks"]}
    assert (outcomes["Q003"], outcomes["E001"], outcomes["H001"]) == ("failed", "clean", "clean")
