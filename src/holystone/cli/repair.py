"""`holystone repair`: plan, apply, resume, undo, log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from holystone.cli.completions import complete_check, complete_file, complete_run
from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    format_option,
    jobs_option,
    open_store,
    output_option,
    output_to,
    target_and_last,
    target_in_environment,
    target_options,
    timeout_option,
    yes_option,
)
from holystone.cli.plans import complain, given_plan, make_plan, shown_plan
from holystone.cli.prompts import ask, require_terminal
from holystone.cli.selection import selection_of, selection_options

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from holystone.mend.apply import Report
    from holystone.mend.journal import Run
    from holystone.mend.plan import Plan
    from holystone.scan.catalogue import Selection
    from holystone.store.open_store import OpenStore


_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
"""How a run is named, as no store is."""


@click.group(short_help="Mend what a check found, and take that back.")
def repair() -> None:
    """Mend what a check found: plan first, then apply; each run can be undone."""


@repair.command(short_help="Say which rows would be changed, and how.")
@target_options
@selection_options
@jobs_option
@timeout_option
@format_option("text", "json", "sql")
@output_option("Put the plan there as JSON, for `repair apply`.")
def plan(
    target: str,
    schema: str | None,
    selection: "Selection",
    jobs: int,
    statement_timeout: float | None,
    format_: str,
    output: str | None,
) -> int:
    """Say which rows would be changed and how. Writes nothing to the store."""
    from holystone.render.repairs import plan_json, plan_text
    from holystone.render.sql import plan_sql

    store = open_store(target, schema, read_only=True, statement_timeout=statement_timeout)
    made = make_plan(store, selection, jobs)
    if output is not None:
        with output_to(output) as out:
            plan_json(made, out)
    if output == "-":
        return complain(made) or Exit.OK
    with output_to(None) as out:
        if format_ == "json" and output is None:
            plan_json(made, out)
        elif format_ == "sql":
            plan_sql(store, made, out)
        elif format_ == "text":
            # With a file, too: what has to wait for these changes is planned by these options, once they are made.
            plan_text(store, made, out, apply_with=[*([] if output is None else [output]), *selection.to_argv()])
    return complain(made) or Exit.OK


@repair.command(short_help="Change the planned rows, and journal every change.")
@target_options
@click.argument("plan_file", metavar="[PLAN]", required=False, shell_complete=complete_file)
@selection_options
@jobs_option
@yes_option
@click.option(
    "--unsafe",
    metavar="ID",
    multiple=True,
    shell_complete=complete_check,
    help="Apply this unsafe repair too; a check's id or a repair's.",
)
@click.option("--dry-run", is_flag=True, hidden=True, help="Say which command it is that writes nothing: repair plan.")
@format_option("text", "json")
def apply(
    target: str,
    schema: str | None,
    plan_file: str | None,
    selection: "Selection",
    jobs: int,
    yes: bool,
    unsafe: tuple[str, ...],
    dry_run: bool,
    format_: str,
) -> int:
    """Change the planned rows, each only where it is still as planned, and journal every change.

    Without PLAN it plans first and shows the plan; at a terminal it asks, with PLAN as well. PLAN is applied as it
    stands: --select, --config and their like are for what can be planned only once its changes are made. The first
    apply makes holystone's own tables.
    """
    from holystone import api
    from holystone.cli.files import holds_object
    from holystone.errors import HolystoneError
    from holystone.mend.apply import Report
    from holystone.render.messages import document
    from holystone.render.terminal import quoted

    if plan_file is None and (named := target_in_environment()) and holds_object(target):
        target, plan_file = named, target
    if dry_run:
        where = [target] if schema is None else [target, "--schema", schema]
        plan = " ".join(map(quoted, ["holystone", "repair", "plan", *where, *selection.to_argv()]))
        raise HolystoneError("An apply writes. A plan says what it would write.", plan)
    if plan_file is None and not yes:
        require_terminal()
    _known_unsafe(unsafe)
    store = open_store(target, schema, read_only=False)
    if plan_file is not None:
        made = given_plan(store, plan_file, yes=yes, format_=format_)
    else:
        made = shown_plan(store, selection, jobs, yes=yes, format_=format_)
    if not made.changes:
        if format_ == "json":
            document(Report().to_json())
        return complain(made) or Exit.OK
    run = api.new_application(made, selection, unsafe=unsafe, from_file=plan_file is not None)
    return _carry_out(store, run, made, selection, unsafe, jobs, plan_file, yes=yes, format_=format_)


@repair.command(short_help="Go on with a run that was stopped.")
@target_options
@click.argument("run", metavar="RUN", required=False, shell_complete=complete_run)
@click.option(
    "--plan", "plan_file", metavar="FILE", shell_complete=complete_file, help="The plan file that the run was given."
)
@jobs_option
@yes_option
@format_option("text", "json")
def resume(
    target: str, schema: str | None, run: str | None, plan_file: str | None, jobs: int, yes: bool, format_: str
) -> int:
    """Go on with a run of apply or undo that was stopped, as the same run.

    A run of apply plans again for what is left, with the options that it was given, and asks as apply does. Nothing
    tells whether a run is still at work: where it is, the first of the two to write goes on, and the other one ends
    with an error and changes nothing more.
    """
    from holystone.mend.request import require_resumable
    from holystone.mend.runs import read_run

    target, run = target_and_last(target, run, "RUN")
    store = open_store(target, schema, read_only=False)
    stopped = read_run(store, run)
    require_resumable(stopped)
    if plan_file is None and not yes:
        require_terminal()
    if stopped.undoes is not None:
        return _undo(store, read_run(store, stopped.undoes), stopped, yes=yes, format_=format_)
    return _resume(store, stopped, plan_file, jobs, yes=yes, format_=format_)


@repair.command(short_help="Put back the rows that a run changed.")
@target_options
@click.argument("run", metavar="RUN", required=False, shell_complete=complete_run)
@yes_option
@format_option("text", "json")
def undo(target: str, schema: str | None, run: str | None, yes: bool, format_: str) -> int:
    """Put the rows that RUN changed back as they were, where they still are as it left them.

    And where they still fit: no row is put into an instance that was started again or has ended since, nor where the
    check would not find it as it did. What is left is named, with the reason.
    """
    from holystone.mend.apply import new_run
    from holystone.mend.runs import read_run

    target, run = target_and_last(target, run, "RUN")
    store = open_store(target, schema, read_only=False)
    undone = read_run(store, run)
    return _undo(store, undone, new_run("undo", undoes=undone.run_id), yes=yes, format_=format_)


@repair.command(short_help="List the runs of apply and undo.")
@target_options
@click.argument("run", metavar="[RUN]", required=False, shell_complete=complete_run)
@format_option("text", "json")
@click.option("--rows", is_flag=True, help="Show each run's rows too.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 10**15), help="At most N runs, the latest.")
def log(target: str, schema: str | None, run: str | None, format_: str, rows: bool, limit: int | None) -> int:
    """List the runs of apply and undo, the latest first; or RUN alone, with its rows."""
    from holystone.errors import JournalError
    from holystone.mend.journal import has_digests
    from holystone.mend.runs import log_of
    from holystone.render.messages import notice
    from holystone.render.repairs import log_json, log_text
    from holystone.render.terminal import command

    if run is None and (named := target_in_environment()) and _RUN.fullmatch(target):
        target, run = named, target
    store = open_store(target, schema, read_only=True)
    with log_of(store, run) as runs, output_to(None) as out:
        first = list(islice(runs, 1))
        if run is not None and not first:
            raise JournalError(f"The journal of {store.target} has no run {run!r}.", command(store, "repair log"))
        if first and not has_digests(store):
            upgrade = command(store, "migrate upgrade")
            notice(f"The journal has no digests, so nothing tells whether it was edited. Next: {upgrade}")
        listed = islice(chain(first, runs), limit)
        if format_ == "json":
            log_json(store, listed, out)
        else:
            log_text(store, listed, out, rows=rows or run is not None)
    return Exit.OK


def _undo(store: "OpenStore", undone: "Run", undoing: "Run", *, yes: bool, format_: str) -> int:
    """Take a run back, by an undo that is new or was stopped."""
    from holystone import api
    from holystone.render.terminal import counted

    if not yes:
        left = sum(entry.undone_by is None for entry in undone.changes)
        ask(f"Put {counted(left, 'row')} back as before run {undone.run_id}?")
    with _told_when_stopped(store, undoing.run_id, verb="put back"):
        return _report(store, api.undo(store, undone, undoing=undoing), format_, verb="put back")


def _resume(store: "OpenStore", stopped: "Run", plan_file: str | None, jobs: int, *, yes: bool, format_: str) -> int:
    """Go on with a run of apply."""
    from holystone.cli.files import read_file
    from holystone.errors import PlanError
    from holystone.mend.plan import read_plan
    from holystone.mend.request import request_of
    from holystone.render.terminal import command

    asked = request_of(stopped)
    again = command(store, "repair resume", stopped.run_id)
    if asked.from_file and plan_file is None:
        raise PlanError(f"Run {stopped.run_id!r} was given a plan file, and goes on with it.", f"{again} --plan FILE")
    if not asked.from_file and plan_file is not None:
        raise PlanError(f"Run {stopped.run_id!r} was given no plan file: it made its own plan.", again)
    _known_unsafe(asked.unsafe)
    ignored = list(asked.ignore), dict(asked.reasons)
    selection = selection_of(list(asked.select), ignored, asked.level, asked.instance, asked.config, asked.race_window)
    if plan_file is None:
        made = shown_plan(store, selection, jobs, yes=yes, format_=format_)
    else:
        made = read_plan(read_file(plan_file), store)
        if made.hash != stopped.plan:
            raise PlanError(
                f"The plan {made.hash} is not the one that run {stopped.run_id!r} was given, which is {stopped.plan}.",
                f"{again} --plan FILE",
            )
    return _carry_out(store, stopped, made, selection, asked.unsafe, jobs, plan_file, yes=yes, format_=format_)


def _carry_out(
    store: "OpenStore",
    run: "Run",
    made: "Plan",
    selection: "Selection",
    unsafe: "Collection[str]",
    jobs: int,
    plan_file: str | None,
    *,
    yes: bool,
    format_: str,
) -> int:
    """Apply a plan, and those after it, to the end of the run, and report it; return the exit status."""
    from holystone import api
    from holystone.render.progress import progress_bar
    from holystone.render.repairs import plan_text

    def agree(later: "Plan") -> None:
        with output_to(None) as out:
            if format_ == "text":
                plan_text(store, later, out)
        if not yes:
            ask("Apply it?")

    _install_journal(store)
    with_plan = [] if plan_file is None else ["--plan", plan_file]
    with _told_when_stopped(store, run.run_id, *with_plan, verb="repaired"):
        with progress_bar() as progress:
            report = api.apply(
                store, made, selection, unsafe=unsafe, run=run, agree=agree, jobs=jobs, progress=progress
            )
        status = _report(store, report, format_, verb="repaired", selected_by=selection.to_argv())
        return complain(made) or status


def _report(store: "OpenStore", report: "Report", format_: str, *, verb: str, selected_by: "Sequence[str]" = ()) -> int:
    """Print what became of a run, and return the exit status."""
    from holystone.render.messages import document
    from holystone.render.repairs import report_text

    with output_to(None) as out:
        if format_ == "json":
            document(report.to_json())
        else:
            report_text(store, report, out, verb=verb, selected_by=selected_by)
    return Exit.FOUND if report.left else Exit.OK


@contextmanager
def _told_when_stopped(store: "OpenStore", run_id: str, *words: str, verb: str) -> Iterator[None]:
    """Say what a run has done by then, and how to go on and back, where it is stopped; its last chunk is not done.

    `words` follow those of the command that resumes it. A run is stopped by its user, or by an error, which is told
    after this.
    """
    from holystone.errors import HolystoneError, JournalError
    from holystone.mend.runs import read_run
    from holystone.render.messages import notice
    from holystone.render.repairs import stopped_text

    try:
        yield
    except (KeyboardInterrupt, click.Abort, HolystoneError):
        # A terminal that was closed takes no words any more.
        with suppress(OSError):
            try:
                stopped_text(store, run_id, read_run(store, run_id), words, verb=verb)
            except JournalError:
                notice("No row was changed.")
            except HolystoneError:  # whose words are those that have stopped the run
                stopped_text(store, run_id, None, words, verb=verb)
        raise


def _known_unsafe(ids: "Collection[str]") -> None:
    from holystone.errors import CatalogueError
    from holystone.mend.repair import repairs
    from holystone.scan.catalogue import checks

    for id in ids:
        try:
            repairs().get(id)
        except CatalogueError:
            checks().get(id)


def _install_journal(store: "OpenStore") -> None:
    from holystone import api
    from holystone.render.messages import notice
    from holystone.store.toolkit import JOURNAL

    if revisions := api.install_journal(store):
        done = "Made" if JOURNAL in revisions else "Upgraded"
        notice(f"{done} holystone's own tables in the store (revision {revisions[-1]}).")
