"""The journal: holystone's own tables in the store, which every change is written to as it is made."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
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
    bindparam,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from holystone.errors import JournalError
from holystone.mend.chain import ROW_REMOVED, Chain, Row, of_change, of_effect, of_end, of_run
from holystone.mend.change import Change
from holystone.mend.document import change_from
from holystone.scan.long_texts import is_long, unless_long
from holystone.store import Store
from holystone.store.flavours.base import is_utf8

UNDO = "undo"
"""Why a change of an undo was made."""
_AT_A_TIME = 1_000
"""Rows of the journal that are read at a time."""
_LENGTH_AT_A_TIME = 1024 * 1024
"""Characters in the rows from which on they are written: a value in one can be as long as a database takes one."""

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
    Column("asked_for", Text, comment="JSON; what the run was asked for, so that it can be resumed"),
    Column("change_count", Integer, comment="of its changes"),
    Column("first_digest", Text, comment="over the columns of this row that are written once"),
    Column("last_digest", Text, comment="of its last change, and of its end where it has come to it"),
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
    Column("took_away", Text, comment="JSON; the other findings that went away with it, by their names"),
    Column("digest", Text, comment="over the digest before it and the columns that are written once"),
)


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


def is_installed(store: Store) -> bool:
    """Return whether the store has the journal's tables."""
    return {runs.name, changes.name} <= store.columns.keys()


def has_digests(store: Store) -> bool:
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


def read_runs(store: Store) -> list[Run]:
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
def log_of(store: Store) -> Iterator[Iterator[Logged]]:
    """Yield all runs, the latest first, as they are at one moment; none where the store has no journal.

    Each is read twice, first for what is wrong with it.
    """
    if not is_installed(store):
        yield iter(())
        return
    with store.look() as connection:
        yield _logged(store, connection)


def _logged(store: Store, connection: Connection) -> Iterator[Logged]:
    order = (runs.c.started_at_ms.desc(), runs.c.run_id.desc())
    for row in connection.execute(_select(store, runs).order_by(*order)).mappings().all():
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
    for lost in connection.execute(of_no_run.group_by(changes.c.run_id)).all():
        yield Logged(_lost_run(*lost), 0, {}, lambda: iter(()))


def _entries(store: Store, connection: Connection, run_id: Any) -> Iterator[Entry]:
    """Yield the changes of a run that can be read."""
    for row in _rows(store, connection, run_id):
        with suppress(ValueError):
            yield _entry(store, row)


def read_run(store: Store, run_id: str) -> Run:
    """Return the run, for undoing it.

    JournalError where the journal has none of that id, where a row of it cannot be read or was altered by hand, and
    where the journal has no digests that would tell.
    """
    if is_installed(store):
        _require_digests(store)
        with store.look() as connection:
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


def _require_digests(store: Store) -> None:
    if not has_digests(store):
        raise JournalError(
            f"The journal of {store.target} was made by an older version of holystone, and has no digests yet.",
            "Let holystone add them first: holystone migrate upgrade TARGET",
        )


def _select(store: Store, table: Table) -> Any:
    """Return a select of the columns that the store's table has."""
    return select(*(column for column in table.c if column.name in store.columns[table.name]))


def _rows(store: Store, connection: Connection, run_id: Any) -> Iterator[Row]:
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


def _run(store: Store, connection: Connection, row: Row, take: Callable[[Entry], None]) -> Run:
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
    store: Store,
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


def _entry(store: Store, row: Row) -> Entry:
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


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
