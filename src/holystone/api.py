"""What holystone does to a store, from Python: `check`, `plan`, `apply` and `undo`. The command line calls them, too.

A store is named as on the command line, by a path, a URL or a connection string of libpq, or is one that is open. What
cannot be done raises a `HolystoneError`, which says in `next_step` what to do about it.
"""

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

from holystone.scan.catalogue import Selection, checks
from holystone.scan.scan import Scan
from holystone.store.open_store import OpenStore

if TYPE_CHECKING:
    from holystone.mend.apply import Report
    from holystone.mend.journal import Run
    from holystone.mend.plan import Plan
    from holystone.scan.relation_scan import Progress

STANDARD = Selection()
"""All instances, and all checks up to the level standard."""


def check(
    target: str | OpenStore,
    selection: Selection = STANDARD,
    *,
    schema: str | None = None,
    known: Collection[str] = (),
    selected_by: Sequence[str] = (),
    since: Literal["last", "beginning"] | None = None,
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> Scan:
    """Return a scan of a store: each `Finding` as one iterates over it, then its `verdict` and how each check ended.

    Writes nothing. `known` are the fingerprints of findings to leave out, and `jobs` the connections that read. With
    `since`, only what was written since the last clean check is looked at, or all once more; `verified` keeps how far
    it went. TargetError, NotAStoreError or StoreUnavailableError where the store cannot be read, CatalogueError where
    the selection names what there is not.
    """
    store = _opened(target, schema, read_only=True)
    chosen, policy = selection.checks(), selection.house()
    if since is not None:
        store.require_writable()
    scan = Scan(
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

        scan.coverage = cover(store, selection.level, scan.to_run(), policy=policy, afresh=since == "beginning")
    return scan


def verified(scan: Scan) -> bool:
    """Keep in the store how far it is verified, where a scan `since` some time found all clean; return whether it did.

    StoreUnavailableError where the store cannot be written to.
    """
    from holystone.scan.watermark import record

    if scan.coverage is None or not scan.verifies:
        return False
    store = OpenStore.open(scan.store.target)
    if store.identity != scan.store.identity:
        return False
    record(store, scan.coverage)
    return True


def plan(
    target: str | OpenStore,
    selection: Selection = STANDARD,
    *,
    schema: str | None = None,
    only: Collection[str] | None = None,
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> "Plan":
    """Return the plan that repairs what the selected checks find, with each row's values before and after.

    Writes nothing. With `only`, for these instances alone. PlanError where a check could not run: half a plan would
    pass for a whole one; the other errors are those of `check`.
    """
    from holystone.mend.plan import make_plan

    return make_plan(
        _opened(target, schema, read_only=True),
        selection.checks(),
        instances=selection.instances,
        policy=selection.house(),
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
    schema: str | None = None,
    unsafe: Collection[str] = (),
    run: "Run | None" = None,
    agree: "Callable[[Plan], None] | None" = None,
    jobs: int = 1,
    progress: "Progress | None" = None,
) -> "Report":
    """Make the safe changes of a plan, and those of the unsafe repairs or checks that `unsafe` names; return a report.

    Each row is changed only where it is still as planned, and journaled in the same transaction. What has to wait for
    another repair of its instance comes in plans after this one, made with the same selection; `agree` is called with
    each of these, and raises what shall stop the run. `run` is the run of the journal that the changes are part of: of
    `new_application`, where none is given, or one that was stopped. `Report.left` are the rows that stay as they were,
    each with the reason. The journal's tables are made where they are missing.
    """
    from holystone.mend.apply import Application, Report

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
    undo that was stopped, which goes on. JournalError where there is no such run, or where the journal was altered.
    """
    from holystone.mend.runs import read_run
    from holystone.mend.undo import undo_run

    store = _opened(target, schema, read_only=False)
    return undo_run(store, read_run(store, run) if isinstance(run, str) else run, undoing)


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
        config=None if selection.policy_file is None else os.path.abspath(selection.policy_file),
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


def _opened(target: str | OpenStore, schema: str | None, *, read_only: bool) -> OpenStore:
    return OpenStore.open(target, schema, read_only=read_only) if isinstance(target, str) else target
