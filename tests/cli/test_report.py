"""`check --format json` and jsonl: keys, types and meanings that others' scripts rely on."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import holystone
from holystone.pg_durable.tables import NO_EXTENSION
from holystone.scan.catalogue import checks

from .helpers import GHOST, Run, Sample

REPORT: dict[str, Any] = {
    "schema": int,
    "tool": {"name": str, "version": str},
    "store": {"target": str, "flavour": str, "engine_migration": str, "toolkit_revision": (str, type(None))},
    "level": str,
    "started_at": str,
    "duration_ms": int,
    "database_check_seconds": (float, type(None)),
    "verdict": str,
    "scanned": {"instances": int, "executions": int, "events": int},
}
CHECK = {"id": str, "name": str, "severity": str, "outcome": str, "count": int, "reason": (str, type(None))}
FINDING = {
    "check": str,
    "severity": str,
    "instance_id": str,
    "execution_id": (int, type(None)),
    "event_id": (int, type(None)),
    "row_id": (int, type(None)),
    "observed": dict,
    "expected": dict,
    "cause": (str, type(None)),
    "message": str,
    "repair": str,
    "fingerprint": str,
}


def assert_shape(thing: Any, shape: Any) -> None:
    if isinstance(shape, dict):
        assert shape.keys() <= thing.keys()
        for key in shape:
            assert_shape(thing[key], shape[key])
    else:
        assert isinstance(thing, shape)
        assert not isinstance(thing, bool)


@pytest.fixture
def ailing(drifted: Sample) -> Sample:
    """A store with findings about executions and about an instance, for which there are repairs of every kind."""
    drifted.execute(GHOST)
    drifted.execute("UPDATE instances SET current_execution_id = 1 WHERE instance_id = 'meter-42'")
    drifted.execute("DELETE FROM history WHERE instance_id = 'order-3'")
    return drifted


@pytest.fixture(params=["json", "jsonl"])
def report(request: pytest.FixtureRequest, run: Run, ailing: Sample) -> Any:
    """The report of an ailing store in either format, in the form of the first one."""
    result = run("check", *ailing.words, "--format", request.param)
    assert (result.status, result.err) == (1, "")
    if request.param == "json":
        return result.json
    *findings, last = [json.loads(line) for line in result.out.splitlines()]
    assert all(line.keys() == {"finding", "store"} for line in findings)
    assert all(line["store"].items() <= last["report"]["store"].items() for line in findings)
    assert last.keys() == {"report"}
    return {**last["report"], "findings": [line["finding"] for line in findings]}


def test_the_keys_and_their_types(report: Any) -> None:
    assert_shape(report, REPORT)
    for check in report["checks"]:
        assert_shape(check, CHECK)
    for finding in report["findings"]:
        assert_shape(finding, FINDING)


def test_who_reports_on_what(report: Any, ailing: Sample) -> None:
    assert report["schema"] == 1
    assert report["tool"] == {"name": "holystone", "version": holystone.__version__}
    assert report["store"]["flavour"] == ("sqlite" if ailing.schema is None else "postgresql")
    assert report["store"]["toolkit_revision"] is None
    assert report["level"] == "standard"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", report["started_at"])
    assert report["scanned"]["instances"] == 4
    assert report["scanned"]["executions"] == 6


def test_the_counts_agree_with_the_findings(report: Any) -> None:
    assert report["verdict"] == "drift"
    listed = [finding["check"] for finding in report["findings"]]
    for check in report["checks"]:
        assert check["count"] == listed.count(check["id"])
        assert (check["outcome"] == "found") == (check["count"] > 0)
        assert check["severity"] == checks().get(check["id"]).severity.name
    assert set(listed) <= {check["id"] for check in report["checks"]}


def finding(report: Any, check: str, instance_id: str) -> dict[str, Any]:
    (one,) = [one for one in report["findings"] if (one["check"], one["instance_id"]) == (check, instance_id)]
    return dict(one)


def test_a_finding_about_an_execution(report: Any) -> None:
    one = finding(report, "E001", "order-1")
    assert (one["execution_id"], one["event_id"], one["row_id"]) == (1, None, None)
    assert one["observed"] == {"status": "Running"}
    assert one["expected"] == {"status": "Completed"}
    assert (one["severity"], one["cause"], one["repair"]) == ("critical", "stale-running", "safe")
    assert re.fullmatch("[0-9a-f]{16}", one["fingerprint"])


def test_a_finding_about_an_instance_has_no_execution(report: Any) -> None:
    one = finding(report, "I001", "meter-42")
    assert (one["execution_id"], one["event_id"], one["row_id"]) == (None, None, None)
    assert one["observed"] == {"current_execution_id": 1}
    assert one["expected"] == {"current_execution_id": 2}


def test_a_moment_is_json_on_both_flavours(report: Any, ailing: Sample) -> None:
    expected = finding(report, "E003", "order-2")["expected"]["completed_at"]
    assert isinstance(expected, int if ailing.schema is None else str)


@pytest.mark.parametrize(("check", "repair"), [("E003", "safe"), ("E007", "unsafe"), ("E008", "none")])
def test_each_finding_says_whether_it_can_be_mended(report: Any, check: str, repair: str) -> None:
    assert {one["repair"] for one in report["findings"] if one["check"] == check} == {repair}


def test_a_fingerprint_outlives_the_values(run: Run, drifted: Sample) -> None:
    def fingerprints() -> dict[str, str]:
        found = run("check", *drifted.words, "--format", "json").json["findings"]
        return {one["check"]: one["fingerprint"] for one in found}

    before = fingerprints()
    drifted.execute("UPDATE executions SET status = 'ContinuedAsNew' WHERE instance_id = 'order-1'")
    assert fingerprints()["E001"] == before["E001"]
    assert len(set(before.values())) == len(before)


def test_a_clean_store_has_a_clean_report(run: Run, healthy: Sample) -> None:
    result = run("check", *healthy.words, "--format", "json")
    assert result.status == 0
    assert (result.json["verdict"], result.json["findings"]) == ("clean", [])
    assert {check["outcome"] for check in result.json["checks"]} <= {"clean", "skipped"}


def test_a_check_of_the_other_flavour_is_skipped_with_a_reason(run: Run, postgresql_store: Sample) -> None:
    outcomes = {
        check["id"]: check for check in run("check", *postgresql_store.words, "--format", "json").json["checks"]
    }
    for check in checks():
        if check.id in outcomes:
            of_extension = outcomes[check.id]["reason"] == NO_EXTENSION
            skipped = "postgresql" not in check.flavours or of_extension
            assert (outcomes[check.id]["outcome"] == "skipped") == skipped
            assert (outcomes[check.id]["reason"] is not None) == skipped
            assert of_extension == (check.id[0] == "D")


def test_the_journals_revision_is_told_once_it_is_there(run: Run, healthy: Sample) -> None:
    run("migrate", "upgrade", *healthy.words)
    assert run("check", *healthy.words, "--format", "json").json["store"]["toolkit_revision"]
    assert run("migrate", "status", *healthy.words, "--format", "json").json["pending"] == []


def test_the_file_of_output_holds_what_stdout_would(run: Run, sqlite_store: Sample, tmp_path: Any) -> None:
    file = tmp_path / "report.json"
    result = run("check", sqlite_store.target, "--format", "json", "--output", str(file))
    assert (result.status, result.out) == (0, "")
    assert json.loads(file.read_text())["verdict"] == "clean"


def test_the_databases_own_check_is_told_apart(run: Run, healthy: Sample) -> None:
    deep = run("check", *healthy.words, "--level", "deep", "--format", "json").json
    assert 0 < deep["database_check_seconds"] <= deep["duration_ms"] / 1000 + 0.01
    said = r"In \d+\.\d\d s of them the database checked itself"
    assert re.search(said, run("check", *healthy.words, "--level", "deep").out)
    assert run("check", *healthy.words, "--format", "json").json["database_check_seconds"] is None
    assert not re.search(said, run("check", *healthy.words).out)
