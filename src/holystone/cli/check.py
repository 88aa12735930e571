"""`holystone check`: hold a store to its history; reads only."""

from typing import TYPE_CHECKING, Literal

import click

from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    format_option,
    jobs_option,
    open_store,
    output_to,
    selection_options,
    target_options,
    timeout_option,
)
from holystone.render import CHECK_FORMATS, check_renderer

if TYPE_CHECKING:
    from holystone.scan.catalogue import Selection
    from holystone.scan.scan import Scan


@click.command
@target_options
@selection_options
@format_option(*CHECK_FORMATS)
@click.option("--output", metavar="FILE", help="Write there instead of to stdout; the file appears when it is whole.")
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "error", "warning", "info", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 from this severity on.",
)
@click.option("--max-findings", metavar="N", type=click.IntRange(min=0), help="List at most N; all are counted.")
@jobs_option
@timeout_option
@click.option(
    "--since",
    type=click.Choice(["last", "beginning"]),
    help="Look only at what changed since the last clean check with this option, or at all once more.",
)
@click.option(
    "--full-every",
    metavar="DAYS",
    type=click.IntRange(0, 36_600),
    default=7,
    show_default=True,
    help="With --since last: say when the last look at all is older.",
)
@click.option("--baseline", metavar="FILE", help="Leave out the findings of an earlier --format json report.")
def check(
    target: str,
    schema: str | None,
    selection: "Selection",
    format_: str,
    output: str | None,
    fail_on: str,
    max_findings: int | None,
    since: Literal["last", "beginning"] | None,
    full_every: int,
    baseline: str | None,
    jobs: int,
    statement_timeout: float | None,
) -> int:
    """Check a store, and say what to do about what is found.

    Writes nothing to the store, but with --since how far it is verified; on PostgreSQL a role with SELECT is
    enough without it.
    """
    from holystone import api
    from holystone.cli.baseline import fingerprints
    from holystone.cli.progress import progress_bar
    from holystone.render.messages import notice
    from holystone.render.terminal import command

    known = fingerprints(baseline) if baseline else ()
    selection.checks()  # what it names is told of before the store is opened
    if since is not None and selection.instances is not None:
        raise click.UsageError("--since looks at all instances; leave --instance out.")
    store = open_store(target, schema, read_only=True, statement_timeout=statement_timeout)
    with progress_bar(streamed=format_ != "text") as progress, output_to(output) as out:
        words = selection.to_argv()
        scan = api.scan(store, selection, known=known, selected_by=words, since=since, jobs=jobs, progress=progress)
        check_renderer(format_)(scan, out, max_findings)
    if scan.coverage is not None:
        api.verified(scan)
        if scan.coverage.full_is_due(full_every):
            again = command(store, "check", "--since", "beginning", *selection.to_argv())
            notice(f"A look at all instances is due: the last is over {full_every} days old.")
            notice(f"Next: {again}")
    return _exit(scan, fail_on)


def _exit(scan: "Scan", fail_on: str) -> int:
    from holystone.scan.check import Severity
    from holystone.scan.result import Verdict

    if scan.verdict is Verdict.incomplete:
        _complain(scan)
        return Exit.COULD_NOT_RUN
    if fail_on != "never" and scan.worst is not None and scan.worst >= Severity[fail_on]:
        return Exit.FOUND
    return Exit.OK


def _complain(scan: "Scan") -> None:
    """Say what could not be seen, and what to do about it."""
    from holystone.cli.crash import reported
    from holystone.printable import one_line
    from holystone.render.messages import error
    from holystone.render.terminal import command, not_looked_at
    from holystone.scan.catalogue import checks
    from holystone.scan.result import Outcome

    for unloaded in scan.unloaded:
        error(unloaded.message, one_line(unloaded.next_step))
    failed = [result for result in scan.results.values() if result.outcome is Outcome.failed]
    next_step = "repair the cause and run the check again."
    if scan.unmatched is not None:
        next_step = command(scan.store, "executions list")
    reasons = {not_looked_at(scan.unread): next_step} if scan.unread else {}
    unforeseen: dict[int, BaseException] = {}
    for result in failed:
        if (plug_in := checks().plug_in_of(result.check.id)) is not None:
            reasons[one_line(str(result.reason))] = f"Mend or uninstall {plug_in}."
        elif result.error is None:
            reasons[one_line(str(result.reason))] = one_line(result.next_step or next_step)
        else:
            unforeseen[id(result.error)] = result.error
    for fault in unforeseen.values():
        what, report_it = reported(fault)
        reasons[one_line(what)] = one_line(report_it, None)
    if not reasons and not scan.unloaded:
        skipped = {result.reason for result in scan.results.values() if result.reason}
        reasons = {f"Nothing was checked: {one_line(reason)}": next_step for reason in skipped}
    for reason in sorted(reasons):
        error(reason, reasons[reason])
