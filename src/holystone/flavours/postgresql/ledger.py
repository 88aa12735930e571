"""The engine's ledger in a PostgreSQL store, `_duroxide_migrations`, and the lock that its migrators take."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import TIMESTAMP, BigInteger, Column, MetaData, Table, Text, func, insert, inspect, select, text
from sqlalchemy.schema import CreateTable, DropTable

from holystone.errors import MigrationError
from holystone.flavours.postgresql.lineage import LINEAGE

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

ledger = Table(
    "_duroxide_migrations",
    MetaData(),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied_at", TIMESTAMP(timezone=True), server_default=text("CURRENT_TIMESTAMP")),
)

ENGINES_LOCK = "duroxide_pg:migrations:"
"""What the engine takes an advisory lock by while it migrates a schema; its name follows."""

_OTHERS = "Leave the engine's tables to the engine, which has made or migrated this store itself."

_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def lock_key(what: str, schema: str) -> int:
    """Return the key of an advisory lock: a 64-bit FNV-1a hash, as in migrations.rs of duroxide-pg."""
    key = _FNV_OFFSET
    for byte in f"{what}{schema}".encode():
        key = (key ^ byte) * _FNV_PRIME % 2**64
    return key - 2**64 if key >= 2**63 else key


class EngineMigration(Struct, frozen=True):
    """One of the engine's own migrations, as the ledger knows it.

    `follows` is the version before it, None for the first; the numbers have holes.
    """

    version: int
    name: str
    follows: int | None

    @contextmanager
    def applying(self, context: "MigrationContext") -> Iterator[None]:
        """Enter the migration in the ledger once the block has made its objects.

        An engine that comes meanwhile waits for its own lock, and finds the migration whole. MigrationError where the
        ledger does not end at the migration before.
        """
        lock = func.pg_advisory_xact_lock(lock_key(ENGINES_LOCK, context.opts["schema"]))
        context.execute(select(lock))
        if not context.as_sql:
            self._require(context, self.follows)
        if self.follows is None:
            context.execute(CreateTable(ledger))
        yield
        context.execute(insert(ledger).values(version=self.version, name=self.name))

    @contextmanager
    def withdrawing(self, context: "MigrationContext") -> Iterator[None]:
        """Drop the ledger once the block has dropped the objects of the first migration; the others stay."""
        self._require(context, self.version)
        if self.follows is not None:
            raise MigrationError(
                f"The engine's migration {self.version} is not taken back: it made functions in the place of others.",
                "Drop the schema, where it holds nothing that is needed.",
            )
        yield
        context.execute(DropTable(ledger))

    def _require(self, context: "MigrationContext", version: int | None) -> None:
        """Raise where the ledger does not end at `version`: then others have migrated the store."""
        if (newest := _newest(context)) != version:
            raise MigrationError(
                f"The engine's migrations of this store end at {newest or 'none'}, not at {version or 'none'}.", _OTHERS
            )


def _newest(context: "MigrationContext") -> int | None:
    """Return the newest migration of the ledger; 0 for an empty one, None where there is none."""
    assert context.connection is not None
    if not inspect(context.connection).has_table(ledger.name, schema=context.opts["schema"]):
        return None
    return int(context.connection.execute(select(func.coalesce(func.max(ledger.c.version), 0))).scalar_one())


_MIGRATIONS = {
    level.version: EngineMigration(level.version, f"{level.version:04}_{level.description}.sql", follows)
    for level, follows in zip(LINEAGE.levels, (None, *LINEAGE.versions), strict=False)
}


def engine_migration(version: int) -> EngineMigration:
    """Return the engine's migration of a version."""
    return _MIGRATIONS[version]
