"""Plans, applications, undos and the journal, as text for people and as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click

from holystone.clock import now_ms
from holystone.diagnosis.durations import from_now
from holystone.json_pieces import Writer
from holystone.mend.apply import Report
from holystone.mend.change import Change
from holystone.mend.journal import UNDO, Run
from holystone.mend.plan import Plan
from holystone.mend.repair import Safety, repairs
from holystone.mend.request import needs_plan_file
from holystone.mend.runs import Logged
from holystone.printable import one_line, value
from holystone.render.messages import LISTED, echo
from holystone.render.terminal import command, counted, key_of, wrapped
from holystone.render.timestamps import moment_or_value
from holystone.store.open_store import OpenStore

_FIRST_MS = 1_000_000_000_000
"""In 2001, long before there was an engine; the columns of moments are in ms since the epoch."""

EXAMPLES = 5
"""Changes shown of each repair in a plan's text; the file holds all."""


def plan_json(plan: Plan, out: TextIO) -> None:
    """Write the plan as the file that `repair apply` reads."""
    Writer(indent=1).write(plan.to_json(), out)
    out.write("\n")


def plan_text(store: OpenStore, plan: Plan, out: TextIO, *, apply_with: Sequence[str] | None = None) -> None:
    """Write what the plan would do, and the command that does it, with these words after the target if any."""
    by_repair: dict[tuple[str, str], list[Change]] = {}
    for change in plan.changes:
        by_repair.setdefault((change.repair, change.safety), []).append(change)
    for (id, _), changes in sorted(by_repair.items(), key=lambda item: min(change.check for change in item[1])):
        _write_repair(id, changes, out)
    for check_id, number in sorted(plan.unmended.items()):
        echo(f"{counted(number, 'finding')} of {check_id} no repair mends: holystone explain {check_id}", file=out)
    for check_id, number in sorted(plan.waiting.items()):
        echo(f"{counted(number, 'finding')} of {check_id}: after these, make a plan again.", file=out)
    safe = sum(change.safety == Safety.safe for change in plan.changes)
    unsafe = len(plan.changes) - safe
    if not plan.changes:
        where = " in what could be read" if plan.unread else ""
        echo(f"{one_line(str(store.target))}: nothing to repair{where}.", file=out)
        return
    echo(f"Plan {plan.hash}: {counted(safe, 'safe change')}, {unsafe} unsafe.", file=out)
    if apply_with is not None:
        echo("Nothing was written.", file=out)
        echo(f"Next: {command(store, 'repair apply', *apply_with)}", file=out)


def _write_repair(id: str, changes: list[Change], out: TextIO) -> None:
    repair = repairs().get(id)
    echo(
        f"{click.style(id, bold=True)}  {changes[0].safety}  {counted(len(changes), 'row')} of {changes[0].table}",
        file=out,
    )
    echo(wrapped(one_line(f"{repair.does} Loses: {repair.loses}"), indent="  "), file=out)
    for change in changes[:EXAMPLES]:
        echo(f"    {change.check} {key_of(change.key)}: {effect(change)}", file=out)
        if change.unsafe_because is not None and repair.safety is Safety.safe:
            echo(wrapped(f"Not safe here: {one_line(change.unsafe_because)}.", indent="      "), file=out)
    if len(changes) > EXAMPLES:
        echo(f"    and {len(changes) - EXAMPLES:,} more", file=out)
    echo("", file=out)


def given_plan_text(plan: Plan, file: str, out: TextIO) -> None:
    """Write what a plan of a file is: its age, who made it, and how many rows each repair would change."""
    made = "" if plan.made is None else f", made {_when(plan.made.at_ms)} by {one_line(plan.made.by, 100)}"
    version = "" if plan.made is None else f" with holystone {one_line(plan.made.version, 40)}"
    where = "standard input" if file == "-" else one_line(file)
    echo(f"Plan {plan.hash} of {where}{made}{version}:", file=out)
    rows = Counter((change.repair, change.safety, change.table) for change in plan.changes)
    for (repair, safety, table), number in sorted(rows.items()):
        echo(f"  {one_line(repair)}  {safety}  {counted(number, 'row')} of {table}", file=out)
    if not plan.changes:
        echo("  nothing to repair", file=out)


def _when(ms: int) -> str:
    return f"{moment_or_value(ms)} ({from_now(ms, now_ms())})"


def effect(change: Change) -> str:
    """Return what a change does to its row, in one line."""
    if change.after is None:
        return "the row is removed"
    if not change.before:
        return "the row is put back" if change.why == UNDO else "the row is added"
    before_image = change.before or {}
    both = [(column, before_image.get(column), after) for column, after in change.after.items()]
    return ", ".join(
        f"{one_line(column)} {_told(column, before)} → {_told(column, after)}" for column, before, after in both
    )


def _told(column: str, of: Any) -> str:
    """Return a column's value, with the moment that it is where the engine keeps one in ms."""
    is_moment = column.endswith(("_at", "_until")) and type(of) is int and of >= _FIRST_MS
    return f"{value(of)} ({moment_or_value(of)})" if is_moment else value(of)


def report_text(store: OpenStore, report: Report, out: TextIO, *, verb: str, selected_by: Sequence[str] = ()) -> None:
    """Write what became of a plan, or of an undo; `verb` is what was done to a row.

    `selected_by` are the words of a command line that chose what the plan is of.
    """
    for change, why in report.skipped[:LISTED]:
        echo(f"  skipped {one_line(change.check)} {key_of(change.key)}: {one_line(why)}", file=out)
    if len(report.skipped) > LISTED:
        echo(f"  and {len(report.skipped) - LISTED:,} more skipped", file=out)
    for repair_id, number in sorted(report.unsafe.items()):
        echo(
            f"  left {counted(number, 'row')} of the unsafe repair {repair_id}: "
            f"{command(store, 'repair apply', '--unsafe', repair_id, *selected_by)}",
            file=out,
        )
    already = f", {report.already:,} so already" if report.already else ""
    echo(f"{counted(report.applied, 'row')} {verb}{already}, {report.left:,} left.", file=out)
    if report.run is not None and verb == "repaired":
        echo(f"Run {report.run}. Next: {command(store, 'check', *selected_by)}", file=out)
        echo(f"Way back: {command(store, 'repair undo', report.run)}", file=out)


def stopped_text(store: OpenStore, run_id: str, run: Run | None, words: Sequence[str], *, verb: str) -> None:
    """Write to standard error what a run has done whose command was stopped, None where the store cannot be read now.

    It is resumed with these `words` as well, unless all was done by then but the report; `verb` is what was done to a
    row.
    """
    if run is None:
        click.echo(f"Run {one_line(run_id)} was stopped, and the store cannot be read now.", err=True)
        click.echo(f"What it has done: {command(store, 'repair log', '--rows')}", err=True)
    else:
        what = "was stopped" if run.finished_at_ms is None else "has come to its end"
        click.echo(f"Run {one_line(run_id)} {what}: {counted(len(run.changes), 'row')} {verb}.", err=True)
    if run is None or run.finished_at_ms is None:
        click.echo(f"Go on: {command(store, 'repair resume', run_id, *words)}", err=True)
    if verb == "repaired":
        click.echo(f"Way back: {command(store, 'repair undo', run_id)}", err=True)


def log_text(store: OpenStore, log: Iterable[Logged], out: TextIO, *, rows: bool) -> None:
    """Write the runs, the latest first; with `rows`, each with its changes."""
    is_empty = True
    for logged in log:
        is_empty, run = False, logged.run
        ended = "" if run.finished_at_ms is not None else ", interrupted or going on"
        by = "".join(f", {counted(number, 'row')} undone by {by}" for by, number in logged.undone.items())
        what = f"undo of {run.undoes}" if run.undoes else f"apply of plan {run.plan}"
        begun = moment_or_value(run.started_at_ms)
        said = f"{run.run_id}  {begun}  {what} by {run.actor}: {counted(logged.count, 'row')}{by}{ended}"
        echo(one_line(said), file=out)
        if run.finished_at_ms is None and not run.altered:
            with_plan = ["--plan", "FILE"] if needs_plan_file(run) else []
            echo(f"    Go on: {command(store, 'repair resume', run.run_id, *with_plan)}", file=out)
        for wrong in (*run.unreadable, *run.altered):
            echo(f"    altered since: {one_line(wrong)}", file=out)
        for entry in logged.changes() if rows else ():
            echo(f"    {one_line(entry.change.check)} {key_of(entry.change.key)}: {effect(entry.change)}", file=out)
    if is_empty:
        echo(f"{one_line(str(store.target))}: the journal is empty.", file=out)


def log_json(store: OpenStore, log: Iterable[Logged], out: TextIO) -> None:
    """Write the runs with all their changes."""
    Writer(indent=1).write({"schema": 1, "runs": (_run_object(store, logged) for logged in log)}, out)
    out.write("\n")


def _run_object(store: OpenStore, logged: Logged) -> dict[str, Any]:
    run, to_json = logged.run, store.flavour.to_json
    return {
        "run": run.run_id,
        "kind": run.kind,
        "plan": run.plan,
        "undoes": run.undoes,
        "actor": run.actor,
        "version": run.version,
        "started_at_ms": to_json(run.started_at_ms),
        "finished_at_ms": to_json(run.finished_at_ms),
        "unreadable": list(run.unreadable),
        "altered": list(run.altered),
        "changes": (
            {**entry.change.as_json(), "made_at_ms": to_json(entry.made_at_ms), "undone_by": entry.undone_by}
            for entry in logged.changes()
        ),
    }
