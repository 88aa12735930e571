"""Markdown, for the summary of a CI job or a comment on a change: a table of what was found, and the next command."""

from shutil import copyfileobj
from typing import TextIO

from holystone.printable import one_line
from holystone.render.report import Summary, Unavailable
from holystone.render.report_writer import ExamplesWriter, Layout, Part, ReportMerger, name_of
from holystone.render.terminal import command, counted
from holystone.scan.check import Severity

EXAMPLES = 3
"""Findings listed of each check, unless the user says how many to list in all."""
_VERDICTS = {"clean": "Clean", "drift": "Drift", "incomplete": "Incomplete"}
_ESCAPED = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]<>#|!"}


class Writer(ExamplesWriter):
    """Writes a heading with the verdict, then the checks that found something, worst first."""

    each = EXAMPLES

    def end(self, summary: Summary) -> None:
        write = self.out.write
        write(f"### {_VERDICTS[summary.verdict]}: {_plain(name_of(summary))}\n\n")
        found = [result for result in self.scan.results.values() if result.count]
        if found:
            write("| check | severity | findings | what | more |\n|---|---|---:|---|---|\n")
        for result in sorted(found, key=lambda result: -(result.worst or Severity.info)):
            check, worst = result.check, result.worst or result.check.severity
            what, more = _plain(check.title), f"`holystone explain {check.id}`"
            write(f"| {check.id} {_plain(check.name)} | {worst.name} | {result.count:,} | {what} | {more} |\n")
        for result in found:
            write(f"\n<details><summary>{result.check.id}: {counted(result.count, 'finding')}</summary>\n\n")
            examples = self.examples.of(result.check.id)
            for words in examples:
                write(f"* {_plain(words)}\n")
            if result.count > len(examples):
                write(f"* and {result.count - len(examples):,} more\n")
            write("\n</details>\n")
        for row in summary.checks:
            if row.outcome == "failed" or row.unread:
                why = row.reason or f"{counted(len(row.unread), 'row')} not looked at"
                write(f"\n**Not checked:** {row.id} {_plain(row.name)}: {_plain(why)}\n")
        for message in summary.not_loaded:
            write(f"\n**Not loaded:** {_plain(message)}\n")
        if summary.repairs.keys() - {"none"}:
            write(f"\nNext:\n\n    {command(self.scan.store, 'repair plan', *self.scan.selected_by)}\n")
        write("\n")


class Merger(ReportMerger):
    """Writes the reports of the stores that are not clean, and of all where that was asked for, then a table of all."""

    def __init__(self, out: TextIO, layout: Layout) -> None:
        super().__init__(out, layout)
        self.rows: list[str] = []

    def add(self, part: Part) -> None:
        summary, out = part.summary, self.out
        if isinstance(summary, Unavailable):
            out.write(f"### Incomplete: {_plain(name_of(summary))}\n\n{_plain(summary.error.message)}\n\n")
            out.write(f"Next: {_plain(summary.error.next_step)}\n\n")
        elif part.text is not None and (summary.verdict != "clean" or self.layout.verbose):
            copyfileobj(part.text, out)
        count = "" if isinstance(summary, Unavailable) else f"{sum(summary.severities.values()):,}"
        self.rows.append(f"| {_plain(name_of(summary))} | {_VERDICTS[summary.verdict]} | {count} |\n")

    def end(self) -> None:
        self.out.write("| store | verdict | findings |\n|---|---|---:|\n")
        self.out.writelines(self.rows)


def _plain(text: str) -> str:
    """Return the text so that nothing in it is markup."""
    return one_line(text).translate(_ESCAPED)
