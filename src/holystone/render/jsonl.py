"""JSON lines: a finding a line as it is found, and the rest of the report in the last line of its store."""

from shutil import copyfileobj

from holystone.render.json import dump
from holystone.render.report import Summary, finding, to_json
from holystone.render.report_writer import Part, ReportMerger, ReportWriter
from holystone.scan import finding as scanned


class Writer(ReportWriter):
    """Writes the findings, each `{"finding": …, "store": …}`, then `{"report": …}`."""

    listed = 0

    def add(self, found: scanned.Finding) -> None:
        if self.layout.limit is None or self.listed < self.layout.limit:
            target = self.scan.store.target
            store = {"target": str(target), "schema": target.schema}
            self.out.write(dump({"finding": to_json(finding(self.scan.store, found)), "store": store}) + "\n")
            self.listed += 1

    def end(self, summary: Summary) -> None:
        self.out.write(dump({"report": {"schema": 1, **to_json(summary)}}) + "\n")


class Merger(ReportMerger):
    """Writes the lines of all stores."""

    def add(self, part: Part) -> None:
        if part.text is None:
            self.out.write(dump({"report": to_json(part.summary)}) + "\n")
        else:
            copyfileobj(part.text, self.out)

    def end(self) -> None:
        pass
