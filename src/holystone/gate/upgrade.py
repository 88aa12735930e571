"""What a version of the engine does to a store as it opens it: which of its migrations run, and on how many rows."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import MetaData, Table, func, select

from holystone.duroxide.engine_version import parsed
from holystone.duroxide.release import Writes
from holystone.duroxide.releases import WRITES, of_postgresql, of_sqlite
from holystone.flavours.lineage import Facts, SchemaLevel, is_column
from holystone.gate.deployed import Deployed
from holystone.gate.model import Deployment, Migration, TableChange
from holystone.migrate.engines import engines
from holystone.scan.reader import Reader

ROWS_PER_SECOND = 100_000
"""Rows that a migration is taken to read or write anew in a second: a cautious number, for a busy machine."""
BASIS = (
    f"the rows that are there now, at {ROWS_PER_SECOND:,} a second, which is a cautious guess and not measured here, "
    "for each index that is built and each table that is read or written anew; what the catalogue alone is changed for "
    "takes some milliseconds"
)
_LOCKS = ("none", "writers", "everybody")
_INDEX_ON = re.compile(r"(?:unique )?on (\w+) \(([^)]*)\)")


@dataclass(frozen=True)
class _Change:
    """One thing that a migration does: on each of the table's rows, or on the catalogue alone."""

    table: str
    what: str
    lock: str
    passes: int = 0


def deployment(reader: Reader, deployed: Deployed) -> Deployment:
    """Return what will happen when the version opens the store; the rows of tables that are read anew are counted."""
    migrations = list(_migrations(reader, deployed))
    because = list(_kept_out(reader, deployed, migrations))
    return Deployment(
        version=str(deployed),
        core=deployed.core_in_words,
        last_migration=deployed.migration,
        opens=not goes_back(reader, deployed),
        migrations=migrations,
        seconds=round(sum(change.seconds for one in migrations for change in one.changes), 1),
        basis=BASIS,
        old_engine_may_run=not because,
        because=because,
    )


def goes_back(reader: Reader, deployed: Deployed) -> bool:
    """Return whether the store has migrations of the engine that the version does not know."""
    return _last(reader) > deployed.migration


def lost_index(reader: Reader, deployed: Deployed) -> str | None:
    """Return the column that an older version on SQLite misses as it opens the store; None where it misses none.

    When its migrations fail, for the ledger has others, it makes its tables and indexes where they are not there, and
    says nothing. On a column that is gone it can make none, and does not open the store.
    Source: `SqliteProvider::new` in src/providers/sqlite.rs of microsoft/duroxide.
    """
    columns = reader.store.columns
    for name, what in _level(reader, deployed.migration).facts.items():
        if found := name.startswith("index ") and _INDEX_ON.match(what):
            table, indexed = found[1], found[2].split(", ")
            if gone := [one for one in indexed if table in columns and one not in columns[table]]:
                return f"{table}.{gone[0]}"
    return None


def _last(reader: Reader) -> int:
    return int(reader.store.engine_migration or 0)


def _level(reader: Reader, migration: int) -> SchemaLevel:
    return next(level for level in reversed(_levels(reader)) if level.version <= migration)


def _levels(reader: Reader) -> Sequence[SchemaLevel]:
    """Return the levels of the lineage; before a migration was edited its level was another one, and a store may be."""
    lineage, columns = reader.flavour.structure.lineage, reader.store.columns
    variants = {level.version: level for level in lineage.variants}
    now = next((level for level in reversed(lineage.levels) if level.version <= _last(reader)), lineage.levels[0])
    named = (name.removeprefix("column ").partition(".") for name in now.facts if is_column(name))
    if all(column in columns.get(table, ()) for table, _, column in named):
        return lineage.levels
    return [variants.get(level.version, level) for level in lineage.levels]


def _migrations(reader: Reader, deployed: Deployed) -> Iterator[Migration]:
    """Yield those between the store's last one and the version's; none where the store has no ledger to go by."""
    before: Facts | None = None
    counted: dict[str, int] = {}
    for level in _levels(reader):
        if before is not None and 0 < _last(reader) < level.version <= deployed.migration:
            changes = _on_postgresql(before, level.facts) if _has_functions(reader) else _on_sqlite(before, level.facts)
            yield Migration(
                version=level.version,
                description=level.description.replace("_", " "),
                changes=list(_by_table(reader, changes, counted)),
            )
        before = level.facts


def _has_functions(reader: Reader) -> bool:
    """Return whether the engine's logic is in functions of the database."""
    return reader.flavour.name == "postgresql"


@dataclass(frozen=True)
class _Fact:
    """A fact about a table that changes: its name without the table's; None for what it was, or is, not."""

    table: str
    name: str
    before: str | None
    after: str | None


def _on_sqlite(before: Facts, after: Facts) -> Iterator[_Change]:
    """A table is written anew where a column goes, and read where a condition comes; a writer keeps all others out."""
    change = partial(_Change, lock="writers")
    for fact in _changed(before, after):
        if fact.after is None:
            yield change(fact.table, f"drops {fact.name}", passes=1 if is_column(fact.name) else 0)
        else:
            yield change(fact.table, f"adds {fact.name}", passes=1 if fact.name.startswith(("index ", "check ")) else 0)


def _on_postgresql(before: Facts, after: Facts) -> Iterator[_Change]:
    """An index that is built keeps writers out, and all else everybody; NOT NULL reads the table, a new column not."""
    for fact in _changed(before, after):
        if fact.after is None:
            yield _Change(fact.table, f"drops {fact.name}", "everybody")
        elif fact.name.startswith("index "):
            yield _Change(fact.table, f"builds {fact.name}", "writers", passes=1)
        elif fact.before is not None:
            yield _Change(fact.table, f"makes {fact.name} {fact.after}", "everybody", passes=1)
        else:
            yield _Change(fact.table, f"adds {fact.name}", "everybody")


def _changed(before: Facts, after: Facts) -> Iterator[_Fact]:
    """Yield the facts that change; of a new table one, for nobody has to wait for what is in it."""
    there = _tables(before)
    for table in sorted(_tables(after) - there):
        yield _Fact(table, "the table", None, "")
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        table = _table_of(name, old or new or "")
        if old != new and table in there:
            yield _Fact(table, name.replace(f" {table}.", " "), old, new)


def _tables(facts: Facts) -> set[str]:
    return {name.split()[1].partition(".")[0] for name in facts if is_column(name)}


def _table_of(name: str, what: str) -> str:
    """Return the table that a fact is about: an index says it in its words, a foreign key by its third."""
    if on := _INDEX_ON.match(what):
        return on[1]
    return name.removeprefix("foreign key ").split()[0 if name.startswith("foreign key ") else 1].partition(".")[0]


def _by_table(reader: Reader, changes: Iterable[_Change], counted: dict[str, int]) -> Iterator[TableChange]:
    of_table: dict[str, list[_Change]] = defaultdict(list)
    for change in changes:
        of_table[change.table].append(change)
    for table, ones in of_table.items():
        passes = sum(one.passes for one in ones)
        if passes and table not in counted:
            counted[table] = _count(reader, table)
        rows = passes * counted.get(table, 0)
        yield TableChange(
            table=table,
            what="; ".join(one.what for one in ones),
            lock=max((one.lock for one in ones), key=_LOCKS.index),
            rows=rows,
            seconds=round(rows / ROWS_PER_SECOND, 1),
        )


def _count(reader: Reader, table: str) -> int:
    if table not in reader.store.columns:
        return 0
    return int(reader.connection.execute(select(func.count()).select_from(Table(table, MetaData()))).scalar_one())


def _kept_out(reader: Reader, deployed: Deployed, migrations: Collection[Migration]) -> Iterator[str]:
    """Yield why the engine that has the store may not go on beside the version."""
    if goes_back(reader, deployed):
        yield "the version does not know the store's migrations"
        return
    old = _old(reader)
    if migrations and _has_functions(reader):
        yield "the migrations make functions anew that it calls"
    elif migrations:
        yield "the store is another one's then, and nothing keeps an older engine that is started from opening it"
    for column in _dropped(reader, deployed) if migrations else ():
        yield f"it writes {column}, which goes"
    if old is not None and (news := _unknown_to(old, deployed.writes)):
        yield f"it cannot read {', '.join(news)}, which the version writes"


def _dropped(reader: Reader, deployed: Deployed) -> Iterator[str]:
    """Yield the columns of the store, as `table.column`, that the version's tables have no more."""
    kept, known = _level(reader, deployed.migration).facts, _level(reader, _last(reader)).facts
    for name in sorted(known.keys() - kept.keys()):
        if is_column(name):
            yield name.removeprefix("column ")


def _old(reader: Reader) -> Writes | None:
    """Return what the engine writes that has the store: one with its last migration, and that wrote in it last.

    None where that is unknown.
    """
    last = _last(reader)
    releases = of_sqlite(last) if reader.flavour.name == "sqlite" else tuple(of_postgresql(last).values())
    of_migration = [one for one in WRITES if one.release in releases]
    wrote = engines(reader.store, reader.connection).wrote
    if wrote and (met := [one for one in of_migration if one.release.first <= parsed(wrote[-1])]):
        return met[-1]
    return of_migration[-1] if of_migration else None


def _unknown_to(old: Writes, new: Writes) -> list[str]:
    def kinds(one: Writes) -> Mapping[str, None]:
        return dict.fromkeys([*one.events, *one.work_items, *sorted(one.failures)])

    return [kind for kind in kinds(new) if kind not in kinds(old)]
