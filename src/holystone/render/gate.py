"""The verdict of the gate as text, JSON and Markdown."""

from collections.abc import Iterator, Sequence
from typing import TextIO

import click

from holystone.gate.model import Deployment, GateReport, RuleResult
from holystone.json_pieces import Writer
from holystone.printable import one_line
from holystone.render.messages import echo
from holystone.render.terminal import command, counted, wrapped
from holystone.store.open_store import OpenStore

_COLOURS = {"pass": "green", "refused": "red", "incomplete": "yellow", "unseen": "yellow"}
_LOCKS = {"none": "keeps nobody out", "writers": "keeps writers out", "everybody": "keeps everybody out"}


def write_gate(
    format: str, store: OpenStore, report: GateReport, out: TextIO, *, check_with: Sequence[str] = ()
) -> None:
    """Write the verdict in one of the formats; a `check` that it names looks for what was looked for, `check_with`."""
    if format == "json":
        Writer(indent=1).write(report.to_json(), out)
        out.write("\n")
        return
    lines = _markdown(report) if format == "markdown" else _text(store, report, check_with)
    for line in lines:
        echo(line, file=out)


def _text(store: OpenStore, report: GateReport, check_with: Sequence[str]) -> Iterator[str]:
    verdict = click.style(report.verdict, fg=_COLOURS[report.verdict], bold=True)
    yield f"{verdict}  {_store(report)}, engine migration {report.engine_migration or 'none recorded'}"
    for one in report.rules:
        if one.outcome not in ("pass", "not-asked"):
            outcome = click.style(one.outcome, fg=_COLOURS.get(one.outcome))
            yield f"\n{one.id} {one.name}  {one.severity}, {outcome}{_because(one)}"
            for sentence in one.found:
                yield wrapped(one_line(sentence), "  ")
            if one.count > len(one.found):
                yield f"  and {one.count - len(one.found):,} more"
            if one.next_step and one.outcome != "waived":
                yield _next(store, one.next_step, check_with)
    if report.deployment is not None:
        yield ""
        yield from (wrapped(one_line(line), "  ", "") for line in _deployment(report.deployment))
    yield f"\n{_counts(report)}"


def _store(report: GateReport) -> str:
    """Return the store as a command line names it: two of one database differ in their schemas alone."""
    schema = "" if report.store_schema is None else f" --schema {report.store_schema}"
    return one_line(f"{report.target}{schema}")


def _markdown(report: GateReport) -> Iterator[str]:
    yield f"## Gate: {report.verdict}\n"
    yield f"{_cell(_store(report))}, engine migration {report.engine_migration or 'none recorded'}\n"
    yield "| rule | severity | outcome | found |\n|---|---|---|---|"
    for one in report.rules:
        if one.outcome != "not-asked":
            more = [f"and {one.count - len(one.found):,} more"] if one.count > len(one.found) else []
            found = "<br>".join(map(_cell, [*one.found, *more]))
            yield f"| {one.id} {one.name} | {one.severity} | {one.outcome}{_cell(_because(one))} | {found} |"
    if report.deployment is not None:
        yield ""
        yield from (f"* {_cell(line)}" for line in _deployment(report.deployment))
    yield f"\n{_counts(report)}"


def _cell(text: str) -> str:
    """Return the text as Markdown shows it, character by character."""
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|!#~" else character for character in safe)


def _because(one: RuleResult) -> str:
    if one.reason is None:
        return ""
    until = f" until {one.until}" if one.until is not None else ""
    return f"{until}: {one_line(one.reason)}"


def _next(store: OpenStore, step: str, check_with: Sequence[str]) -> str:
    """Return the next step, with the store in the place of TARGET; a command stays on one line, to be pasted."""
    words, _, rest = step.partition("holystone ")
    name, is_command, after = rest.partition(" TARGET")
    if not is_command:
        return wrapped(one_line(f"Next: {step}"), "  ")
    line = command(store, name, *(check_with if name == "check" else ()))
    return f"  Next: {one_line(words)}{line}{one_line(after)}"


def _deployment(of: Deployment) -> Iterator[str]:
    core = "" if of.version == f"core {of.core}" else f" (core {of.core})"
    yield f"{of.version}{core} {_opens(of)}"
    for one in of.migrations:
        yield f"migration {one.version} ({one.description})"
        for change in one.changes:
            cost = f", {counted(change.rows, 'row')}, about {change.seconds:g} s" if change.rows else ""
            yield f"  {change.table}: {change.what}; {_LOCKS[change.lock]}{cost}"
    if any(change.rows for one in of.migrations for change in one.changes):
        yield f"All of them take about {of.seconds:g} s: an estimate from {of.basis}."


def _opens(of: Deployment) -> str:
    if not of.opens:
        return f"ends at migration {of.last_migration}, before the store's: it does not know the store."
    beside = "may go on meanwhile." if of.old_engine_may_run else "has to be stopped first."
    number = counted(len(of.migrations), "migration")
    runs = f"opens the store and runs {number}" if of.migrations else "opens it as it is"
    return f"{runs}; the old engine {beside}"


def _counts(report: GateReport) -> str:
    of = [one.outcome for one in report.rules]
    order = ("pass", "noted", "waived", "refused", "unseen", "not-asked")
    return "Rules: " + ", ".join(f"{of.count(outcome)} {outcome}" for outcome in order if outcome in of) + "."
