"""The journal: what every change is written to as it is made, in tables of holystone's own in the store."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from holystone.errors import JournalError
from holystone.mend.chain import Row, of_change, of_end, of_run
from holystone.mend.change import Change
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import changes, runs

UNDO = "undo"
"""Why a change of an undo was made."""
_AT_A_TIME = 1_000
"""Rows of the journal that are read at a time."""
_LENGTH_AT_A_TIME = 1024 * 1024
"""Characters in the rows from which on they are written: a value in one can be as long as a database takes one."""


@dataclass(frozen=True)
class Run:
    """One run of apply or undo, with its changes in the order in which they were made.

    `unreadable` says what is wrong with each row of the journal that was altered since, and is no change any more.
    `altered` says what its digests tell of rows that were edited, removed or added by hand.
    """

    run_id: str
    kind: str
    plan: str | None
    undoes: str | None
    actor: str
    version: str
    started_at_ms: int
    finished_at_ms: int | None
    changes: Sequence["Entry"]
    unreadable: Sequence[str] = ()
    altered: Sequence[str] = ()
    asked_for: str | None = None


@dataclass(frozen=True)
class Entry:
    """One change of the journal; `undone_by` is the run that took it back.

    `took_away` are the names of the other findings that went away with it, None where an older version wrote it.
    """

    number: int
    change: Change
    made_at_ms: int
    undone_by: str | None
    took_away: frozenset[str] | None = None


def is_installed(store: OpenStore) -> bool:
    """Return whether the store has the journal's tables."""
    return {runs.name, changes.name} <= store.columns.keys()


def has_digests(store: OpenStore) -> bool:
    """Return whether the journal has its digests: an older version of holystone made it without."""
    return is_installed(store) and all(
        column.name in store.columns[table.name] for table in (runs, changes) for column in table.c
    )


def begin(connection: Connection, run: Run) -> None:
    """Write that the run has begun."""
    row = {
        "run_id": run.run_id,
        "kind": run.kind,
        "plan": run.plan,
        "undoes": run.undoes,
        "actor": run.actor,
        "version": run.version,
        "started_at_ms": run.started_at_ms,
        "asked_for": run.asked_for,
    }
    digest = of_run(row)
    connection.execute(insert(runs).values(**row, change_count=0, first_digest=digest, last_digest=digest))


def finish(connection: Connection, run_id: str, now_ms: int) -> None:
    """Write that the run has come to its end."""
    row = _going_on(connection, run_id)
    _advance(connection, row, finished_at_ms=now_ms, last_digest=of_end(row["last_digest"], now_ms))


def record(
    connection: Connection,
    run_id: str,
    first: int,
    made: Iterable[Change],
    now_ms: int,
    took_away: Mapping[str, Sequence[str]],
) -> None:
    """Write changes, numbered from `first`, in the transaction that makes them.

    `took_away` are by the name of a change's finding the names of others that went away with it. JournalError where the
    run has another number of changes by now, or has come to its end.
    """
    made = list(made)
    if not made:
        return
    run = _going_on(connection, run_id)
    if run["change_count"] != first:
        raise _written_by_others(run_id)
    digest, rows, length = run["last_digest"], [], 0
    for number, change in enumerate(made, first):
        row: dict[str, Any] = {
            "run_id": run_id,
            "number": number,
            "check_id": change.check,
            "repair_id": change.repair,
            "safety": change.safety,
            "table_name": change.table,
            "row_key": _dump(change.key),
            "before_image": None if change.before is None else _dump(change.before),
            "after_image": None if change.after is None else _dump(change.after),
            "why": change.why,
            "evidence": _dump(change.evidence),
            "made_at_ms": now_ms,
            "took_away": _dump(took_away.get(change.finding, [])),
        }
        digest = row["digest"] = of_change(digest, row)
        rows.append(row)
        length += sum(len(value) for value in row.values() if isinstance(value, str))
        if length > _LENGTH_AT_A_TIME:
            connection.execute(insert(changes), rows)
            rows, length = [], 0
    if rows:
        connection.execute(insert(changes), rows)
    _advance(connection, run, change_count=first + len(made), last_digest=digest)


def _going_on(connection: Connection, run_id: str) -> Row:
    """Return the row of a run that has not come to its end, locked where the database locks rows."""
    row = connection.execute(select(runs).where(runs.c.run_id == run_id).with_for_update()).mappings().one_or_none()
    if row is None or row["finished_at_ms"] is not None:
        raise _written_by_others(run_id)
    return row


def _advance(connection: Connection, row: Row, **now: Any) -> None:
    as_before = (runs.c.run_id == row["run_id"]) & (runs.c.last_digest == row["last_digest"])
    if connection.execute(update(runs).where(as_before).values(**now)).rowcount != 1:
        raise _written_by_others(row["run_id"])


def _written_by_others(run_id: str) -> JournalError:
    return JournalError(
        f"Something else has written to run {run_id!r} of the journal meanwhile.",
        "Wait until nothing else repairs the store; `holystone repair log TARGET` shows what was done.",
    )


def seal(connection: Connection) -> None:
    """Give every run and every change its digest, as they stand: for a journal that was made without."""
    for run in connection.execute(select(runs)).mappings().all():
        first = last = of_run(run)
        of_it, after, count = changes.c.run_id == run["run_id"], None, 0
        while True:
            page = select(changes).where(of_it).order_by(changes.c.number).limit(_AT_A_TIME)
            if after is not None:
                page = page.where(changes.c.number > after)
            rows = connection.execute(page).mappings().all()
            if not rows:
                break
            digests = []
            for row in rows:
                last = of_change(last, row)
                digests.append({"of_number": row["number"], "digest": last})
            is_row = of_it & (changes.c.number == bindparam("of_number"))
            connection.execute(update(changes).where(is_row), digests)
            after, count = rows[-1]["number"], count + len(rows)
        if run["finished_at_ms"] is not None:
            last = of_end(last, run["finished_at_ms"])
        sealed = {"change_count": count, "first_digest": first, "last_digest": last}
        connection.execute(update(runs).where(runs.c.run_id == run["run_id"]).values(**sealed))


def mark_undone(connection: Connection, run_id: str, numbers: Iterable[int], by: str) -> None:
    """Write that run `by` took these changes back."""
    which = (changes.c.run_id == run_id) & (changes.c.number == bindparam("of_number"))
    if rows := [{"of_number": number} for number in numbers]:
        connection.execute(update(changes).where(which).values(undone_by=by), rows)


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
