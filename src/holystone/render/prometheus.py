"""Prometheus's text format, for the textfile collector: counts by store and check, and never one by instance."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

from holystone.printable import one_line
from holystone.render.report import Summary, Unavailable, this_tool
from holystone.render.report_writer import Layout, ReportWriter, SummariesMerger
from holystone.scan.finding import Finding

_SUCCESS = "holystone_check_last_success_timestamp_seconds"
_VERDICTS = ("clean", "drift", "incomplete")
_HELP = {
    "holystone_build_info": "Version of holystone that checked; always 1.",
    "holystone_check_verdict": "1 for the verdict of the last check of the store, 0 for the others.",
    "holystone_check_findings": "Findings of a check in the store, those of the baseline left out.",
    "holystone_check_scanned": "Rows of each kind that the last check looked at.",
    "holystone_check_duration_seconds": "Seconds that the last check took.",
    "holystone_check_last_run_timestamp_seconds": "When the store was last checked, whatever came of it.",
    _SUCCESS: "When a check could last look at all that it was to look at, whatever it found.",
}
_SAMPLE = re.compile(rf"^{_SUCCESS}(\{{.*\}}) (\S+)$", re.MULTILINE)

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]


class Writer(ReportWriter):
    """Writes all samples at the end, each metric's together, as the format demands."""

    reads_file_before = True

    def add(self, found: Finding) -> None:
        pass

    def end(self, summary: Summary) -> None:
        if not self.layout.several:
            _write([summary], self.out, self.layout)


class Merger(SummariesMerger):
    """Writes all at the end."""

    def end(self) -> None:
        _write(self.summaries, self.out, self.layout)


def _write(summaries: Iterable[Summary | Unavailable], out: TextIO, layout: Layout) -> None:
    succeeded = {labels: float(value) for labels, value in _SAMPLE.findall(layout.before)}
    samples: list[Sample] = [("holystone_build_info", (("version", this_tool().version),), 1)]
    now = time.time()
    for summary in summaries:
        samples += _samples(summary, now, succeeded)
    for name, help in _HELP.items():
        # A store that was named twice has each sample once: more are refused.
        of_metric = {labels: value for metric, labels, value in samples if metric == name}
        if of_metric:
            out.write(f"# HELP {name} {help}\n# TYPE {name} gauge\n")
        for labels, value in of_metric.items():
            out.write(f"{name}{_labels(labels)} {value!r}\n")


def _samples(summary: Summary | Unavailable, now: float, succeeded: Mapping[str, float]) -> Iterator[Sample]:
    store = (("store", summary.store.target), ("schema", summary.store.schema or ""))
    for verdict in _VERDICTS:
        yield "holystone_check_verdict", (*store, ("verdict", verdict)), float(summary.verdict == verdict)
    yield "holystone_check_last_run_timestamp_seconds", store, now
    success = now if summary.verdict != "incomplete" else succeeded.get(_labels(store))
    if success is not None:
        yield _SUCCESS, store, success
    if isinstance(summary, Unavailable):
        return
    yield "holystone_check_duration_seconds", store, summary.duration_ms / 1000
    for kind, rows in summary.scanned.items():
        yield "holystone_check_scanned", (*store, ("kind", kind)), float(rows)
    for result in summary.checks:
        if result.outcome in ("clean", "found"):
            labels = (*store, ("check", result.id), ("name", result.name), ("severity", result.severity))
            yield "holystone_check_findings", labels, float(result.count)


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return one_line(value).replace("\\", "\\\\").replace('"', '\\"')
