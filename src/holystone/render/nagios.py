"""One line for Nagios, Icinga and their like, with performance data, and the exit status that they read."""

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum

from holystone.printable import one_line
from holystone.render.report import Summary, Unavailable
from holystone.render.report_writer import ReportWriter, SummariesMerger, name_of
from holystone.render.terminal import counted
from holystone.scan.check import Severity
from holystone.scan.finding import Finding


class State(IntEnum):
    """The states of a service, as a plug-in's exit status says them: the Monitoring Plugins' guidelines."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Writer(ReportWriter):
    """Writes one line at the end; findings are counted alone."""

    def add(self, found: Finding) -> None:
        pass

    def end(self, summary: Summary) -> None:
        if not self.layout.several:
            self.out.write(_line([summary], self.layout.fail_on))


class Merger(SummariesMerger):
    """Writes all at the end."""

    def end(self) -> None:
        self.out.write(_line(self.summaries, self.layout.fail_on))


def state(summaries: Sequence[Summary | Unavailable], fail_on: str) -> State:
    """Return the state: CRITICAL where a finding is as severe as `fail_on`, else WARNING from a warning on.

    UNKNOWN where that is not so, and something could not be looked at.
    """
    worst = max((Severity[name] for name in _severities(summaries)), default=None)
    if fail_on != "never" and worst is not None and worst >= Severity[fail_on]:
        return State.CRITICAL
    if any(summary.verdict == "incomplete" for summary in summaries):
        return State.UNKNOWN
    return State.WARNING if worst is not None and worst >= Severity.warning else State.OK


def unknown(message: str) -> str:
    """Return the line that says why nothing is known."""
    return f"HOLYSTONE UNKNOWN - {_text(message)}\n"


def _line(summaries: Sequence[Summary | Unavailable], fail_on: str) -> str:
    severities = _severities(summaries)
    total = severities.total()
    by_severity = [
        f"{severities[one.name]:,} {one.name}" for one in sorted(Severity, reverse=True) if severities[one.name]
    ]
    said = [f"{counted(total, 'finding')} ({', '.join(by_severity)})" if total else "no findings"]
    unseen = [summary for summary in summaries if summary.verdict == "incomplete"]
    if unseen:
        said.append(f"not all could be looked at in {', '.join(map(name_of, unseen[:3]))}{' …' if unseen[3:] else ''}")
    elif len(summaries) == 1:
        said.append(name_of(summaries[0]))
    if len(summaries) != 1:
        said.append(counted(len(summaries), "store"))
    seconds = sum(summary.duration_ms for summary in summaries if isinstance(summary, Summary)) / 1000
    numbers = {"findings": total, **{one.name: severities[one.name] for one in sorted(Severity, reverse=True)}}
    data = [*(f"{name}={number};;;0" for name, number in numbers.items()), f"stores={len(summaries)};;;0"]
    data += [f"unseen={len(unseen)};;;0", f"time={seconds:.3f}s;;;0"]
    return f"HOLYSTONE {state(summaries, fail_on).name} - {_text('; '.join(said))} | {' '.join(data)}\n"


def _severities(summaries: Sequence[Summary | Unavailable]) -> Counter[str]:
    total: Counter[str] = Counter()
    for summary in summaries:
        if isinstance(summary, Summary):
            total.update(summary.severities)
    return total


def _text(words: str) -> str:
    """Return the words as one line without the mark from which performance data begin."""
    return one_line(words).replace("|", "/")
