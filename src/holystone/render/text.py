"""Text for people: what is wrong, what harm it does, some examples, and the next command to type."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from shutil import copyfileobj
from typing import TextIO

import click

from holystone.mend.repair import Safety, repairs
from holystone.pg_durable.tables import NO_EXTENSION
from holystone.printable import one_line
from holystone.render.messages import echo
from holystone.render.report import Summary, Unavailable
from holystone.render.report_writer import ExamplesWriter, Layout, Part, ReportMerger, name_of
from holystone.render.terminal import command, counted, key_of, wrapped
from holystone.render.timestamps import moment_of
from holystone.scan.check import NoRepair, Severity
from holystone.scan.result import Outcome, Result, Verdict
from holystone.scan.scan import Scan
from holystone.scan.watermark import Coverage

SAFE_UNLESS = "safe, unless the plan finds more wrong in the same instance"
"""What a check can say of a safe repair: it has not looked at all that the plan looks at."""
EXAMPLES = 3
"""Findings shown of each check, unless the user says how many to show in all."""

_COLOURS = {Severity.critical: "magenta", Severity.error: "red", Severity.warning: "yellow", Severity.info: "blue"}


class Writer(ExamplesWriter):
    """Keeps some examples of each check while the scan goes on, and writes all at its end."""

    each = EXAMPLES

    def end(self, summary: Summary) -> None:
        scan, out = self.scan, self.out
        found = [result for result in scan.results.values() if result.outcome is Outcome.found]
        for result in sorted(found, key=lambda result: -(result.worst or Severity.info)):
            _write_found(result, self.examples.of(result.check.id), out)
        for reason, failed in groupby(sorted(_failed(scan), key=_reason), key=_reason):
            names = [one_line(f"{result.check.id} {result.check.name}") for result in failed]
            which = "" if len(names) == len(_asked(scan)) > 1 else f" Not checked: {', '.join(names)}."
            echo(wrapped(f"{one_line(reason)}{which}") + "\n", file=out)
        for error in scan.unloaded:
            echo(wrapped(one_line(error.message)) + "\n", file=out)
        _write_unread(scan, out)
        if self.layout.verbose:
            _write_outcomes(scan, out)
        _write_summary(scan, summary, self.examples.listed, out)


class Merger(ReportMerger):
    """Writes the reports of the stores that are not clean, and of all where that was asked for, then how many are."""

    def __init__(self, out: TextIO, layout: Layout) -> None:
        super().__init__(out, layout)
        self.outcomes: Counter[str] = Counter()

    def add(self, part: Part) -> None:
        summary, out = part.summary, self.out
        if isinstance(summary, Unavailable):
            self.outcomes["not checked"] += 1
            echo(wrapped(f"{name_of(summary)}: {one_line(summary.error.message)}") + "\n", file=out)
            return
        self.outcomes[_IN_WORDS[summary.verdict]] += 1
        if part.text is not None and (summary.verdict != "clean" or self.layout.verbose):
            copyfileobj(part.text, out)
            echo("", file=out)

    def end(self) -> None:
        said = [
            f"{self.outcomes[what]:,} {what}" for what in (*_IN_WORDS.values(), "not checked") if self.outcomes[what]
        ]
        colour = "green" if self.outcomes.keys() == {"clean"} else "red"
        total = counted(self.outcomes.total(), "store")
        echo(click.style(f"{total}: {', '.join(said)}.", fg=colour, bold=True), file=self.out)


_IN_WORDS = {"clean": "clean", "drift": "with drift", "incomplete": "incomplete"}


def _write_outcomes(scan: Scan, out: TextIO) -> None:
    """Write which configuration applied, and what came of each check."""
    echo(f"Configuration: {'none' if scan.policy.file is None else one_line(scan.policy.file)}.", file=out)
    for result in scan.results.values():
        what = counted(result.count, "finding") if result.outcome is Outcome.found else str(result.outcome)
        why = "" if result.reason is None else f", {result.reason}"
        echo(one_line(f"{result.check.id} {result.check.name}: {what}{why}"), file=out)
    echo("", file=out)


def _failed(scan: Scan) -> list[Result]:
    return [result for result in scan.results.values() if result.outcome is Outcome.failed]


def _asked(scan: Scan) -> list[Result]:
    return [result for result in scan.results.values() if result.outcome is not Outcome.skipped]


def _reason(result: Result) -> str:
    return str(result.reason)


def _write_unread(scan: Scan, out: TextIO) -> None:
    """Write which rows could not be looked at, each once, with the checks that wanted to."""
    by_row: dict[str, list[str]] = {}
    for result in scan.results.values():
        for unread in result.unread:
            by_row.setdefault(f"{key_of(unread.key)}: {one_line(unread.reason)}", []).append(result.check.id)
    for row, ids in by_row.items():
        echo(f"Not looked at by {', '.join(sorted(set(ids)))}: {row}.\n", file=out)


def _write_found(result: Result, examples: list[str], out: TextIO) -> None:
    check = result.check
    severity = click.style(check.severity.name, fg=_COLOURS[check.severity], bold=True)
    title = click.style(one_line(f"{check.id} {check.name}"), bold=True)
    echo(f"{title}  {severity}  {counted(result.count, 'finding')}", file=out)
    echo(wrapped(one_line(f"{check.title}. {check.harm}"), indent="  "), file=out)
    for words in examples:
        echo(f"    {words}", file=out)
    if result.count > len(examples):
        echo(f"    and {result.count - len(examples):,} more", file=out)
    if isinstance(check.repair, NoRepair):
        echo(wrapped(one_line(f"No repair: {check.repair.because}."), indent="  "), file=out)
    else:
        repair = repairs().by_id.get(check.repair)
        if repair is None:
            echo(wrapped(one_line(f"Repair: {check.repair}, which is not installed."), indent="  "), file=out)
            return
        offered = SAFE_UNLESS if repair.safety is Safety.safe else str(repair.safety)
        echo(wrapped(one_line(f"Repair ({offered}): {repair.title.lower()}."), indent="  "), file=out)
    echo(f"  More: holystone explain {check.id}\n", file=out)


def _write_coverage(coverage: Coverage, verified: bool, out: TextIO) -> None:
    if coverage.instances is None:
        echo(f"Looked at all instances: {coverage.why_all}.", file=out)
    else:
        assert coverage.since_ms is not None
        since = moment_of(coverage.since_ms)
        echo(f"Looked at {counted(len(coverage.instances), 'instance')} that changed since {since}.", file=out)
    if verified:
        full = (
            ""
            if coverage.instances is None
            else f"; all instances were last looked at {moment_of(coverage.full_at_ms)}"
        )
        echo(f"Verified up to {moment_of(coverage.begun_ms)}{full}.", file=out)
        echo("Edits by hand to older rows are seen by a look at all of them only.", file=out)


def _write_summary(scan: Scan, summary: Summary, listed: int, out: TextIO) -> None:
    results = scan.results.values()
    ran = [result for result in results if result.outcome in (Outcome.clean, Outcome.found)]
    skipped = [result for result in results if result.outcome is Outcome.skipped]
    elsewhere = [result for result in skipped if scan.store.flavour.name not in result.check.flavours]
    of_extension = [result for result in skipped if result.reason == NO_EXTENSION]
    looked_at = [
        counted(number, name[:-1].replace("_", " "))
        for name, number in scan.scanned.items()
        if number and name != "events"
    ]
    over = f" over {', '.join(looked_at)}" if looked_at else ""
    aside = f", {len(elsewhere)} not for this flavour" if elsewhere else ""
    aside += f", {len(of_extension)} for pg_durable alone" if of_extension else ""
    seconds = scan.duration_ms / 1000
    echo(f"{name_of(summary)}: {counted(len(ran), 'check')}{over} in {seconds:.2f} s{aside}.", file=out)
    if scan.database_check_seconds is not None:
        echo(f"In {scan.database_check_seconds:.2f} s of them the database checked itself (S009).", file=out)
    told = [result for result in skipped if result not in elsewhere and result not in of_extension]
    for reason, of_reason in groupby(told, key=_reason):
        names = ", ".join(f"{result.check.id} {result.check.name}" for result in of_reason)
        echo(one_line(f"{names}: skipped, {reason}."), file=out)
    if scan.satellites:
        whose = f"{counted(scan.satellites, 'instance')} that pg_durable runs for other databases"
        echo(f"Not held against pg_durable's rows: {whose} (satellites).", file=out)
    if scan.left_out:
        echo(f"Left out by --ignore: {', '.join(scan.left_out)}.", file=out)
    if scan.coverage is not None:
        _write_coverage(scan.coverage, scan.verifies, out)
    if scan.suppressed:
        echo(f"{counted(scan.suppressed, 'finding')} suppressed by the configuration.", file=out)
    if scan.baseline:
        echo(f"{counted(scan.baseline, 'finding')} of the baseline left out.", file=out)
    total = sum(result.count for result in results)
    if scan.verdict is Verdict.incomplete:
        failed = len(_failed(scan)) - len(scan.unfinished)
        said = [f"{counted(failed, 'check')} could not run"] if failed else []
        if scan.unfinished:
            said.append(f"{counted(len(scan.unfinished), 'check')} did not end in time")
        if scan.unloaded:
            said.append(f"{counted(len(scan.unloaded), 'plug-in')} could not be loaded")
        if scan.unread_instances:
            rows = len({repr(row.key) for result in results for row in result.unread})
            said.append(f"{counted(rows, 'row')} could not be looked at")
        what = " and ".join(said) or "every check was skipped"
        nothing = "" if ran else " Nothing was checked."
        echo(click.style(f"Incomplete: {what}.{nothing}", fg="red", bold=True), file=out)
    elif total:
        severities = ", ".join(f"{number:,} {name}" for name, number in _worst_first(summary.severities))
        echo(click.style(f"Drift: {counted(total, 'finding')}.", fg="red", bold=True), file=out)
        echo(f"{severities}; {_repairable(summary.repairs)}.", file=out)
        if listed < total:
            echo(f"{listed:,} of them are listed; --max-findings {total} lists all.", file=out)
        if summary.repairs.keys() - {"none"}:
            echo(f"Next: {command(scan.store, 'repair plan', *scan.selected_by)}", file=out)
    else:
        echo(click.style("Clean.", fg="green", bold=True), file=out)


def _worst_first(severities: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(severities.items(), key=lambda one: -Severity[one[0]])


def _repairable(repairs: Mapping[str, int]) -> str:
    """Return how many findings there are with each kind of repair."""
    kinds = [f"{repairs[kind]:,} {kind}" for kind in ("safe", "unsafe") if kind in repairs]
    said = [f"repairs: {', '.join(kinds)}"] if kinds else []
    return "; ".join([*said, *([f"{repairs['none']:,} that no program may repair"] if "none" in repairs else [])])
