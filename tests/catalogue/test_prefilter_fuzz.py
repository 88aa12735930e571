"""Whatever is done to rows and texts at random, a prefilter changes no finding; and where one is broken, that shows."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest
from sqlalchemy import TableClause, delete, literal_column, select, true

from catalogue.sources import EVERY_CHECK
from conftest import ENGINES, SCHEMA, EngineStore, Flavour, MakeStore
from holystone.scan import long_texts
from holystone.scan.check import Level
from holystone.scan.prefilters import PREFILTERS, boundary_events, execution_rows, full_history, judged_rows
from holystone.scan.prefilters.execution_rows import ExecutionRows
from holystone.scan.prefilters.prefilter import Prefilter, PrefilterResult
from holystone.scan.relation import Relation
from holystone.scan.scan import Scan
from holystone.store import Store
from mutations import CHANGES, SECONDS, SEED, TOKENS

SCENARIOS = ["completed", "failed", "chains", "parents", "waiting", "key-values", "custom-statuses", "cancelled"]
TABLES = {
    "instances": ("instance_id",),
    "executions": ("instance_id", "execution_id"),
    "history": ("instance_id", "execution_id", "event_id"),
    "kv_store": ("instance_id", "key"),
}
"""What is damaged, and by what its rows are told apart."""
AT_ONCE = 16
"""Damages that are done before the store is looked at, to instances of their own: one is not to hide another."""
PATIENCE_SECONDS = 120.0
"""Within which it has to show that a prefilter is broken."""
Row = dict[str, Any]
Rows = dict[str, list[Row]]


class DamagedStore:
    """A store whose tables are damaged by statements of the driver, and put back."""

    def __init__(self, made: EngineStore) -> None:
        self.store = Store.open(made.target, made.schema, read_only=True)
        self._is_sqlite = made.flavour == "sqlite"
        if self._is_sqlite:
            self._driver: Any = sqlite3.connect(made.target, isolation_level=None)
        else:
            self._driver = psycopg.connect(made.target, autocommit=True)
            # Referential integrity is not asked for: every row may be gone alone.
            self._driver.execute("SELECT set_config('search_path', %s, false)", [SCHEMA])
            self._driver.execute("SET session_replication_role = replica")
        self.rows: Rows = {table: self._all(table) for table in TABLES}
        self._touched: set[str] = set()

    def close(self) -> None:
        self._driver.close()

    def _all(self, table: str) -> list[Row]:
        found = self._driver.execute(str(select(literal_column("*")).select_from(TableClause(table))))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def run(self, table: str, statement: str, values: Sequence[Any]) -> bool:
        """Run a statement; return whether the database took it."""
        try:
            with self._driver if self._is_sqlite else self._driver.transaction():
                self._driver.execute(statement if self._is_sqlite else statement.replace("?", "%s"), values)
        except (sqlite3.Error, psycopg.Error, OverflowError, UnicodeError):
            return False
        self._touched.add(table)
        return True

    def restore(self) -> None:
        """Give the tables the rows that they had."""
        for table in self._touched:
            rows = self.rows[table]
            places = ", ".join(["?" if self._is_sqlite else "%s"] * len(rows[0]))
            with closing(self._driver.cursor()) as cursor:
                cursor.execute("BEGIN")
                cursor.execute(str(delete(TableClause(table))))
                cursor.executemany(f"INSERT INTO {table} VALUES ({places})", [tuple(row.values()) for row in rows])
                cursor.execute("COMMIT")
        self._touched.clear()


# Damages. Each returns the statement and its values.


def damage(draw: random.Random, rows: Rows, flavour: Flavour, hurt: set[Any]) -> tuple[str, str, list[Any]]:
    """Return something that goes wrong with a row: its table, the statement and its values.

    Few instances are hurt twice.
    """
    table = draw.choices(list(TABLES), [3, 4, 8, 1])[0]
    row = draw.choice(rows[table])
    if row["instance_id"] in hurt and draw.random() < 0.9:
        row = draw.choice([one for one in rows[table] if one["instance_id"] not in hurt] or [row])
    hurt.add(row["instance_id"])
    if table == "history":  # what is outermost counts for most
        of_its = [one for one in rows[table] if all(one[name] == row[name] for name in TABLES["executions"])]
        of_its.sort(key=lambda one: one["event_id"])
        row = draw.choice([of_its[0], of_its[-1], row])
    where = " AND ".join(f"{name} = ?" for name in TABLES[table])
    key = [row[name] for name in TABLES[table]]
    how = draw.random()
    if how < 0.06:
        return table, f"DELETE FROM {table} WHERE {where}", key
    if how < 0.12:
        other = {**row, draw.choice(TABLES[table]): value(draw, row, "event_id", rows[table], flavour)}
        names, places = ", ".join(other), ", ".join("?" * len(other))
        return table, f"INSERT INTO {table} ({names}) VALUES ({places})", list(other.values())
    column = draw.choice(list(row))
    if table == "history" and draw.random() < 0.8:
        column = "event_data"
    if column == "event_data" and draw.random() < 0.9:
        new: Any = text(draw, row, rows[table])
        if flavour == "sqlite" and draw.random() < 0.05:
            new = new.encode(errors="surrogatepass")
    elif isinstance(row[column], str) and draw.random() < 0.3:
        new = mutated(draw, row[column], draw.choice(rows[table])[column] or "")
    else:
        new = value(draw, row, column, rows[table], flavour)
    if flavour == "sqlite" and isinstance(new, str) and not new.isascii() and draw.random() < 0.5:
        # A text that is no UTF-8, or the very same one by another way.
        new = new.encode(errors="surrogateescape") if "\ud800" not in new else new.encode(errors="replace")
        return table, f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {where}", [new, *key]
    return table, f"UPDATE {table} SET {column} = ? WHERE {where}", [new, *key]


def value(draw: random.Random, row: Row, column: str, rows: list[Row], flavour: Flavour) -> Any:
    """Return any value for a column: one that it cannot have, that another row has, or nearly its own."""
    old = row.get(column)
    pool: list[Any] = [None, "", "x", 0, 1, 2, -1, 2**31, 2**53 + 1, 2**63 - 1, "1", "null", "Running", "Completed"]
    pool += ["Failed", "ContinuedAsNew", "completed", draw.choice(rows).get(column), draw.choice(rows).get(column)]
    if isinstance(old, int):
        pool += [old + 1, old - 1, str(old)]
    if isinstance(old, str):
        pool += [old + " ", old + "\n", old.upper(), old + "\x00" if flavour == "sqlite" else old]
    if flavour == "sqlite":
        pool += [1.0, 1.5, float("inf"), b"", b"x", str(old).encode(), f"{old}.0", old if old is None else str(old)]
    return draw.choice(pool)


JSON: Sequence[Any] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    2**31,
    2**63,
    2**64,
    10**30,
    "",
    "x",
    "1",
    [],
    {},
    [[]],
    {"x": 1},
)


def text(draw: random.Random, row: Row, rows: list[Row]) -> str:
    """Return the text of an event with something about it otherwise: by its JSON, or by its letters."""
    old: str = row["event_data"]
    event = json.loads(old)
    name = draw.choice(list(event))
    other = draw.choice([one for one in rows if one["instance_id"] == row["instance_id"]] + [draw.choice(rows)])
    kinds = [json.loads(one["event_data"])["type"] for one in draw.sample(rows, min(4, len(rows)))]
    new: Any = draw.choice([*JSON, *kinds, json.loads(other["event_data"]).get(name)])
    pair = f"{json.dumps(name)}:{json.dumps(new)}"
    how = draw.randrange(12)
    if how == 0:
        return draw.choice([old.replace("{", "{" + pair + ",", 1), old[:-1] + "," + pair + "}"])
    if how == 1:
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
        return old.replace(f'"{name}"', f'"{escaped}"', 1)
    if how == 2:
        return json.dumps(event, indent=draw.choice([None, 1]), separators=draw.choice([(", ", ": "), (",", " :")]))
    if how == 3:
        return compact({**event, name: new})
    if how == 4:
        return compact({**event, "x": draw.choice([new, event, {"type": draw.choice(kinds)}])})
    if how == 5:
        return compact({key: held for key, held in event.items() if key != name})
    if how == 6:
        return str(other["event_data"])
    if how == 7 and isinstance(event[name], (int, str)):
        return compact({**event, name: str(event[name]) if isinstance(event[name], int) else [event[name]]})
    if how == 8 and isinstance(event[name], str):
        said = draw.choice([f'"type":"{draw.choice(kinds)}"', "\x00", "\ud800", "é", "\x1b[2J", " ", "x" * 400])
        return compact({**event, name: draw.choice([said, event[name] + said])})
    if how == 9:
        moved = list(event.items())
        draw.shuffle(moved)
        return compact(dict(moved))
    if how == 10:
        return old.replace(f'"{name}":', f'"{name}":{draw.choice(["0", " ", "-", "1e400,", "NaN,"])}', 1)
    return mutated(draw, old, other["event_data"])


def compact(event: Row) -> str:
    return json.dumps(event, separators=(",", ":"))


def mutated(draw: random.Random, old: str, other: str) -> str:
    start, end = sorted(draw.randrange(len(old) + 1) for _ in range(2))
    return draw.choice(CHANGES)(old, start, end, draw.choice(TOKENS), other)


# What is compared.

PROVEN = [check for check in EVERY_CHECK if check.proved_by is not None]
_PREPARED: dict[int, dict[Any, Any]] = {long_texts.LONG: {}, 250: {}}
"""Length from which texts are long -> the statements for that."""


def seen(store: Store, level: Level, prefilters: Sequence[Prefilter]) -> Any:
    """Return all that a scan says: findings, what came of each check, and what could not be read."""
    scan = Scan(store, [check for check in PROVEN if check.level <= level], level=level, prefilters=prefilters)
    found = Counter((one.check.id, one.instance_id, one.fingerprint) for one in scan)
    outcomes = {id: (one.outcome.name, one.count, str(one.reason)) for id, one in scan.results.items()}
    return scan.verdict.name, found, outcomes, sorted(map(str, scan.unread))


def difference(damaged: DamagedStore) -> str | None:
    """Return what a prefilter changes of what is said of the store; None where it changes nothing."""
    for level in (Level.standard, Level.deep):
        with_it, without = seen(damaged.store, level, PREFILTERS), seen(damaged.store, level, ())
        if with_it != without:
            lost = without[1] - with_it[1]
            return f"{level.name}: lost {sorted(lost)}, added {sorted(with_it[1] - without[1])}, {with_it} {without}"
    return None


def fuzz(damaged: DamagedStore, flavour: Flavour, seed: int, seconds: float) -> tuple[str | None, int, int]:
    """Damage the store until a prefilter changes what is said, or the time is over.

    Returns how that showed, or None, with how many stores were looked at, and how many damages they had.
    """
    until, looks, done = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        draw = random.Random(f"{seed}/{looks}")
        says, hurt = [], set[Any]()
        for _ in range(draw.randint(1, AT_ONCE)):
            table, statement, values = damage(draw, damaged.rows, flavour, hurt)
            if damaged.run(table, statement, values):
                says.append((statement, values))
        length = draw.choice(list(_PREPARED))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_texts, "LONG", length)
            patch.setattr("holystone.store.open_store._PREPARED", _PREPARED[length])
            changed = difference(damaged)
        damaged.restore()
        looks, done = looks + 1, done + len(says)
        if changed is not None:
            return f"look {looks - 1}, long from {length}: {changed}, after {says}", looks, done
    return None, looks, done


@pytest.fixture
def damaged(engine_store: MakeStore, flavour: Flavour) -> Iterator[DamagedStore]:
    with closing(DamagedStore(engine_store(ENGINES[-1], flavour, SCENARIOS))) as one:
        yield one


@pytest.fixture(autouse=True)
def _not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    # Few instances as there are, a prefilter is not to give up for some of them.
    monkeypatch.setattr("holystone.scan.prefilters.prefilter._FEW", 10**6)


@pytest.mark.long
def test_no_prefilter_changes_what_is_said(damaged: DamagedStore, flavour: Flavour) -> None:
    changed, looks, done = fuzz(damaged, flavour, SEED, SECONDS)
    print(f"{flavour}: {looks} stores, {done} damages, seed {SEED}")
    assert changed is None
    assert done > looks > 3


# The positive control: what is left out of a prefilter's condition on purpose is found out in the same way. Left
# out are parents, the ends of executions within a history, and what an event refers to: damages at random do not show
# within two minutes that nobody looks at these.

Sabotage = Callable[[pytest.MonkeyPatch], None]


def _no_condition(*_: Any, **__: Any) -> Any:
    return true()


def no_times(patch: pytest.MonkeyPatch) -> None:
    """When an execution ended is not looked at."""
    for module in (judged_rows, execution_rows):
        patch.setattr(module, "has_time", _no_condition)


def no_counts(patch: pytest.MonkeyPatch) -> None:
    """The number of custom statuses is not looked at."""
    for module in (judged_rows, execution_rows):
        patch.setattr(module, "counts", _no_condition)


def any_status(patch: pytest.MonkeyPatch) -> None:
    """SQLite does not compare status and last event."""
    patch.setattr(judged_rows, "agrees_in_status", lambda *_: SimpleNamespace(element=true()))


def any_output(patch: pytest.MonkeyPatch) -> None:
    """SQLite does not compare output and last event."""
    patch.setattr(judged_rows, "agrees_in_output", lambda *_: SimpleNamespace(element=true()))


def any_pin(patch: pytest.MonkeyPatch) -> None:
    """SQLite does not look at the version of the engine to which an execution is pinned."""
    patch.setattr(judged_rows, "is_pinned_as_told", _no_condition)


def no_numbers(patch: pytest.MonkeyPatch) -> None:
    """SQLite does not look at the numbers of events."""
    patch.setattr(boundary_events, "_misplaced", lambda *_: ())


def any_row(patch: pytest.MonkeyPatch) -> None:
    """A row is not compared with events that can be read."""
    patch.setattr(ExecutionRows, "matches", lambda self, row, events: events is not None and bool(row[4]))


def any_custom_status(patch: pytest.MonkeyPatch) -> None:
    """The custom status is not compared."""
    patch.setattr(full_history, "_custom_status", lambda _: ANY)


def one_less(patch: pytest.MonkeyPatch) -> None:
    """One of the instances in doubt is forgotten."""
    whole = PrefilterResult.instances_left

    def but_one(self: PrefilterResult, relation: Relation) -> Sequence[str] | None:
        left = whole(self, relation)
        return left and left[1:]

    patch.setattr(PrefilterResult, "instances_left", but_one)


IN_SQLITE = (no_times, any_custom_status, any_status, any_output, any_pin, no_numbers)
"""What SQLite judges itself, and what takes PostgreSQL too many stores to show."""
OF_BOTH = (no_counts, any_row, one_less)
SABOTAGES: Sequence[tuple[Flavour, Sabotage]] = [
    *(("sqlite", one) for one in (*OF_BOTH, *IN_SQLITE)),
    *(("postgresql", one) for one in OF_BOTH),
]


@pytest.mark.long
@pytest.mark.parametrize(("flavour", "sabotage"), SABOTAGES, ids=lambda one: getattr(one, "__name__", one))
def test_what_is_left_out_of_a_prefilter_shows(
    damaged: DamagedStore, flavour: Flavour, sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    monkeypatch.setattr("catalogue.test_prefilter_fuzz._PREPARED", {length: {} for length in _PREPARED})
    changed, looks, _ = fuzz(damaged, flavour, 1, PATIENCE_SECONDS)
    print(f"{flavour} {sabotage.__name__}: after {looks} stores")
    assert changed is not None
