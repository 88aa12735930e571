"""Each format of `check` is what its own reader takes, for one store and for several."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import copy, which
from typing import Any
from xml.etree import ElementTree

import pytest
import sarif_pydantic
from junitparser import Error, Failure, JUnitXml, TestSuite
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from holystone.render import CHECK_FORMATS

from .helpers import STALE, Run, Sample

ODD = "odd <&>\"'|*_`\\ name\n# not a heading"
WITH_ODD_NAMES = f"""
    UPDATE executions SET instance_id = '{ODD.replace("'", "''")}' WHERE instance_id = 'order-1';
    UPDATE instances SET instance_id = '{ODD.replace("'", "''")}' WHERE instance_id = 'order-1';
    UPDATE history SET instance_id = '{ODD.replace("'", "''")}' WHERE instance_id = 'order-1';
"""
NAGIOS = re.compile(
    r"^HOLYSTONE (?P<state>OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \|(?P<data>( [a-z_]+=[\d.]+(s)?;;;0)+)\n\Z"
)
"""A line of a plug-in: the Monitoring Plugins' guidelines, `Plugin Output` and `Performance data`."""


@pytest.fixture
def several(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with a clean store, a drifted one, and one that cannot be read."""
    for name in ("clean", "drifted", "half"):
        copy(sqlite_template, tmp_path / f"{name}.db")
    Sample(str(tmp_path / "drifted.db")).execute(STALE)
    (tmp_path / "half.db").write_bytes(sqlite_template.read_bytes()[:5000])
    return tmp_path


def samples_of(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), "a sample that is there twice is refused"
            found[sample.name][labels] = sample.value
    return found


def junit(text: str) -> Any:
    return JUnitXml.fromstring(text.encode())


def sarif(text: str) -> Any:
    document = json.loads(text)
    assert document["version"] == "2.1.0"
    return sarif_pydantic.Sarif.model_validate(document)


def jsonl(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def markdown(text: str) -> list[Any]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert not [token for token in tokens if token.type == "html_inline"], "nothing of a store is markup"
    return tokens


def nagios(text: str) -> Any:
    found = NAGIOS.match(text)
    assert found is not None, text
    return found


READERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "jsonl": jsonl,
    "junit": junit,
    "markdown": markdown,
    "nagios": nagios,
    "prometheus": samples_of,
    "sarif": sarif,
    "text": str.splitlines,
}


def test_every_format_has_its_reader() -> None:
    assert READERS.keys() == set(CHECK_FORMATS)


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_its_reader_takes_each_verdict(run: Run, drifted: Sample, format: str, tmp_path: Path) -> None:
    found = run("check", *drifted.words, "--format", format)
    clean = run("check", *drifted.words, "--format", format, "--select", "E002")
    unseen = run("check", *drifted.words, "--format", format, "--instance", "nobody-*")
    assert (found.status, clean.status, unseen.status) == ((2, 0, 3) if format == "nagios" else (1, 0, 2))
    for result in (found, clean, unseen):
        assert READERS[format](result.out)


@pytest.mark.parametrize("format", CHECK_FORMATS)
def test_its_reader_takes_any_name(run: Run, sqlite_store: Sample, format: str) -> None:
    sqlite_store.execute(STALE + WITH_ODD_NAMES)
    READERS[format](run("check", *sqlite_store.words, "--format", format).out)


@pytest.mark.parametrize("format", CHECK_FORMATS)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_its_reader_takes_several_stores(run: Run, several: Path, format: str, jobs: str) -> None:
    result = run("check", str(several), "--format", format, "--jobs", jobs)
    assert result.status == 2
    READERS[format](result.out)
    assert str(several / "half.db") in result.err


def test_junit_counts_as_the_report_does(run: Run, drifted: Sample) -> None:
    report = run("check", *drifted.words, "--format", "json").json
    [suite] = junit(run("check", *drifted.words, "--format", "junit").out)
    cases = {case.name.split()[0]: case.result for case in suite}
    assert cases.keys() == {check["id"] for check in report["checks"]}
    failed = {id for id, results in cases.items() if any(isinstance(one, Failure) for one in results)}
    assert failed == {check["id"] for check in report["checks"] if check["outcome"] == "found"}
    assert suite.failures == len(failed)
    assert suite.tests == len(cases)
    assert suite.skipped == sum(check["outcome"] == "skipped" for check in report["checks"])


def test_junit_fails_from_the_severity_that_was_asked_for(run: Run, drifted: Sample) -> None:
    [suite] = junit(run("check", *drifted.words, "--format", "junit", "--fail-on", "critical").out)
    failed = [case.name for case in suite if any(isinstance(one, Failure) for one in case.result)]
    assert failed == ["E001 status-mismatch"]


def test_junit_tells_of_what_could_not_be_looked_at(run: Run, several: Path) -> None:
    suites: list[TestSuite] = list(junit(run("check", str(several), "--format", "junit").out))
    assert [Path(str(suite.name)).stem for suite in suites] == ["clean", "drifted", "half"]
    assert [suite.errors for suite in suites] == [0, 0, 1]
    [case] = suites[2]
    assert isinstance(case.result[0], Error)


def test_junit_is_plain_xml(run: Run, drifted: Sample) -> None:
    root = ElementTree.fromstring(run("check", *drifted.words, "--format", "junit").out)
    assert root.tag == "testsuites"


def test_sarif_has_a_result_for_each_finding(run: Run, drifted: Sample) -> None:
    report = run("check", *drifted.words, "--format", "json").json
    [scanned] = sarif(run("check", *drifted.words, "--format", "sarif").out).runs
    assert [result.rule_id for result in scanned.results] == [finding["check"] for finding in report["findings"]]
    prints = [result.partial_fingerprints["holystone/v1"] for result in scanned.results]
    assert prints == [finding["fingerprint"] for finding in report["findings"]]
    rules = {rule.id for rule in scanned.tool.driver.rules}
    assert rules == {finding["check"] for finding in report["findings"]}
    assert scanned.invocations[0].execution_successful


def test_sarif_says_where_a_run_was_not_whole(run: Run, several: Path) -> None:
    runs = sarif(run("check", str(several), "--format", "sarif").out).runs
    assert [one.invocations[0].execution_successful for one in runs] == [True, True, False]


def test_prometheus_counts_by_check_and_never_by_instance(run: Run, drifted: Sample) -> None:
    report = run("check", *drifted.words, "--format", "json").json
    found = samples_of(run("check", *drifted.words, "--format", "prometheus").out)
    labels = {name for samples in found.values() for key in samples for name, _ in key}
    assert labels <= {"store", "schema", "check", "name", "severity", "verdict", "kind", "version"}
    counts = {dict(key)["check"]: value for key, value in found["holystone_check_findings"].items()}
    assert counts == {check["id"]: check["count"] for check in report["checks"] if check["outcome"] != "skipped"}
    verdicts = {dict(key)["verdict"]: value for key, value in found["holystone_check_verdict"].items()}
    assert verdicts == {"clean": 0, "drift": 1, "incomplete": 0}


def test_prometheus_keeps_when_a_check_last_saw_all(run: Run, drifted: Sample, tmp_path: Path) -> None:
    file = tmp_path / "holystone.prom"
    name = "holystone_check_last_success_timestamp_seconds"
    words = ("check", *drifted.words, "--report", f"prometheus={file}")
    assert run(*words, "--instance", "nobody").status == 2
    assert name not in samples_of(file.read_text())
    assert run(*words).status == 1
    seen = samples_of(file.read_text())
    assert run(*words, "--instance", "nobody").status == 2
    later = samples_of(file.read_text())
    assert later[name] == seen[name]
    run_at = "holystone_check_last_run_timestamp_seconds"
    assert max(later[run_at].values()) > max(seen[run_at].values())


def test_prometheus_takes_a_store_that_is_named_twice(run: Run, sqlite_store: Sample) -> None:
    folder = str(Path(sqlite_store.target).parent)
    samples_of(run("check", sqlite_store.target, folder, "--format", "prometheus").out)


def test_promtool_has_nothing_to_say(run: Run, drifted: Sample) -> None:
    promtool = which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; Debian has it in the package prometheus")
    text = run("check", *drifted.words, "--format", "prometheus").out
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "state", "status"),
    [
        ([], "CRITICAL", 2),
        (["--fail-on", "never"], "WARNING", 1),
        (["--select", "E003", "--fail-on", "critical"], "WARNING", 1),
        (["--select", "E002"], "OK", 0),
        (["--instance", "nobody"], "UNKNOWN", 3),
    ],
)
def test_nagios_reads_its_state(run: Run, drifted: Sample, words: list[str], state: str, status: int) -> None:
    result = run("check", *drifted.words, "--format", "nagios", *words)
    assert (nagios(result.out)["state"], result.status) == (state, status)


def test_markdown_has_a_table_of_what_was_found(run: Run, drifted: Sample) -> None:
    tokens = markdown(run("check", *drifted.words, "--format", "markdown").out)
    cells = [token.content for token in tokens if token.type == "inline"]
    assert "E001 status-mismatch" in cells
    assert cells.index("E001 status-mismatch") < cells.index("E003 completed-at-missing"), "critical first"
    assert sum(token.type == "tr_open" for token in tokens) == 3


def test_several_reports_come_of_one_run(run: Run, drifted: Sample, tmp_path: Path) -> None:
    words = [word for format in CHECK_FORMATS for word in ("--report", f"{format}={tmp_path / format}")]
    result = run("check", *drifted.words, *words)
    assert result.status == 1
    for format in CHECK_FORMATS:
        READERS[format]((tmp_path / format).read_text())
    assert (tmp_path / "text").read_text() == result.out


@pytest.mark.parametrize("report", ["junit", "junit=", "nope=x", "=x"])
def test_a_report_without_format_or_file_is_refused(run: Run, sqlite_store: Sample, report: str) -> None:
    result = run("check", *sqlite_store.words, "--report", report)
    assert result.status == 2
    assert "should be FORMAT=FILE" in result.err
