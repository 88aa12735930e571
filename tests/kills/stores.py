"""The stores on which commands are killed, what they hold, and whether their rows and their journal agree."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases.case import execution
from catalogue.prefixed import PrefixedScribe
from catalogue.sources import case_of
from contents import Contents, contents, rows, tables
from engine.engines import ENGINES, run_driver
from engines.published import PublishedStore
from ground import KeptStore, number_on
from holystone.cli.main import run
from holystone.demo.scribe import Scribe, completed, started
from holystone.duroxide.tables import executions
from holystone.flavours import flavour_of
from holystone.flavours.target import parse_target
from holystone.migrate import downgrade, upgrade
from holystone.scan.catalogue import checks
from holystone.store import Store
from judge.stores import KEYS, Place, Stores, rows_of

OLD = "0.1.24"
"""The published version of the engine's core that made the store which is upgraded and adopted."""
BROKEN = {
    id: case_of(checks().get(id))
    for id in ("E003", "E006", "H007", "I001", "I004", "I008", "K001", "K003", "Q004", "Q005", "Q010")
}
"""Cases of checks whose repairs are safe, and change, add and remove rows of all tables."""
OTHERS_AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
STRUCTURE = {
    "sqlite": {"objects": "SELECT type, name, tbl_name, sql FROM sqlite_master"},
    "postgresql": {
        "columns": "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = current_schema()",
        "indexes": "SELECT pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = current_schema()::regnamespace",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace",
    },
}


@dataclass(frozen=True)
class Said:
    """What a command said that ran to its end in this process."""

    status: int
    out: str
    err: str


def holystone(*words: str) -> Said:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = run(list(words))
    return Said(status, out.getvalue(), err.getvalue())


def done(*words: str) -> str:
    """Run a command in this process that has to succeed, and return what it printed."""
    said = holystone(*words)
    assert said.status == 0, (words, said)
    return said.out


def command(place: Place, group: str, name: str, *words: str) -> list[str]:
    """Return a command with the store's name as its words."""
    schema = [] if place.schema is None else ["--schema", place.schema]
    return [group, name, place.target, *words, *schema]


# --- the stores


def drifted(stores: Stores) -> Place:
    """Make a store as the engine does, in which some tens of rows can be repaired."""
    place = stores.new()
    run_driver(ENGINES[-1], "create", *command(place, "", "")[2:])
    with Store.open(place.target, place.schema).transaction() as connection:
        scribe = Scribe(connection, flavour_of(parse_target(place.target, place.schema)))
        for prefix, case in BROKEN.items():
            case.broken(PrefixedScribe(scribe, prefix))
        for number in range(6):
            name = f"order-{number}"
            scribe.execution(name, started(), completed(f'"{number}"'))
            scribe.change(executions, execution(name), status="Running", output=None, completed_at=None)
    if place.schema is not None:
        with looked_at(place) as look:
            number_on(look.store.execute)
    settle(place)
    return place


def with_journal(stores: Stores, source: Place) -> Place:
    """Make a copy of a store that has holystone's own tables."""
    place = stores.copy(source)
    upgrade(Store.open(place.target, place.schema))
    settle(place)
    return place


def with_old_journal(stores: Stores, source: Place) -> Place:
    """Make a copy of a store that was repaired, with its journal as an older version of holystone made it."""
    place = stores.copy(source)
    downgrade(Store.open(place.target, place.schema), "t0001")
    settle(place)
    return place


def published(stores: Stores) -> Place:
    """Make a store as an older version of the engine left it."""
    place, store = stores.new(), PublishedStore(OLD, stores.flavour)
    if place.schema is None:
        store.unpack(Path(place.target))
    else:
        store.restore(place.target)
    return place


def settle(place: Place) -> None:
    """Have all of a store in its file, so that a copy of the file is one of the store."""
    if place.schema is None:
        with place.connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# --- what they hold

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
"""The engine's tables: their rows as JSON, by their keys."""
Journaled = tuple[str, Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any] | None]
"""A change of the journal: the table, the key, the row before and after it."""


@dataclass(frozen=True)
class Look:
    """What plain SQL tells of a store, through one connection."""

    store: KeptStore
    connection: Any

    def contents(self) -> Contents:
        """Return the rows of the engine's tables, each value as an exact literal."""
        return contents(self.store)

    def everything(self) -> dict[str, Any]:
        """Return the structure of the store and all its rows, but for the times at which something was done."""
        own, counts = "holystone_adoptions", "sqlite_sequence"
        found: dict[str, Any] = {
            name: sorted(self.store.execute(query), key=repr) for name, query in STRUCTURE[self.store.flavour].items()
        }
        names = tables(self.store)
        found |= {table: rows(self.store, table) for table in names if table not in (own, counts)}
        if own in names:
            found[own] = self.store.execute(f"SELECT number, shape, engine_migration, version FROM {own}")
        return found

    def rows(self) -> Rows:
        """Return the rows of the engine's tables as the journal writes them."""
        to_json = flavour_of(parse_target(self.store.target, self.store.schema)).to_json
        found: Rows = {}
        for table, key in KEYS.items():
            as_json = [{name: to_json(value) for name, value in row.items()} for row in rows_of(self.connection, table)]
            found[table] = {tuple(row[name] for name in key): row for row in as_json}
        return found

    def journal(self) -> list[Journaled]:
        """Return the changes of the journal in the order of their making."""
        if "holystone_changes" not in tables(self.store):
            return []
        found = self.store.execute(
            "SELECT table_name, row_key, before_image, after_image FROM holystone_changes AS c"
            " JOIN holystone_runs AS r ON r.run_id = c.run_id ORDER BY r.started_at_ms, c.number"
        )
        return [(table, *(None if text is None else json.loads(text) for text in images)) for table, *images in found]


@contextmanager
def looked_at(place: Place) -> Iterator[Look]:
    """Yield a look at a store in which nobody else is at work."""
    with place.connected() as connection:

        def execute(statement: str, *values: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(*place.words(statement, values))
            return list(cursor.fetchall()) if cursor.description else []

        if place.schema is not None:
            # The server learns only by and by that the process is gone for which it works.
            deadline = time.monotonic() + 30
            while execute(OTHERS_AT_WORK) != [(0,)]:
                assert time.monotonic() < deadline, "the session of a process that is gone does not end"
                time.sleep(0.005)
        kept = KeptStore(place.target, place.schema, ENGINES[-1], place.flavour, {}, execute)  # type: ignore[arg-type]
        yield Look(kept, connection)


def replayed(start: Rows, journal: Sequence[Journaled]) -> Rows:
    """Return what the rows have become by what the journal says; AssertionError where they cannot have."""
    now: Rows = {table: {key: dict(row) for key, row in some.items()} for table, some in start.items()}
    for table, key, before, after in journal:
        where = tuple(key[name] for name in KEYS[table])
        row = now[table].get(where)
        if before is None:
            assert row is None, ("inserted where a row was", table, key)
            now[table][where] = {**key, **(after or {})}
            continue
        assert row is not None, ("changed where no row was", table, key)
        assert {name: row[name] for name in before} == before, ("not as the journal has it before", table, key)
        if after is None:
            del now[table][where]
        else:
            row.update(after)
    return now
