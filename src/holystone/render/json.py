"""JSON: one object for a check, as others' scripts read it."""

import json
from shutil import copyfileobj
from typing import Any, TextIO

from holystone.render.report import Summary, finding, this_tool, to_json
from holystone.render.report_writer import Layout, Part, ReportMerger, ReportWriter, verdict_of
from holystone.scan import finding as scanned

_BEGIN = '{"schema": 1,\n "findings": ['


class Writer(ReportWriter):
    """Writes the object member by member: the findings first."""

    listed = 0

    def add(self, found: scanned.Finding) -> None:
        if self.layout.limit is None or self.listed < self.layout.limit:
            # Nothing is written before there is something to say: a scan that fails at once leaves no half of a report.
            self.out.write(("," if self.listed else _BEGIN) + "\n  " + dump(to_json(finding(self.scan.store, found))))
            self.listed += 1

    def end(self, summary: Summary) -> None:
        self.out.write("\n ]" if self.listed else f"{_BEGIN}]")
        for key, value in to_json(summary).items():
            self.out.write(f",\n {dump(key)}: {dump(value)}")
        self.out.write("}\n")


class Merger(ReportMerger):
    """Writes one object, in which the parts are the members of an array."""

    def __init__(self, out: TextIO, layout: Layout) -> None:
        super().__init__(out, layout)
        self.verdicts: set[str] = set()

    def add(self, part: Part) -> None:
        self.out.write(",\n" if self.verdicts else self._begin())
        if part.text is None:
            self.out.write(dump(to_json(part.summary)))
        else:
            copyfileobj(part.text, self.out)
        self.verdicts.add(part.summary.verdict)

    def end(self) -> None:
        self.out.write("" if self.verdicts else self._begin())
        self.out.write(f'], "verdict": {dump(verdict_of(self.verdicts))}}}\n')

    def _begin(self) -> str:
        return f'{{"schema": 1, "tool": {dump(to_json(this_tool()))}, "reports": [\n'


def dump(value: Any) -> str:
    """Return `value` as JSON on one line; ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(value)
