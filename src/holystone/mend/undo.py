"""Undoing a run: each row back to its before-image, where it still is the after-image."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from holystone.mend import journal
from holystone.mend.apply import BUSY, Report, new_run
from holystone.mend.change import Change, instances_of, is_row, row_table, values
from holystone.mend.journal import Entry, Run
from holystone.mend.locks import busy_instances
from holystone.mend.pace import Pace
from holystone.store import Store

CHANGED_SINCE = "the row was changed after the run"
UNDO = "undo"
"""Why a change of an undo was made."""


def undo_run(store: Store, run: Run, undoing: Run | None = None) -> Report:
    """Take the run's changes back, the last one first; journaled as a run of its own, `undoing` where it is given.

    One that was stopped goes on, where it is one that the journal has already. Rows that are no longer as the run left
    them, and those of instances that the engine is working on, are skipped and named. What an earlier undo took back
    already is left alone, so undoing twice does no harm.
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


def _undo_chunk(
    store: Store, pace: Pace, run: Run, undoing: Run, chunk: Sequence[tuple[Entry, ...]], report: Report
) -> None:
    made: list[Change] = []
    skipped: list[tuple[Change, str]] = []
    with pace.transaction() as connection:
        busy = busy_instances(store, connection, [one for group in chunk for e in group for one in e.change.instances])
        for group in chunk:
            changes = [entry.change for entry in group]
            if busy & instances_of(tuple(changes)):
                skipped += [(change, BUSY) for change in changes]
            elif _restore_all(store, connection, changes):
                for entry in group:
                    journal.mark_undone(connection, run.run_id, entry.number, undoing.run_id)
                made += map(_reverse, changes)
            else:
                skipped += [(change, CHANGED_SINCE) for change in changes]
        if made and report.run is None:
            journal.begin(connection, undoing)
        first = len(undoing.changes) + report.applied
        journal.record(connection, undoing.run_id, first, made, store.flavour.now_ms(connection))
    if made:
        report.run = undoing.run_id
    report.applied += len(made)
    report.skipped += skipped


def _restore_all(store: Store, connection: Connection, changes: Sequence[Change]) -> bool:
    """Put the before-images of one finding's changes back, all of them or none."""
    point = connection.begin_nested()
    if all(_restore(store, connection, change) for change in changes):
        point.commit()
        return True
    point.rollback()
    return False


def _restore(store: Store, connection: Connection, change: Change) -> bool:
    """Put the before-image back; return False where the row is not the after-image any more."""
    rows = row_table(store, change.table)
    as_after = is_row(rows, values(store, {**change.key, **(change.after or {})}))
    if change.before is None:
        return connection.execute(delete(rows).where(as_after)).rowcount == 1
    before = values(store, change.before)
    if change.after is None:
        if connection.execute(select(*(rows.c[name] for name in change.key)).where(as_after)).first():
            return False
        connection.execute(insert(rows).values(before))
        return True
    return connection.execute(update(rows).where(as_after).values(before)).rowcount == 1


def _reverse(change: Change) -> Change:
    """Return the change that the undo made, as its own journal entry."""
    images: dict[str, Any] = {"before": change.after, "after": change.before}
    return Change(**{**change.as_json(), **images, "why": UNDO})
