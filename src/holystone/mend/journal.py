"""The journal: holystone's own tables in the store, which every change is written to as it is made."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
    update,
)

from holystone.errors import JournalError
from holystone.mend.change import Change
from holystone.mend.document import change_from
from holystone.store import Store
from holystone.store.flavours.base import is_utf8

metadata = MetaData()

runs = Table(
    "holystone_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="apply or undo"),
    Column("plan", Text, comment="hash of the plan that was applied"),
    Column("undoes", Text, comment="run that was undone"),
    Column("actor", Text, nullable=False, comment="user@host"),
    Column("version", Text, nullable=False, comment="of holystone"),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger, comment="NULL: the run goes on, or was interrupted"),
)

changes = Table(
    "holystone_changes",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.run_id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("check_id", Text, nullable=False),
    Column("repair_id", Text, nullable=False),
    Column("safety", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("row_key", Text, nullable=False, comment="JSON"),
    Column("before_image", Text, comment="JSON; NULL: there was no row"),
    Column("after_image", Text, comment="JSON; NULL: the row was removed"),
    Column("why", Text, nullable=False),
    Column("evidence", Text, nullable=False, comment="JSON"),
    Column("made_at_ms", BigInteger, nullable=False),
    Column("undone_by", Text, comment="run that took it back"),
)


@dataclass(frozen=True)
class Run:
    """One run of apply or undo, with its changes in the order in which they were made.

    `unreadable` says what is wrong with each row of the journal that was altered since, and is no change any more.
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


@dataclass(frozen=True)
class Entry:
    """One change of the journal; `undone_by` is the run that took it back."""

    number: int
    change: Change
    made_at_ms: int
    undone_by: str | None


def is_installed(store: Store) -> bool:
    """Return whether the store has the journal's tables."""
    return {runs.name, changes.name} <= store.columns.keys()


def begin(connection: Connection, run: Run) -> None:
    """Write that the run has begun."""
    connection.execute(
        insert(runs).values(
            run_id=run.run_id,
            kind=run.kind,
            plan=run.plan,
            undoes=run.undoes,
            actor=run.actor,
            version=run.version,
            started_at_ms=run.started_at_ms,
        )
    )


def finish(connection: Connection, run_id: str, now_ms: int) -> None:
    """Write that the run has come to its end."""
    connection.execute(update(runs).where(runs.c.run_id == run_id).values(finished_at_ms=now_ms))


def record(connection: Connection, run_id: str, first: int, made: Iterable[Change], now_ms: int) -> None:
    """Write changes, numbered from `first`, in the transaction that makes them."""
    rows = [
        {
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
        }
        for number, change in enumerate(made, first)
    ]
    if rows:
        connection.execute(insert(changes), rows)


def mark_undone(connection: Connection, run_id: str, number: int, by: str) -> None:
    """Write that run `by` took a change back."""
    which = (changes.c.run_id == run_id) & (changes.c.number == number)
    connection.execute(update(changes).where(which).values(undone_by=by))


def read_runs(store: Store) -> list[Run]:
    """Return all runs, the latest first; none where the store has no journal."""
    if not is_installed(store):
        return []
    with store.look() as connection:
        rows = connection.execute(select(runs).order_by(runs.c.started_at_ms.desc(), runs.c.run_id.desc())).all()
        return [_run(store, connection, row) for row in rows]


def read_run(store: Store, run_id: str) -> Run:
    """Return the run; JournalError where the journal has none of that id, or where a row of it cannot be read."""
    if is_installed(store):
        with store.look() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).one_or_none()
            run = None if row is None else _run(store, connection, row)
        if run is not None and run.unreadable:
            raise JournalError(
                f"Run {run_id!r} of the journal was altered: {run.unreadable[0]}.",
                "Restore holystone_changes from a backup; `holystone repair log TARGET --rows` shows what can be read.",
            )
        if run is not None:
            return run
    raise JournalError(
        f"The journal of {store.target} has no run {run_id!r}.", "`holystone repair log TARGET` lists the runs."
    )


def _run(store: Store, connection: Connection, row: Any) -> Run:
    rows = connection.execute(select(changes).where(changes.c.run_id == row.run_id).order_by(changes.c.number))
    entries: list[Entry] = []
    unreadable: list[str] = []
    for entry in rows:
        try:
            entries.append(_entry(store, entry))
        except ValueError as error:
            unreadable.append(f"of its change {entry.number}, {error}")
    return Run(**_run_columns(row), changes=entries, unreadable=unreadable)


def _run_columns(row: Any) -> dict[str, Any]:
    """Return the columns of a run as text, but for its times: SQLite keeps in any column what it is given."""
    return {
        name: value if value is None or _is_text(value) or name.endswith("_ms") else repr(value)
        for name, value in row._mapping.items()
    }


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_utf8(value)


def _entry(store: Store, row: Any) -> Entry:
    document = {
        "check": row.check_id,
        "repair": row.repair_id,
        "safety": row.safety,
        "table": row.table_name,
        "key": _load(row.row_key),
        "before": None if row.before_image is None else _load(row.before_image),
        "after": None if row.after_image is None else _load(row.after_image),
        "why": row.why,
        "evidence": _load(row.evidence),
    }
    if not isinstance(row.number, int) or not (row.undone_by is None or _is_text(row.undone_by)):
        raise ValueError("its number or its undone_by is of another kind")
    return Entry(row.number, change_from(document, store), row.made_at_ms, row.undone_by)


def _load(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("it holds no JSON") from None


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
