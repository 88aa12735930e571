"""Holystone's own objects in a store, each declared once, and the revision of the branch `toolkit` that makes it.

The revisions keep their own statements, for what they did to a store does not change any more; with these declarations
they prove what has come of it. Whoever reads the tables, writes to them, or wants to know whether they are there, needs
no Alembic.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    select,
)

from holystone.duroxide.tables import EngineTimestamp, not_completed
from holystone.flavours.lineage import Facts
from holystone.flavours.structure import Structure
from holystone.store.open_store import OpenStore

TOOLKIT = "toolkit"
"""The branch of holystone's own objects; the ids of a branch's revisions begin with its first letter."""

JOURNAL = "t0001"
"""The revision that repairs need: its tables are anybody's to make who may make tables in the schema at all."""

JOURNAL_DIGESTS = "t0005"
"""The revision that a journal needs which an older version of holystone made."""

metadata = MetaData()
"""Holystone's own tables, as the newest revision leaves them."""

versions = Table("holystone_migrations", MetaData(), Column("version_num", String(32), primary_key=True))
"""The revisions that a store is at: a table that Alembic makes, and leaves there when the last one is taken back."""

runs = Table(
    "holystone_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, doc="apply or undo"),
    Column("plan", Text, doc="hash of the plan that was applied"),
    Column("undoes", Text, doc="run that was undone"),
    Column("actor", Text, nullable=False, doc="user@host"),
    Column("version", Text, nullable=False, doc="of holystone"),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger, doc="NULL: the run goes on, or was interrupted"),
    Column("asked_for", Text, doc="JSON; what the run was asked for, so that it can be resumed"),
    Column("change_count", Integer, doc="of its changes"),
    Column("first_digest", Text, doc="over the columns of this row that are written once"),
    Column("last_digest", Text, doc="of its last change, and of its end where it has come to it"),
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
    Column("row_key", Text, nullable=False, doc="JSON"),
    Column("before_image", Text, doc="JSON; NULL: there was no row"),
    Column("after_image", Text, doc="JSON; NULL: the row was removed"),
    Column("why", Text, nullable=False),
    Column("evidence", Text, nullable=False, doc="JSON"),
    Column("made_at_ms", BigInteger, nullable=False),
    Column("undone_by", Text, doc="run that took it back"),
    Column("took_away", Text, doc="JSON; the other findings that went away with it, by their names"),
    Column("digest", Text, doc="over the digest before it and the columns that are written once"),
)

adoptions = Table(
    "holystone_adoptions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("shape", Text, nullable=False),
    Column("engine_migration", Text),
    Column("version", Text, nullable=False, doc="of holystone"),
    Column("adopted_at_ms", BigInteger, nullable=False),
)

watermarks = Table(
    "holystone_watermarks",
    metadata,
    Column("scope", Text, primary_key=True, doc="level and digest of the checks that ran"),
    Column("position", Text, nullable=False, doc="JSON"),
    Column("verified_at_ms", BigInteger, nullable=False),
    Column("full_at_ms", BigInteger, nullable=False),
    Column("version", Text, nullable=False, doc="of holystone"),
)

_executions = Table("executions", MetaData(), Column("status", Text), Column("started_at", EngineTimestamp))


class PartialIndex(Struct, frozen=True, dict=True):
    """An index on the rows of a table of the engine's for which a condition holds."""

    name: str
    table: Table
    columns: Sequence[str]
    where: ColumnElement[bool]

    @cached_property
    def as_index(self) -> Index:
        """The index as SQLAlchemy knows one. It imports both dialects for that, which would slow each check down."""
        columns = (self.table.c[name] for name in self.columns)
        return Index(self.name, *columns, sqlite_where=self.where, postgresql_where=self.where)


executions_status = PartialIndex(
    "holystone_executions_status", _executions, ("status", "started_at"), not_completed(_executions.c.status)
)


class Objects(Struct, frozen=True):
    """What a revision makes: columns, with their tables where those are new, and indexes on tables of the engine's."""

    columns: Sequence[Column[Any]] = ()
    indexes: Sequence[PartialIndex] = ()

    @property
    def tables(self) -> Sequence[Table]:
        """The tables of its columns."""
        return list(dict.fromkeys(column.table for column in self.columns))


_DIGESTS = (
    *(runs.c[name] for name in ("asked_for", "change_count", "first_digest", "last_digest")),
    *(changes.c[name] for name in ("took_away", "digest")),
)

REVISIONS: Mapping[str, Objects] = {
    "t0001": Objects([column for table in (runs, changes) for column in table.c if column not in {*_DIGESTS}]),
    "t0002": Objects(indexes=[executions_status]),
    "t0003": Objects([*adoptions.c]),
    "t0004": Objects([*watermarks.c]),
    "t0005": Objects(_DIGESTS),
}
"""The revisions of the branch, oldest first."""


class Toolkit(Struct, frozen=True):
    """Where holystone's own objects of a store stand.

    `revision` is None where there are none. `pending` are the revisions that the store lacks, oldest first, and
    `lacking` the objects that it should have and has not, such as `table holystone_runs`, `index ...`, or
    `column holystone_runs.kind as TEXT not null` where it is another one. `is_newer` where a newer version of holystone
    upgraded the store, whose objects this one does not know.
    """

    revision: str | None
    pending: Sequence[str]
    lacking: Sequence[str]
    is_newer: bool

    @property
    def due(self) -> Sequence[str]:
        """The pending revisions that somebody should run: not where nobody upgraded or adopted the store.

        A repair makes the journal and nothing else.
        """
        return () if self.revision in (None, JOURNAL) else self.pending


def revision_of(store: OpenStore, connection: Connection, branch: str = TOOLKIT) -> str | None:
    """Return the store's revision in a branch, which is named by itself or by one of its revisions."""
    if versions.name not in store.columns:
        return None
    version = versions.c.version_num
    # Two of one branch come of somebody's hand alone; the newer one counts then.
    of_branch = select(version).where(version.startswith(branch[0])).order_by(version.desc()).limit(1)
    return connection.execute(of_branch).scalar_one_or_none()


def state(store: OpenStore, connection: Connection) -> Toolkit:
    """Return where holystone's own objects stand, read through `connection`: in some milliseconds, without a lock."""
    revision = revision_of(store, connection)
    order = list(REVISIONS)
    if revision is not None and revision not in order:
        return Toolkit(revision, (), (), True)
    reached = 0 if revision is None else order.index(revision) + 1
    lacking = missing(store.flavour.structure, connection, [REVISIONS[one] for one in order[:reached]])
    return Toolkit(revision, order[reached:], lacking, False)


def missing(structure: Structure, connection: Connection, made: Sequence[Objects]) -> list[str]:
    """Return which of these objects the store lacks, or has otherwise than they are declared.

    Looked at are the type of a column, whether it may be NULL, and a table's primary key; what else somebody added,
    such as a default, harms nobody. An index that is not valid counts as missing.
    """
    tables = {table.name for objects in made for table in objects.tables}
    facts = structure.facts(connection, tables | {index.table.name for objects in made for index in objects.indexes})
    there = {name.split()[1].partition(".")[0] for name in facts if name.startswith("column ")}
    lacking: list[str] = []
    for objects in made:
        lacking += [f"table {table.name}" for table in objects.tables if table.name not in there]
        standing = (column for column in objects.columns if column.table.name in there)
        lacking += _missing_columns(facts, standing, connection.dialect)
        for index in objects.indexes:
            if facts.get(f"index {index.name}", "(invalid)").endswith("(invalid)"):
                lacking.append(f"index {index.name}")
    return list(dict.fromkeys(lacking))


def _missing_columns(facts: Facts, columns: Iterable[Column[Any]], dialect: Dialect) -> Iterator[str]:
    """Yield the columns, of tables that are there, that are not or are others, and the keys that those are not of."""
    keys: dict[str, Table] = {}
    for column in columns:
        name = f"column {column.table.name}.{column.name}"
        wanted = column.type.compile(dialect) + ("" if column.nullable else " not null")
        if name not in facts:
            yield name
        elif facts[name].partition(" default ")[0].lower() != wanted.lower():
            yield f"{name} as {wanted}"
        if column.primary_key:
            keys[column.table.name] = column.table
    for name, table in keys.items():
        key = f"({', '.join(table.primary_key.columns.keys())})"
        if facts.get(f"key {name}") != key:
            yield f"primary key {key} of {name}"
