"""`holystone check`: hold a store to its history; reads only."""

from typing import TYPE_CHECKING

import click

from holystone.cli.exits import Exit
from holystone.cli.options import format_option, jobs_option, open_store, output_to, selection_options, target_options
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
@click.option("--baseline", metavar="FILE", help="Leave out the findings of an earlier --format json report.")
def check(
    target: str,
    schema: str | None,
    selection: "Selection",
    format_: str,
    output: str | None,
    fail_on: str,
    max_findings: int | None,
    baseline: str | None,
    jobs: int,
) -> int:
    """Check a store, and say what to do about what is found.

    Writes nothing to the store; on PostgreSQL a role with SELECT is enough.
    """
    from holystone.cli.baseline import fingerprints
    from holystone.cli.progress import progress_bar
    from holystone.scan.scan import Scan

    known = fingerprints(baseline) if baseline else ()
    chosen, policy = selection.checks(), selection.house()
    store = open_store(target, schema, read_only=True)
    with progress_bar(streamed=format_ != "text") as progress, output_to(output) as out:
        scan = Scan(
            store,
            chosen,
            level=selection.level,
            instances=selection.instances,
            known=known,
            selected_by=selection.words(),
            policy=policy,
            jobs=jobs,
            progress=progress,
        )
        check_renderer(format_)(scan, out, max_findings)
    return _exit(scan, fail_on)


def _exit(scan: "Scan", fail_on: str) -> int:
    from holystone.scan.check import Severity
    from holystone.scan.scan import Outcome, Verdict

    if scan.verdict is Verdict.incomplete:
        reasons = {result.reason for result in scan.results.values() if result.outcome is Outcome.failed}
        for reason in sorted(filter(None, reasons)):
            click.echo(f"Error: {reason}\nNext: mend the cause and run the check again.", err=True)
        return Exit.COULD_NOT_RUN
    if fail_on != "never" and scan.worst is not None and scan.worst >= Severity[fail_on]:
        return Exit.FOUND
    return Exit.OK
