"""`holystone check`: hold stores to their history; reads only."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Literal, TextIO

import click

from holystone.cli.completions import complete_report
from holystone.cli.durations import duration
from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    baseline_option,
    fail_on_option,
    format_option,
    jobs_option,
    named_target,
    output_option,
    output_to,
    run_time_option,
    targets_options,
    timeout_option,
)
from holystone.cli.selection import selection_options
from holystone.render import CHECK_FORMATS

if TYPE_CHECKING:
    from holystone.cli.store_check import Checked, Request
    from holystone.flavours.target import Target
    from holystone.render.report_writer import Layout
    from holystone.scan.catalogue import Selection
    from holystone.store.run_time import RunTime

_CHECK = re.compile("[A-Za-z][0-9]{3}")
"""How the id of a check looks, which is easily taken for an argument."""
_STREAMED = ("json", "jsonl", "sarif")
"""Formats that are written while the scan goes on, and not at its end."""


def _reports(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> list[tuple[str, str]]:
    reports = []
    for text in given:
        format, equals, file = text.partition("=")
        if not equals or not file or format not in CHECK_FORMATS:
            formats = ", ".join(CHECK_FORMATS)
            raise click.BadParameter(f"{text!r} should be FORMAT=FILE, with a format of {formats}.", context, parameter)
        reports.append((format, file))
    return reports


def _ping_url(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given is not None and not re.match(r"https?://[^/?#]", given):
        raise click.BadParameter("it should be a URL such as https://monitor.example/ID.", context, parameter)
    return given


@click.command
@targets_options
@click.option("--all", "all_schemas", is_flag=True, help="Check all schemas of the database that hold a store.")
@selection_options
@format_option(*CHECK_FORMATS)
@output_option("Write there instead of to stdout; the file appears when it is whole.")
@click.option(
    "--report",
    "reports",
    metavar="FORMAT=FILE",
    shell_complete=complete_report,
    multiple=True,
    callback=_reports,
    help="Write a report there too, in another format; may be given several times.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing when all is clean.")
@click.option("--verbose", "-v", is_flag=True, help="Say what came of each check and each store.")
@fail_on_option("never", help="Exit with 1 from this severity on.")
@click.option("--max-findings", metavar="N", type=click.IntRange(min=0), help="List at most N; all are counted.")
@jobs_option
@timeout_option
@run_time_option
@click.option(
    "--since",
    type=click.Choice(["last", "beginning"]),
    help="Look only at what changed since the last clean check with this option, or at all once more.",
)
@click.option(
    "--full-every",
    metavar="DURATION",
    type=duration("d"),
    default=7,
    show_default="7d",
    help="With --since last: say when the last look at all is older; a number alone is of days.",
)
@baseline_option
@click.option(
    "--ping",
    metavar="URL",
    callback=_ping_url,
    help="Tell a monitor: URL/start at the beginning, URL or URL/fail at the end.",
)
def check(
    targets: tuple[str, ...],
    schema: str | None,
    all_schemas: bool,
    selection: "Selection",
    format_: str,
    output: str | None,
    reports: list[tuple[str, str]],
    quiet: bool,
    verbose: bool,
    fail_on: str,
    max_findings: int | None,
    since: Literal["last", "beginning"] | None,
    full_every: float,
    baseline: str | None,
    jobs: int,
    statement_timeout: float | None,
    run_time: float | None,
    ping: str | None,
) -> int:
    """Check stores, and say what to do about what is found.

    TARGET is a SQLite file or a URL, or a folder or a pattern of SQLite files.

    Writes nothing to the store: on PostgreSQL a role with SELECT is enough. With --since it keeps how far the store is
    verified, in the table that migrate upgrade makes for it, or else in a file under XDG_STATE_HOME.
    """
    bound = None if run_time is None else _run_time(run_time)
    from holystone.cli.baseline import read_baseline
    from holystone.cli.store_check import Request
    from holystone.render.report_writer import Layout
    from holystone.store.stores import is_one

    if looks_like := [word for word in targets if _CHECK.fullmatch(word) and not os.path.exists(word)]:
        raise click.UsageError(f"{looks_like[0]} is no store; a check is named by --select {looks_like[0]}.")
    several = all_schemas or len(targets) > 1 or not is_one(targets[0])
    known = read_baseline(baseline, of_several=several) if baseline else {}
    selection.checks()  # what it names is told of before the store is opened
    if since is not None and selection.instances is not None:
        raise click.UsageError("--since looks at all instances; leave --instance out.")
    outputs = [(format_, output), *reports]
    layout = Layout(max_findings, fail_on, verbose, several)
    layouts = [_with_last(layout, format, file) for format, file in outputs]
    request = Request(
        selection,
        [format for format, _ in outputs],
        layouts,
        known,
        since,
        full_every,
        jobs,
        statement_timeout,
        baseline_file=baseline,
        run_time=bound,
    )
    with _pinged(ping) as ended:
        done = _checked(targets, schema, request, [file for _, file in outputs], quiet, all_schemas)
        status = _exit(done, format_, fail_on)
        ended(status)
    return status


def _run_time(seconds: float) -> "RunTime":
    from holystone.store.run_time import RunTime

    return RunTime(seconds)


def _pinged(url: str | None) -> "AbstractContextManager[Callable[[int], None]]":
    """Return what tells a monitor of a command, and takes its exit status; nothing is told without a URL."""
    if url is None:
        return nullcontext(lambda status: None)
    from holystone.cli.ping import pinged

    return pinged(url)


def _checked(
    targets: Sequence[str],
    schema: str | None,
    request: "Request",
    files: Sequence[str | None],
    quiet: bool,
    all_schemas: bool,
) -> list["Checked"]:
    """Check the stores, and write the reports."""
    with ExitStack() as stack:
        stdout = stack.enter_context(_held_back()) if quiet else sys.stdout
        outs = [stack.enter_context(output_to(file, stdout)) for file in files]
        check_all = _check_several if request.layouts[0].several else _check_one
        done = check_all(targets, schema, request, outs, all_schemas=all_schemas)
        if quiet and any(checked.summary.verdict != "clean" for checked in done):
            stdout.seek(0)
            copyfileobj(stdout, sys.stdout)
    return done


def _with_last(layout: "Layout", format: str, file: str | None) -> "Layout":
    """Return the layout of a report, with what its file holds now where the report repeats something of it."""
    from holystone.cli.files import read_file
    from holystone.render import writer_class

    if file is None or not writer_class(format).reads_file_before or not os.path.isfile(file):
        return layout
    return replace(layout, before=read_file(file))


def _check_one(
    targets: Sequence[str], schema: str | None, request: "Request", outs: Sequence[TextIO], *, all_schemas: bool
) -> list["Checked"]:
    from holystone.cli.store_check import check_store
    from holystone.render.progress import progress_bar

    on_stdout = [format for format, out in zip(request.formats, outs, strict=True) if out is sys.stdout]
    with progress_bar(streamed=any(format in _STREAMED for format in on_stdout)) as progress:
        done = check_store(named_target(targets[0], schema), request, outs, progress)
    _tell(done, is_read=request.formats[0] == "text" and outs[0] is sys.stdout and _share_a_terminal())
    return [done]


def _check_several(
    targets: Sequence[str], schema: str | None, request: "Request", outs: Sequence[TextIO], *, all_schemas: bool
) -> list["Checked"]:
    from holystone.cli.stores_check import check_stores
    from holystone.store.stores import candidates, place

    def parse(word: str) -> "Target":
        return named_target(word, schema)

    places = {place(word, parse): candidates(word, parse, all_schemas=all_schemas) for word in targets}
    return check_stores(places, request, outs, _tell)


def _tell(checked: "Checked", *, is_read: bool = False) -> None:
    """Say what is to be said beside a report; not again what stands above it, where its user reads that as well."""
    from holystone.render.messages import error, notice

    for complaint in checked.complaints:
        if is_read and complaint.is_in_text:
            notice(f"Next: {complaint.next_step}")
        else:
            error(complaint.message, complaint.next_step)
    for words in checked.notices:
        notice(words)


def _share_a_terminal() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty()


def _held_back() -> AbstractContextManager[TextIO]:
    """Return a file for what is not to be printed unless it turns out to be needed."""
    return TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="")


def _exit(done: Sequence["Checked"], format: str, fail_on: str) -> int:
    """Return the exit status: that of the worst store."""
    from holystone.scan.check import Severity

    summaries = [checked.summary for checked in done]
    if format == "nagios":
        from holystone.render.nagios import state

        return state(summaries, fail_on)
    if any(summary.verdict == "incomplete" for summary in summaries):
        return Exit.COULD_NOT_RUN
    if fail_on == "never":
        return Exit.OK
    severities = {name for summary in summaries for name in getattr(summary, "severities", ())}
    return Exit.FOUND if any(Severity[name] >= Severity[fail_on] for name in severities) else Exit.OK
