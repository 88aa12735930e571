"""`holystone repair`: plan, apply, undo, log."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from holystone.cli.asking import ask, require_terminal
from holystone.cli.exits import Exit
from holystone.cli.options import (
    format_option,
    jobs_option,
    open_store,
    output_to,
    selection_options,
    target_and_last,
    target_in_environment,
    target_options,
    timeout_option,
    yes_option,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from holystone.mend.plan import Plan
    from holystone.scan.catalogue import Selection
    from holystone.store import Store


@click.group
def repair() -> None:
    """Mend what a check found: plan first, then apply; each run can be undone."""


@repair.command
@target_options
@selection_options
@jobs_option
@timeout_option
@format_option("text", "json", "sql")
@click.option("-o", "--output", metavar="FILE", help="Put the plan there as JSON, for `repair apply`.")
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
    made = _make(store, selection, jobs)
    if output is not None:
        with output_to(output) as out:
            plan_json(made, out)
    if output == "-":
        return Exit.OK
    with output_to(None) as out:
        if format_ == "json" and output is None:
            plan_json(made, out)
        elif format_ == "sql":
            plan_sql(store, made, out)
        elif format_ == "text":
            again = selection.words() if output is None else [output]
            plan_text(store, made, out, apply_with=again)
    return Exit.OK


@repair.command
@target_options
@click.argument("plan_file", metavar="[PLAN]", required=False)
@selection_options
@jobs_option
@yes_option
@click.option("--unsafe", metavar="ID", multiple=True, help="Apply this unsafe repair too; a check's id or a repair's.")
@format_option("text", "json")
def apply(
    target: str,
    schema: str | None,
    plan_file: str | None,
    selection: "Selection",
    jobs: int,
    yes: bool,
    unsafe: tuple[str, ...],
    format_: str,
) -> int:
    """Change the planned rows, each only where it is still as planned, and journal every change.

    Without PLAN it plans first, shows the plan, and asks. The first apply makes holystone's own tables.
    """
    from holystone.cli.files import holds_object, read_file
    from holystone.cli.progress import progress_bar
    from holystone.errors import StoreChangedError
    from holystone.mend.apply import Application, Report
    from holystone.mend.plan import read_plan
    from holystone.render.repairs import plan_text, report_text

    if plan_file is None and (named := target_in_environment()) and holds_object(target):
        target, plan_file = named, target
    if plan_file is None and not yes:
        require_terminal()
    _known_unsafe(unsafe)
    store = open_store(target, schema, read_only=False)
    if plan_file is not None:
        made = read_plan(read_file(plan_file), store)
    else:
        try:
            made = _make(store, selection, jobs)
        except StoreChangedError:
            made = _make(store, selection, jobs)  # a writer came just then; he is here now, and is read beside
        with output_to(None) as out:
            if format_ == "text":
                plan_text(store, made, out)
        if made.changes and not yes:
            ask("Apply it?")
    report = Report()
    if made.changes:
        _install_journal(store)
        application = Application(store, made.hash, unsafe=unsafe)
        which = selection.words() if plan_file is None else [plan_file]
        again = ["repair apply", *which, *(word for id in unsafe for word in ("--unsafe", id))]
        with _told_when_stopped(store, application.run_id, again, verb="repaired"):
            with progress_bar() as progress:
                application.apply(made, progress)
            for later in application.go_on(made, lambda only: _make(store, selection, jobs, only)):
                with output_to(None) as out:
                    if format_ == "text":
                        plan_text(store, later, out)
                if not yes:
                    ask("Apply it?")
            report = application.finish()
    with output_to(None) as out:
        if format_ == "json":
            _write_json(report.to_json())
        elif made.changes:
            report_text(store, report, out, verb="repaired")
    return Exit.FOUND if report.left else Exit.OK


@repair.command
@target_options
@click.argument("run", metavar="RUN", required=False)
@yes_option
@format_option("text", "json")
def undo(target: str, schema: str | None, run: str | None, yes: bool, format_: str) -> int:
    """Put the rows that RUN changed back as they were, where they still are as it left them."""
    from holystone.mend.apply import new_run
    from holystone.mend.journal import read_run
    from holystone.mend.undo import undo_run
    from holystone.render.repairs import report_text
    from holystone.render.words import counted

    target, run = target_and_last(target, run, "RUN")
    if not yes:
        require_terminal()
    store = open_store(target, schema, read_only=False)
    undone = read_run(store, run)
    if not yes:
        ask(f"Put {counted(len(undone.changes), 'row')} back as before run {run}?")
    undoing = new_run("undo", undoes=undone.run_id)
    with _told_when_stopped(store, undoing.run_id, ["repair undo", undone.run_id], verb="put back"):
        report = undo_run(store, undone, undoing)
    with output_to(None) as out:
        if format_ == "json":
            _write_json(report.to_json())
        else:
            report_text(store, report, out, verb="put back")
    return Exit.FOUND if report.left else Exit.OK


@repair.command
@target_options
@format_option("text", "json")
@click.option("--rows", is_flag=True, help="Show each run's rows too.")
def log(target: str, schema: str | None, format_: str, rows: bool) -> int:
    """List the runs of apply and undo, the latest first."""
    from holystone.mend.journal import has_digests, read_runs
    from holystone.render.repairs import log_json, log_text
    from holystone.render.words import command

    store = open_store(target, schema, read_only=True)
    runs = read_runs(store)
    if runs and not has_digests(store):
        upgrade = command(store, "migrate upgrade")
        click.echo(f"The journal has no digests, so nothing tells whether it was edited. Next: {upgrade}", err=True)
    with output_to(None) as out:
        if format_ == "json":
            log_json(store, runs, out)
        else:
            log_text(store, runs, out, rows=rows)
    return Exit.OK


@contextmanager
def _told_when_stopped(store: "Store", run_id: str, words: "Sequence[str]", *, verb: str) -> Iterator[None]:
    """Say what a run has done by then, and how to go on and back, where it is stopped; its last chunk is not done.

    `words` are the command that goes on.
    """
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        from holystone.errors import HolystoneError, JournalError
        from holystone.mend.journal import read_run
        from holystone.render.repairs import stopped_text

        # A terminal that was closed takes no words any more.
        with suppress(OSError):
            try:
                stopped_text(store, read_run(store, run_id), words, verb=verb)
            except JournalError:
                click.echo("No row was changed.", err=True)
            except HolystoneError as error:
                click.echo(f"What run {run_id} has done cannot be read now: {error.message}", err=True)
        raise


def _make(store: "Store", selection: "Selection", jobs: int, only: "Collection[str] | None" = None) -> "Plan":
    from holystone.cli.progress import progress_bar
    from holystone.mend.plan import make_plan

    with progress_bar() as progress:
        return make_plan(
            store,
            selection.checks(),
            instances=selection.instances,
            policy=selection.house(),
            race_window=selection.race_window,
            jobs=jobs,
            progress=progress,
            only=only,
        )


def _known_unsafe(ids: tuple[str, ...]) -> None:
    from holystone.errors import CatalogueError
    from holystone.mend.repair import repairs
    from holystone.scan.catalogue import checks

    for id in ids:
        try:
            repairs().get(id)
        except CatalogueError:
            checks().get(id)


def _install_journal(store: "Store") -> None:
    from holystone.mend.journal import has_digests
    from holystone.migrate import upgrade
    from holystone.store.toolkit import JOURNAL, JOURNAL_DIGESTS

    if revisions := upgrade(store, JOURNAL):
        click.echo(f"Made holystone's own tables in the store (revision {revisions[-1]}).", err=True)
    if not has_digests(store):
        upgrade(store, JOURNAL_DIGESTS)
        click.echo(f"Upgraded holystone's own tables in the store (revision {JOURNAL_DIGESTS}).", err=True)


def _write_json(document: object) -> None:
    import json

    click.echo(json.dumps(document))
