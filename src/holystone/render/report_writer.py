"""What a format of `check` has to answer for: the report of one store, and that of several as one."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, TextIO

from msgspec import Struct

from holystone.printable import one_line
from holystone.render.report import Summary, Unavailable
from holystone.render.terminal import key_of, quoted
from holystone.scan.finding import Finding
from holystone.scan.scan import Scan


@dataclass(frozen=True)
class Layout:
    """How a report is to be written.

    `limit` is the number of findings to list in all, None for as many as the format lists by itself; `fail_on` the
    severity, by name, from which a finding counts as a failure, "never" for none. `verbose` asks for what came of
    each check. `several` says that the report is a part of one about several stores. `before` is what the file held
    that the report will replace.
    """

    limit: int | None = None
    fail_on: str = "error"
    verbose: bool = False
    several: bool = False
    before: str = ""


class Part(Struct, frozen=True):
    """What is known of one store of several: what its writer has written, unless it could not be checked."""

    summary: Summary | Unavailable
    text: TextIO | None


class ReportWriter(ABC):
    """Writes the report of one store while it is checked, so that a million findings take no more memory than ten."""

    reads_file_before: ClassVar[bool] = False
    """Whether the report repeats something of the one that it replaces."""

    def __init__(self, scan: Scan, out: TextIO, layout: Layout) -> None:
        self.scan = scan
        self.out = out
        self.layout = layout

    @abstractmethod
    def add(self, finding: Finding) -> None:
        """Write a finding, or keep what the end needs of it: not its values, which may be long."""

    @abstractmethod
    def end(self, summary: Summary) -> None:
        """Write the rest, once the scan is over."""


class ReportMerger(ABC):
    """Writes the report of several stores out of the parts that writers wrote of each, in the order of the stores."""

    def __init__(self, out: TextIO, layout: Layout) -> None:
        self.out = out
        self.layout = layout

    @abstractmethod
    def add(self, part: Part) -> None:
        """Write what is known of a store, or keep its summary for the end."""

    @abstractmethod
    def end(self) -> None:
        """Write the rest, once all stores are checked."""


class Examples:
    """The first findings of each check in words: `each` of them a check, or `limit` of them in all."""

    def __init__(self, each: int, limit: int | None) -> None:
        self._each = each
        self._limit = limit
        self.listed = 0
        self._of: dict[str, list[str]] = defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Keep a finding in words where it is one of the first."""
        of_check = self._of[finding.check.id]
        if len(of_check) < self._each if self._limit is None else self.listed < self._limit:
            of_check.append(in_words(finding))
            self.listed += 1

    def of(self, check: str) -> list[str]:
        """Return what was kept of a check."""
        return self._of[check]


class ExamplesWriter(ReportWriter):
    """Keeps the first findings of each check in words, for a report that is written at the end of the scan."""

    each: ClassVar[int]
    """Findings listed of each check, unless the user says how many to list in all."""

    def __init__(self, scan: Scan, out: TextIO, layout: Layout) -> None:
        super().__init__(scan, out, layout)
        self.examples = Examples(self.each, layout.limit)

    def add(self, finding: Finding) -> None:
        self.examples.add(finding)


class SummariesMerger(ReportMerger):
    """Keeps the summaries alone, for a report of several stores that is written at the end."""

    def __init__(self, out: TextIO, layout: Layout) -> None:
        super().__init__(out, layout)
        self.summaries: list[Summary | Unavailable] = []

    def add(self, part: Part) -> None:
        self.summaries.append(part.summary)


def in_words(finding: Finding) -> str:
    """Return a finding as one line: the row, what is wrong with it, and why, where that is known."""
    cause = "" if finding.cause is None else f" ({one_line(finding.cause)})"
    return f"{key_of(finding.facts.key)}: {one_line(finding.message)}{cause}"


def verdict_of(verdicts: Collection[str]) -> str:
    """Return the verdict on several stores: the worst of theirs."""
    return next((verdict for verdict in ("incomplete", "drift") if verdict in verdicts), "clean")


def name_of(summary: Summary | Unavailable) -> str:
    """Return the store as a user names it: its target, and the schema where there is one."""
    store = summary.store
    return one_line(store.target if store.schema is None else f"{store.target} --schema {quoted(store.schema)}")
