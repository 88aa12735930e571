"""Undoing a run: each row back to its before-image, where it still is the after-image and fits what is around it."""

from collections.abc import Sequence
from itertools import groupby

from holystone.mend import journal
from holystone.mend.apply import Report, new_run
from holystone.mend.attempt import Skipped
from holystone.mend.change import Change, instances_of
from holystone.mend.journal import Run
from holystone.mend.locks import busy_instances, why_busy
from holystone.mend.pace import Pace
from holystone.mend.restoration import Entries, Restoration, changes_of, reverse
from holystone.store.open_store import OpenStore


def undo_run(store: OpenStore, run: Run, undoing: Run | None = None) -> Report:
    """Take the run's changes back, the last one first; journaled as a run of its own, `undoing` where it is given.

    One that was stopped goes on, where it is one that the journal has already. Rows that are no longer as the run left
    them, those that do not fit any more into what is around them, and those of instances that the engine is working on,
    are skipped and named. What an earlier undo took back already is left alone, so undoing twice does no harm.
    """
    undoing = undoing or new_run("undo", undoes=run.run_id)
    report = Report(run=undoing.run_id if undoing.changes else None)
    entries = [entry for entry in reversed(run.changes) if entry.undone_by is None]
    report.already = len(run.changes) - len(entries)
    pace = Pace(store)
    groups = [tuple(group) for _, group in groupby(entries, key=lambda entry: entry.change.finding)]
    for chunk in pace.chunks(groups):
        _undo_chunk(store, pace, run, undoing, chunk, report)
    if report.run is not None:
        with store.transaction() as connection:
            journal.finish(connection, undoing.run_id, store.flavour.now_ms(connection))
    return report


def _undo_chunk(store: OpenStore, pace: Pace, run: Run, undoing: Run, chunk: Sequence[Entries], report: Report) -> None:
    made: list[Change] = []
    skipped: list[Skipped] = []
    with pace.transaction() as connection:
        busy = busy_instances(store, connection, set().union(*(instances_of(changes_of(group)) for group in chunk)))
        restoration = Restoration(store, connection, run.version)
        free: list[Entries] = []
        for group in chunk:
            if held := busy & instances_of(changes_of(group)):
                why = why_busy(store, connection, held)
                skipped += [(change, why) for change in changes_of(group)]
            else:
                free.append(group)
        restoration.restore(free)
        for group in restoration.restored:
            made += map(reverse, changes_of(group))
        numbers = [entry.number for group in restoration.restored for entry in group]
        journal.mark_undone(connection, run.run_id, numbers, undoing.run_id)
        if made and report.run is None:
            journal.begin(connection, undoing)
        first, now = len(undoing.changes) + report.applied, store.flavour.now_ms(connection)
        journal.record(connection, undoing.run_id, first, made, now, restoration.took_away)
    if made:
        report.run = undoing.run_id
    report.applied += len(made)
    report.skipped += skipped + restoration.skipped
