"""What holystone does to a store, from Python: `check`, `plan`, `apply` and `undo`; `why` of one instance, and `gate`.

The command line calls them, too, but for `check` the `scan` below it, to write each finding as it is found.

A store is named as on the command line, by a path, a URL or a connection string of libpq, or is one that is open. What
cannot be done raises a `HolystoneError`, which says in `next_step` what to do about it.
"""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from holystone.errors import OutOfTimeError
from holystone.scan.catalogue import Selection, checks
from holystone.scan.check import Level, Severity
from holystone.scan.scan import Scan
from holystone.store.open_store import OpenStore
from holystone.store.run_time import RunTime

if TYPE_CHECKING:
    from holystone.diagnosis.model import Diagnosis
    from holystone.gate.model import GateReport
    from holystone.gate.registered import Registered
    from holystone.gate.waiver import Waiver
    from holystone.mend.apply import Report
    from holystone.mend.journal import Run
    from holystone.mend.plan import Plan
    from holystone.render.report import Report as CheckReport
    from holystone.scan.relation_scan import Progress

STANDARD = Selection()
"""All instances, and all checks up to the level standard."""


LevelName = Literal["quick", "standard", "deep"]


def check(
    target: str | OpenStore,
    selection: Selection = STANDARD,
    *,
    level: LevelName | None = None,
    schema: str | None = None,
    known: Collection[str] = (),
    since: Literal["last", "beginning"] | None = None,
    jobs: int = 1,
    run_time: float | None = None,
    progress: "Progress | None" = None,
) -> "CheckReport":
    """Check a store, and return the report: `verdict`, `findings`, `checks`, and what else `--format json` prints.

    Reads only, but with `since`: then only what was written since the last clean check is looked at, or all once more,
    and how far the store is verified is kept. `level` stands in for that of the selection, `known` are the
    fingerprints of findings to leave out, and `jobs` the connections that read. After `run_time`, in seconds, the
    snapshot is ended, and what was not looked at by then is incomplete. `verdict` is "clean", "drift" or "incomplete",
    where something could not be looked at. All findings are held in memory; `scan` yields them one by
    one. TargetError, NotAStoreError or StoreUnavailableError where the store cannot be read, CatalogueError where the
    selection names what there is not.

    >>> report = holystone.check("orders.db", level="deep")
    >>> report.verdict
    'drift'
    >>> {finding.check for finding in report.findings if finding.severity == "critical"}
    {'E001'}
    """
    from holystone.render.report import report

    scanned = scan(
        target,
        selection,
        level=level,
        schema=schema,
        known=known,
        since=since,
        jobs=jobs,
        run_time=run_time,
        progress=progress,
    )
    whole = report(scanned)
    verified(scanned)
    return whole


def scan(
    target: str | OpenStore,
    selection: Selection = STANDARD,
    *,
    level: LevelName | None = None,
    schema: str | None = None,
    known: Collection[str] = (),
    selected_by: Sequence[str] = (),
    since: Literal["last", "beginning"] | None = None,
    jobs: int = 1,
    run_time: float | None = None,
    progress: "Progress | None" = None,
) -> Scan:
    """Return the scan that `check` makes, which looks as one iterates over it; its `verdict` is for the end of that.

    So a million findings take no more memory than ten. `selected_by` are the words of a command line that made the
    selection. With `since`, `verified` keeps how far the scan went. The errors are those of `check`.

    >>> scanned = holystone.api.scan("orders.db")
    >>> sum(1 for finding in scanned if finding.check.id == "E001")
    1
    >>> scanned.verdict.name
    'drift'
    """
    selection = _at(level, selection)
    bound = None if run_time is None else RunTime(run_time)
    store = _opened(target, schema, read_only=True, run_time=bound)
    chosen, policy = selection.checks(), selection.effective_policy()
    scanned = Scan(
        store,
        chosen,
        level=selection.level,
        instances=selection.instances,
        known=known,
        selected_by=selected_by,
        left_out=selection.left_out(),
        policy=policy,
        race_window=selection.race_window,
        jobs=jobs,
        progress=progress,
        unloaded=() if selection.select else checks().broken,
    )
    if since is not None:
        from holystone.scan.watermark import cover
        from holystone.scan.watermarks import watermarks_of

        with suppress(OutOfTimeError):  # the scan comes upon it as well, and says it
            scanned.coverage = cover(
                store,
                watermarks_of(store),
                selection.level,
                scanned.to_run(),
                policy=policy,
                afresh=since == "beginning",
            )
    return scanned


def verified(scan: Scan) -> bool:
    """Keep how far the store is verified, where a scan `since` some time found all clean; return whether it did.

    That is kept in the store where it has a table for it that this user may write to, else in a file of the user's.
    HolystoneError where neither can be written.
    """
    from holystone.scan.watermarks import watermarks_of

    if scan.coverage is None or not scan.verifies:
        return False
    store = scan.store.bounded(None)
    watermarks = watermarks_of(store)
    if not watermarks.outside:
        store = OpenStore.open(scan.store.target)
        if store.identity != scan.store.identity:
            return False
        watermarks = watermarks_of(store)
    watermarks.keep(scan.coverage)
    return True


def plan(
    target: str | OpenStore,
    selection: Selection = STANDARD,
    *,
    level: LevelName | None = None,
    schema: str | None = None,
    only: Collection[str] | None = None,
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> "Plan":
    """Return the plan that repairs what the selected checks find: `changes`, each with its row before and after.

    Writes nothing. With `only`, for these instances alone. PlanError where a check could not run: half a plan would
    pass for a whole one; the other errors are those of `check`.

    >>> plan = holystone.plan("orders.db")
    >>> [(change.safety, change.before, change.after) for change in plan.changes if change.check == "E001"]
    [('safe', {'status': 'ContinuedAsNew'}, {'status': 'Running'})]
    """
    from holystone.mend.plan import make_plan

    selection = _at(level, selection)

    return make_plan(
        _opened(target, schema, read_only=True),
        selection.checks(),
        instances=selection.instances,
        policy=selection.effective_policy(),
        race_window=selection.race_window,
        jobs=jobs,
        progress=progress,
        only=only,
    )


_plan = plan


def apply(
    target: str | OpenStore,
    plan: "Plan",
    selection: Selection = STANDARD,
    *,
    level: LevelName | None = None,
    schema: str | None = None,
    unsafe: Collection[str] = (),
    run: "Run | None" = None,
    agree: "Callable[[Plan], None] | None" = None,
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> "Report":
    """Make the safe changes of a plan, and those of the unsafe repairs or checks that `unsafe` names; return a report.

    Each row is changed only where it is still as planned, and journaled in the same transaction. What has to wait for
    another repair of its instance comes in plans after this one, made with the selection that is given here: that of
    the first plan; `agree` is called with each of these, and raises what shall stop the run. `run` is the run of the
    journal that the changes are part of: of `new_application`, where none is given, or one that was stopped. In the
    report, `applied` is the number of rows that were changed, `left` of those that stay as they were, `skipped` has
    them with the reasons, and `id` is the run's, for `undo`. The journal's tables are made where they are missing.
    StoreUnavailableError or ReadOnlyError where the store cannot be written.

    >>> run = holystone.apply("orders.db", holystone.plan("orders.db"))
    >>> run.applied, run.left
    (19, 0)
    >>> holystone.check("orders.db").verdict
    'clean'
    """
    from holystone.mend.apply import Application, Report

    selection = _at(level, selection)

    if not plan.changes and run is None:
        return Report()
    store = _opened(target, schema, read_only=False)
    install_journal(store)
    application = Application(store, run or new_application(plan, selection, unsafe=unsafe), unsafe=unsafe)
    application.apply(plan, progress)
    for later in application.go_on(plan, lambda only: _plan(store, selection, only=only, jobs=jobs, progress=progress)):
        if agree is not None:
            agree(later)
    return application.finish()


def undo(
    target: str | OpenStore, run: "str | Run", *, schema: str | None = None, undoing: "Run | None" = None
) -> "Report":
    """Put the rows that a run of `apply` changed back as they were, and return a report.

    A row is put back where it still is as the run left it, and where it still fits what is around it. `undoing` is an
    undo that was stopped, which goes on. In the report, `applied` is the number of rows that were put back, and
    `skipped` has the others with the reasons. JournalError where there is no such run, or where the journal was
    altered.

    >>> run = holystone.apply("orders.db", holystone.plan("orders.db"))
    >>> undone = holystone.undo("orders.db", run.id)
    >>> undone.applied == run.applied, undone.left
    (True, 0)
    """
    from holystone.mend.runs import read_run
    from holystone.mend.undo import undo_run

    store = _opened(target, schema, read_only=False)
    return undo_run(store, read_run(store, run) if isinstance(run, str) else run, undoing)


def why(target: str | OpenStore, instance_id: str, *, schema: str | None = None, events: int = 20) -> "Diagnosis":
    """Return why an instance is where it is: `state`, `sentence`, `causes`, and the rows that they rest on.

    Reads only, in one snapshot; the last `events` of the current execution are in it, and all are counted. `unseen` is
    what could not be read, such as a table that the role may not see. UnknownInstanceError where there is no such
    instance; the other errors are those of `check`.

    >>> holystone.why("orders.db", "order-1").state
    'ended'
    """
    from holystone.diagnosis.instance import diagnose

    return diagnose(_opened(target, schema, read_only=True), instance_id, events)


def gate(
    target: str | OpenStore,
    *,
    against: str | None = None,
    registered: "Registered | None" = None,
    waivers: "Sequence[Waiver]" = (),
    refuse_from: Severity = Severity.error,
    selection: Selection = STANDARD,
    level: LevelName | None = None,
    schema: str | None = None,
    known: Collection[str] = (),
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> "GateReport":
    """Return whether a store is fit for a deployment: `verdict` is "pass", "refused" or "incomplete"; reads only.

    `against` is the version of the engine that is about to be deployed, such as "provider:0.1.38", and `registered`
    what the application registers; without them the rules that ask for them are not asked. A rule refuses from the
    severity `refuse_from` on. Drift is what `check` finds with the selection and `known`. The errors are those of
    `check`, and HolystoneError where there is no such version.

    >>> holystone.api.gate("orders.db", against="core:0.1.9").verdict
    'refused'
    """
    from datetime import date

    from holystone.gate.deployed import deployed
    from holystone.gate.facts import Facts
    from holystone.gate.verdict import judge

    store = _opened(target, schema, read_only=True)
    version = None if against is None else deployed(against, store.flavour.name)
    scanned = scan(store, selection, level=level, known=known, jobs=jobs, progress=progress)
    facts = Facts(store, version, registered, scanned)
    return judge(facts, waivers=waivers, refuse_from=refuse_from, today=date.today())


def new_application(
    plan: "Plan", selection: Selection = STANDARD, *, unsafe: Collection[str] = (), from_file: bool = False
) -> "Run":
    """Return a run that is to apply a plan; the journal has it, with what it was asked for, from its first change on.

    `from_file` says that the plan comes from a file, which is needed again where the run is stopped and resumed.
    """
    from holystone.mend.apply import new_run
    from holystone.mend.request import Request

    asked_for = Request(
        level=selection.level.name,
        select=selection.select,
        ignore=selection.ignore,
        reasons=selection.reasons,
        instance=selection.instances,
        config=None if selection.policy.file is None else os.path.abspath(selection.policy.file),
        race_window=selection.race_window,
        unsafe=list(unsafe),
        from_file=from_file,
    )
    return new_run("apply", plan=plan.hash, asked_for=asked_for.to_json())


def install_journal(store: OpenStore) -> Sequence[str]:
    """Make or upgrade the tables of the journal where they are not as they should be; return the revisions that ran."""
    from holystone.mend.journal import has_digests
    from holystone.migrate import upgrade
    from holystone.store.toolkit import JOURNAL, JOURNAL_DIGESTS

    revisions = upgrade(store, JOURNAL)
    return revisions if has_digests(store) else [*revisions, *upgrade(store, JOURNAL_DIGESTS)]


def _at(level: LevelName | None, selection: Selection) -> Selection:
    return selection if level is None else replace(selection, level=Level[level])


def _opened(
    target: str | OpenStore, schema: str | None, *, read_only: bool, run_time: RunTime | None = None
) -> OpenStore:
    if isinstance(target, str):
        return OpenStore.open(target, schema, read_only=read_only, run_time=run_time)
    return target if run_time is None else target.bounded(run_time)
