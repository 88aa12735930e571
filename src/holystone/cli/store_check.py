"""The check of one store: what is asked for, the reports that are written of it, and what is to be said beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TextIO

from msgspec import Struct

from holystone import api
from holystone.cli.baseline import Baseline, known
from holystone.cli.crash import reported
from holystone.cli.durations import in_words
from holystone.errors import HolystoneError
from holystone.flavours.target import Target
from holystone.printable import one_line
from holystone.render import writer_class
from holystone.render.report import Summary, Tally, Unavailable, summary, toolkit_revision_if_readable, unavailable
from holystone.render.report_writer import Layout
from holystone.render.terminal import command, not_looked_at
from holystone.scan.catalogue import Selection, checks
from holystone.scan.result import Outcome
from holystone.scan.scan import Scan
from holystone.store.open_store import OpenStore
from holystone.store.run_time import RunTime

if TYPE_CHECKING:
    from holystone.scan.relation_scan import Progress


@dataclass(frozen=True)
class Request:
    """What the command line asks for of each store; `formats` are those of the reports, in their order.

    `baseline_file` is where the `baseline` comes from.
    """

    selection: Selection
    formats: Sequence[str]
    layouts: Sequence[Layout]
    baseline: Baseline = field(default_factory=dict)
    since: Literal["last", "beginning"] | None = None
    full_every: float = 7 * 86_400
    jobs: int = 1
    statement_timeout: float | None = None
    baseline_file: str | None = None
    run_time: RunTime | None = None


class Complaint(Struct, frozen=True):
    """What could not be done, and what to do about it; `is_in_text` says that the report for people has the message."""

    message: str
    next_step: str
    is_in_text: bool = False


class Checked(Struct, frozen=True):
    """What came of a check; `complaints` and `notices` are to be said beside the reports."""

    summary: Summary | Unavailable
    complaints: Sequence[Complaint] = ()
    notices: Sequence[str] = ()


def check_store(
    target: Target, request: Request, outs: Sequence[TextIO], progress: "Progress | None" = None
) -> Checked:
    """Check a store, and write its report in each format; HolystoneError where the store cannot be read."""
    store = OpenStore.open(target, read_only=True, run_time=request.run_time)
    store.statement_timeout = request.statement_timeout
    selection = request.selection
    scan = api.scan(
        store,
        selection,
        known=known(request.baseline, store.target),
        selected_by=selection.to_argv(),
        since=request.since,
        jobs=request.jobs,
        progress=progress,
    )
    revision, tally = toolkit_revision_if_readable(store), Tally()
    formats = zip(request.formats, outs, request.layouts, strict=True)
    writers = [writer_class(format)(scan, out, layout) for format, out, layout in formats]
    for found in scan:
        tally.add(found)
        for writer in writers:
            writer.add(found)
        del found  # its values may be long, and the next one take long
    whole = summary(scan, revision, tally)
    for writer in writers:
        writer.end(whole)
    notices: list[str] = []
    if scan.coverage is not None:
        api.verified(scan)
        if scan.coverage.full_is_due(request.full_every):
            notices.append(f"A look at all instances is due: the last is over {in_words(request.full_every)} old.")
            again = command(store, "check", "--since", "beginning", *selection.to_argv(), *_of_baseline(request))
            notices.append(f"Next: {again}")
    return Checked(whole, list(_complaints(scan, request)) if whole.verdict == "incomplete" else (), notices)


def could_not_check(target: str, schema: str | None, error: Exception) -> Checked:
    """Return what came of a check that an error ended: one that users cause, or a fault of the program."""
    if not isinstance(error, HolystoneError):
        error = HolystoneError(*reported(error))
    name = one_line(target)
    message = error.message if name in error.message else f"{name}: {error.message}"
    return Checked(unavailable(target, schema, error), [Complaint(message, error.next_step)])


def _complaints(scan: Scan, request: Request) -> Iterator[Complaint]:
    """Yield what could not be seen, and what to do about it."""
    if scan.unfinished:
        reason = one_line(str(scan.results[scan.unfinished[0]].reason))
        yield Complaint(reason, _for_rest(scan, request), is_in_text=True)
    for unloaded in scan.unloaded:
        yield Complaint(unloaded.message, one_line(unloaded.next_step))
    failed = [
        result
        for result in scan.results.values()
        if result.outcome is Outcome.failed and result.check.id not in scan.unfinished
    ]
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
    if not reasons and not scan.unloaded and not scan.unfinished:
        skipped = {result.reason for result in scan.results.values() if result.reason}
        reasons = {f"Nothing was checked: {one_line(reason)}": next_step for reason in skipped}
    for reason in sorted(reasons):
        yield Complaint(reason, reasons[reason])


def _for_rest(scan: Scan, request: Request) -> str:
    """Return the command that looks at what a run time has left, with no bound.

    Where some checks are done it names the others; not with --since, for how far a store is verified is kept of all.
    """
    selection, since = request.selection, [] if request.since is None else ["--since", request.since]
    if not since and any(result.outcome in (Outcome.clean, Outcome.found) for result in scan.results.values()):
        selection = replace(selection, select=[",".join(scan.unfinished)])
    return command(scan.store, "check", *since, *selection.to_argv(), *_of_baseline(request))


def _of_baseline(request: Request) -> list[str]:
    return [] if request.baseline_file is None else ["--baseline", request.baseline_file]
