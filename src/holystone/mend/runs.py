"""Runs of apply and undo, read from the journal, with what its digests tell of it."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, Text, false, func, or_, select

from holystone.errors import JournalError
from holystone.flavours.values import is_utf8
from holystone.mend.chain import ROW_REMOVED, Chain, Row, of_effect
from holystone.mend.document import change_from
from holystone.mend.journal import Entry, Run, has_digests, is_installed
from holystone.scan.long_texts import is_long, unless_long
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import changes, runs

_AT_A_TIME = 1_000
"""Rows of the journal that are read at a time."""


def read_runs(store: OpenStore) -> list[Run]:
    """Return all runs, the latest first; none where the store has no journal.

    Where the journal has no digests, nothing is known of what was altered.
    """
    with log_of(store) as runs:
        return [replace(run.run, changes=list(run.changes())) for run in runs]


@dataclass(frozen=True)
class Logged:
    """A run as the log has it, without its changes: `changes` reads those of them that can be, not all at once.

    `count` is their number, and `undone` how many of them each other run took back.
    """

    run: Run
    count: int
    undone: Mapping[str, int]
    changes: Callable[[], Iterator[Entry]]


@contextmanager
def log_of(store: OpenStore, run_id: str | None = None) -> Iterator[Iterator[Logged]]:
    """Yield all runs, the latest first, or the one of that id, as they are at one moment; none without a journal.

    Each is read as it is asked for, and twice: first for what is wrong with it.
    """
    if not is_installed(store):
        yield iter(())
        return
    with store.unlocked_snapshot() as connection:
        yield _logged(store, connection, run_id)


def _logged(store: OpenStore, connection: Connection, run_id: str | None) -> Iterator[Logged]:
    order = (runs.c.started_at_ms.desc(), runs.c.run_id.desc())
    chosen = _select(store, runs) if run_id is None else _select(store, runs).where(runs.c.run_id == run_id)
    for row in connection.execute(chosen.order_by(*order)).mappings().all():
        undone: dict[str, int] = defaultdict(int)
        count = 0

        def take(entry: Entry, undone: dict[str, int] = undone) -> None:
            nonlocal count
            count += 1
            if entry.undone_by is not None:
                undone[entry.undone_by] += 1

        run = _run(store, connection, row, take)
        yield Logged(run, count, undone, partial(_entries, store, connection, row["run_id"]))
    of_no_run = select(changes.c.run_id, func.min(changes.c.made_at_ms)).where(
        changes.c.run_id.not_in(select(runs.c.run_id))
    )
    if run_id is not None:
        of_no_run = of_no_run.where(changes.c.run_id == run_id)
    for lost in connection.execute(of_no_run.group_by(changes.c.run_id)).all():
        yield Logged(_lost_run(*lost), 0, {}, lambda: iter(()))


def _entries(store: OpenStore, connection: Connection, run_id: Any) -> Iterator[Entry]:
    """Yield the changes of a run that can be read."""
    for row in _rows(store, connection, run_id):
        with suppress(ValueError):
            yield _entry(store, row)


def read_run(store: OpenStore, run_id: str) -> Run:
    """Return the run, for undoing it.

    JournalError where the journal has none of that id, where a row of it cannot be read or was altered by hand, and
    where the journal has no digests that would tell.
    """
    if is_installed(store):
        _require_digests(store)
        with store.unlocked_snapshot() as connection:
            run: Run | None = None
            row = connection.execute(_select(store, runs).where(runs.c.run_id == run_id)).mappings().one_or_none()
            if row is not None:
                entries: list[Entry] = []
                run = replace(_run(store, connection, row, entries.append), changes=entries)
            else:
                of_it = select(func.min(changes.c.made_at_ms)).where(changes.c.run_id == run_id)
                since = connection.execute(of_it).scalar_one()
                run = None if since is None else _lost_run(run_id, since)
        if run is not None and (wrong := [*run.unreadable, *run.altered]):
            raise JournalError(
                f"Run {run_id!r} of the journal was altered: {wrong[0]}.",
                "Restore holystone_runs and holystone_changes from a backup; "
                "`holystone repair log TARGET --rows` shows what can be read.",
            )
        if run is not None:
            return run
    raise JournalError(
        f"The journal of {store.target} has no run {run_id!r}.", "`holystone repair log TARGET` lists the runs."
    )


def _require_digests(store: OpenStore) -> None:
    if not has_digests(store):
        raise JournalError(
            f"The journal of {store.target} was made by an older version of holystone, and has no digests yet.",
            "Let holystone add them first: holystone migrate upgrade TARGET",
        )


def _select(store: OpenStore, table: Table) -> Any:
    """Return a select of the columns that the store's table has."""
    return select(*(column for column in table.c if column.name in store.columns[table.name]))


def _rows(store: OpenStore, connection: Connection, run_id: Any) -> Iterator[Row]:
    """Yield the rows of a run's changes in their order, not all at once."""
    stored = [column for column in changes.c if column.name in store.columns[changes.name]]
    texts = [column for column in stored if isinstance(column.type, Text)]
    short = [unless_long(store.flavour, one).label(one.name) if one in texts else one for one in stored]
    has_long = or_(*(func.coalesce(is_long(store.flavour, one), false()) for one in texts)).label("has_long")
    of_it = select(*short, has_long).where(changes.c.run_id == run_id).order_by(changes.c.number)
    with connection.execute(of_it.execution_options(yield_per=_AT_A_TIME)) as result:
        for row in result.mappings():
            if not row["has_long"]:
                yield row
                continue
            # A value may be as long as a database takes one: such a row is read alone.
            alone = select(*stored).where(changes.c.run_id == run_id, changes.c.number == row["number"])
            yield connection.execute(alone).mappings().one()


def _run(store: OpenStore, connection: Connection, row: Row, take: Callable[[Entry], None]) -> Run:
    """Return a run without its changes, each of which that can be read is given to `take`."""
    unreadable: list[str] = []
    altered: list[str] = []
    chain = Chain(row) if has_digests(store) else None
    undoings = connection.execute(_select(store, runs).where(runs.c.undoes == row["run_id"])).mappings().all()
    effects: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for change in _rows(store, connection, row["run_id"]):
        if chain is not None:
            chain.follow(change)
            if undoings or change["undone_by"] is not None:
                effects[of_effect(change)].append((change["number"], change["undone_by"]))
        try:
            take(_entry(store, change))
        except ValueError as error:
            unreadable.append(f"of its change {change['number']}, {error}")
    if chain is not None:
        chain.end()
        altered = [*chain.wrong, *_wrongly_undone(store, connection, row, effects, undoings)]
    columns = {name: value for name, value in _run_columns(row).items() if name in _RUN_FIELDS}
    return Run(**columns, changes=(), unreadable=unreadable, altered=altered)


_RUN_FIELDS = {field.name for field in fields(Run)}


def _lost_run(run_id: Any, since_ms: Any) -> Run:
    """Return what is left of a run whose own row was removed: the changes are not read."""
    known = run_id if _is_text(run_id) else repr(run_id)
    return Run(known, "unknown", None, None, "unknown", "unknown", since_ms, None, (), altered=[ROW_REMOVED])


def _wrongly_undone(
    store: OpenStore,
    connection: Connection,
    run: Row,
    effects: Mapping[str, list[tuple[Any, Any]]],
    undoings: Sequence[Row],
) -> Iterator[str]:
    """Yield what is wrong with what the run's changes say of who took them back: the runs that did tell it.

    `effects` are the changes by what they did, each with its number and what it says; `undoings` the runs that undo it.
    """
    # What is no text is nobody's id, and a database may refuse to look for it; the run's own row tells of it.
    if (
        _is_text(run["undoes"])
        and connection.execute(select(runs.c.run_id).where(runs.c.run_id == run["undoes"])).first() is None
    ):
        yield f"it is an undo of {run['undoes']!r}, and that run was removed"
    said: dict[Any, dict[Any, str]] = defaultdict(dict)
    for effect, told in effects.items():
        for number, by in told:
            if by is not None:
                said[by][number] = effect
    for undoing in undoings:
        mine = said.pop(undoing["run_id"], {})
        chain = Chain(undoing)
        numbers: dict[str, list[Any]] = defaultdict(list)
        for number, effect in mine.items():
            numbers[effect].append(number)
        for change in _rows(store, connection, undoing["run_id"]):
            chain.follow(change)
            effect = of_effect(change, reverse=True)
            if numbers[effect]:
                numbers[effect].pop()
            elif others := [number for number, by in effects.get(effect, ()) if by != undoing["run_id"]]:
                yield f"its change {others[0]} was undone by {undoing['run_id']!r}, and does not say so any more"
        chain.end()
        if chain.wrong:
            yield f"its undo {undoing['run_id']!r} was altered: {chain.wrong[0]}"
        for number in (number for left in numbers.values() for number in left):
            yield f"its change {number} is said to be undone by {undoing['run_id']!r}, which did not undo it"
    for by, mine in said.items():
        yield f"its change {next(iter(mine))} is said to be undone by {by!r}, which is no undo of it"


def _run_columns(row: Row) -> dict[str, Any]:
    """Return the columns of a run as text, but for its times: SQLite keeps in any column what it is given."""
    return {
        name: value if value is None or _is_text(value) or name.endswith("_ms") else repr(value)
        for name, value in row.items()
    }


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_utf8(value)


def _entry(store: OpenStore, row: Row) -> Entry:
    document = {
        "check": row["check_id"],
        "repair": row["repair_id"],
        "safety": row["safety"],
        "table": row["table_name"],
        "key": _load(row["row_key"]),
        "before": None if row["before_image"] is None else _load(row["before_image"]),
        "after": None if row["after_image"] is None else _load(row["after_image"]),
        "why": row["why"],
        "evidence": _load(row["evidence"]),
    }
    if not isinstance(row["number"], int) or not (row["undone_by"] is None or _is_text(row["undone_by"])):
        raise ValueError("its number or its undone_by is of another kind")
    took_away = None if row.get("took_away") is None else _load(row["took_away"])
    if took_away is not None and not (isinstance(took_away, list) and all(map(_is_text, took_away))):
        raise ValueError("its took_away is no list of names")
    names = None if took_away is None else frozenset(took_away)
    return Entry(row["number"], change_from(document, store), row["made_at_ms"], row["undone_by"], names)


def _load(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("it holds no JSON") from None
