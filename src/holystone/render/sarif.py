"""SARIF 2.1.0: each store a run, each finding a result; what code scanning reads."""

from pathlib import Path
from shutil import copyfileobj
from typing import Any

from holystone.printable import one_line
from holystone.render.json import dump
from holystone.render.report import Summary, Unavailable, this_tool
from holystone.render.report_writer import Part, ReportMerger, ReportWriter, in_words, name_of
from holystone.scan.check import Check, Severity
from holystone.scan.finding import Finding

_BEGIN = '{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [\n'
_END = "\n]}\n"
_LEVELS = {Severity.critical: "error", Severity.error: "error", Severity.warning: "warning", Severity.info: "note"}


class Writer(ReportWriter):
    """Writes a run: the results as they are found, the rules that they name at the end."""

    listed = 0

    def add(self, found: Finding) -> None:
        if self.layout.limit is not None and self.listed >= self.layout.limit:
            return
        self.out.write(",\n  " if self.listed else self._begin())
        self.out.write(dump(_result(found, _artifact(str(self.scan.store.target)))))
        self.listed += 1

    def end(self, summary: Summary) -> None:
        rules = [_rule(result.check) for result in self.scan.results.values() if result.count]
        failed = [result for result in summary.checks if result.outcome == "failed"]
        notes = [_note(f"{result.id}: {result.reason}", result.id) for result in failed]
        notes += [_note(message, None) for message in summary.not_loaded]
        notes += [_note(f"{row.key}: {row.reason}", result.id) for result in summary.checks for row in result.unread]
        self.out.write("" if self.listed else self._begin())
        self.out.write(f"\n ],\n {_members(summary.verdict, rules, notes, summary.started_at)}}}")
        self.out.write("" if self.layout.several else _END)

    def _begin(self) -> str:
        return ("" if self.layout.several else _BEGIN) + '{"results": [\n  '


class Merger(ReportMerger):
    """Writes the runs of all stores."""

    begun = False

    def add(self, part: Part) -> None:
        self.out.write(",\n" if self.begun else _BEGIN)
        self.begun = True
        if part.text is not None:
            copyfileobj(part.text, self.out)
        if isinstance(part.summary, Unavailable):
            said = _note(f"{name_of(part.summary)}: {part.summary.error.message}", None)
            self.out.write('{"results": [],\n ' + _members("incomplete", [], [said], None) + "}")

    def end(self) -> None:
        self.out.write(_END)


def _result(found: Finding, artifact: dict[str, Any]) -> dict[str, Any]:
    of = [one_line(str(part)) for part in (found.instance_id, found.execution_id, found.event_id) if part is not None]
    return {
        "ruleId": found.check.id,
        "level": _LEVELS[found.severity],
        "message": {"text": in_words(found)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": "/".join(of) or "store", "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"holystone/v1": found.fingerprint},
    }


def _artifact(target: str) -> dict[str, Any]:
    """Return the store as a place: a file, or the URL of a database."""
    if "://" in target:
        return {"uri": target}
    path = Path(target)
    return {"uri": path.as_uri() if path.is_absolute() else path.as_posix().replace("%", "%25").replace(" ", "%20")}


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.name,
        "shortDescription": {"text": one_line(check.title)},
        "fullDescription": {"text": one_line(check.harm)},
        "help": {"text": f"holystone explain {check.id}"},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
    }


def _note(text: str, check: str | None) -> dict[str, Any]:
    note: dict[str, Any] = {"level": "error", "message": {"text": one_line(text)}}
    return note if check is None else {**note, "associatedRule": {"id": check}}


def _members(verdict: str, rules: list[Any], notes: list[Any], started_at: str | None) -> str:
    """Return what a run has beside its results, as members of an object."""
    tool = this_tool()
    driver = {"name": tool.name, "version": tool.version, "rules": rules}
    invocation: dict[str, Any] = {
        "executionSuccessful": verdict != "incomplete",
        "toolExecutionNotifications": notes,
    }
    if started_at is not None:
        invocation["startTimeUtc"] = started_at
    return f'"tool": {dump({"driver": driver})},\n "invocations": [{dump(invocation)}]'
