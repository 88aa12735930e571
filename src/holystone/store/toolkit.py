"""Holystone's own objects in a store: what each revision of the branch `toolkit` makes.

The revisions make them, and prove with these declarations that they are there; whoever only wants to know whether
they are has no need of Alembic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Column, ColumnElement, Connection, Index, MetaData, Table, Text, select

from holystone.duroxide.tables import EngineTimestamp, not_completed
from holystone.store.open_store import OpenStore

TOOLKIT = "toolkit"
"""The branch of holystone's own objects; the ids of a branch's revisions begin with its first letter."""

JOURNAL = "t0001"
"""The revision that repairs need: its tables are anybody's to make who may make tables in the schema at all."""

JOURNAL_DIGESTS = "t0005"
"""The revision that a journal needs which an older version of holystone made."""

versions = Table("holystone_migrations", MetaData(), Column("version_num", Text, primary_key=True))

_executions = Table("executions", MetaData(), Column("status", Text), Column("started_at", EngineTimestamp))


@dataclass(frozen=True)
class PartialIndex:
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


@dataclass(frozen=True)
class Objects:
    """What a revision makes: its tables with their columns, and its indexes on tables of the engine's."""

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    indexes: Sequence[PartialIndex] = ()


REVISIONS: Mapping[str, Objects] = {
    "t0001": Objects(
        columns={
            "holystone_runs": (
                *("run_id", "kind", "plan", "undoes", "actor", "version"),
                *("started_at_ms", "finished_at_ms"),
            ),
            "holystone_changes": (
                *("run_id", "number", "check_id", "repair_id", "safety", "table_name", "row_key"),
                *("before_image", "after_image", "why", "evidence", "made_at_ms", "undone_by"),
            ),
        }
    ),
    "t0002": Objects(indexes=[executions_status]),
    "t0003": Objects(
        columns={"holystone_adoptions": ("number", "shape", "engine_migration", "version", "adopted_at_ms")}
    ),
    "t0004": Objects(
        columns={"holystone_watermarks": ("scope", "position", "verified_at_ms", "full_at_ms", "version")}
    ),
    "t0005": Objects(
        columns={
            "holystone_runs": ("asked_for", "change_count", "first_digest", "last_digest"),
            "holystone_changes": ("took_away", "digest"),
        }
    ),
}
"""The revisions of the branch, oldest first."""


@dataclass(frozen=True)
class Toolkit:
    """Where holystone's own objects of a store stand.

    `revision` is None where there are none. `pending` are the revisions that the store lacks, oldest first, and
    `lacking` the objects that it should have and has not, such as `table holystone_runs`, `column ...`, `index ...`.
    `is_newer` where a newer version of holystone upgraded the store, whose objects this one does not know.
    """

    revision: str | None
    pending: Sequence[str]
    lacking: Sequence[str]
    is_newer: bool


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
    lacking = missing(store, connection, order[:reached])
    return Toolkit(revision, order[reached:], lacking, False)


def missing(store: OpenStore, connection: Connection, revisions: Sequence[str]) -> list[str]:
    """Return the objects of these revisions that the store lacks; an index that is not valid counts as missing."""
    made = [REVISIONS[revision] for revision in revisions]
    tables = {index.table.name for objects in made for index in objects.indexes}
    facts = store.flavour.structure.facts(connection, tables | {name for objects in made for name in objects.columns})
    there = {name.split()[1].partition(".")[0] for name in facts if name.startswith("column ")}
    lacking: list[str] = []
    for objects in made:
        for table, columns in objects.columns.items():
            if table not in there:
                lacking.append(f"table {table}")
            else:
                lacking += [f"column {table}.{name}" for name in columns if f"column {table}.{name}" not in facts]
        for index in objects.indexes:
            if facts.get(f"index {index.name}", "(invalid)").endswith("(invalid)"):
                lacking.append(f"index {index.name}")
    return list(dict.fromkeys(lacking))
