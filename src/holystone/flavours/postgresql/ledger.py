"""The engine's ledger in a PostgreSQL store, `_duroxide_migrations`, and the lock that its migrators take."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import TIMESTAMP, BigInteger, Column, MetaData, Table, Text, func, insert, inspect, select, text
from sqlalchemy.schema import CreateTable, DropTable

from holystone.errors import MigrationError

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


class _FirstMigration:
    """The engine's first migration, the only one of its that makes no functions."""

    version, name = 1, "0001_initial_schema.sql"
    follows = None

    @contextmanager
    def applying(self, context: "MigrationContext") -> Iterator[None]:
        """Enter the migration in a new ledger once the block has made its objects."""
        if not context.as_sql and _newest(context) is not None:
            raise MigrationError("The store has the engine's tables already.", _OTHERS)
        if context.as_sql:
            # `migrate upgrade` takes it as well: an engine that comes meanwhile waits, and finds the store whole.
            lock = func.pg_advisory_xact_lock(lock_key(ENGINES_LOCK, context.opts["schema"]))
            context.execute(select(lock))
        context.execute(CreateTable(ledger))
        yield
        context.execute(insert(ledger).values(version=self.version, name=self.name))

    @contextmanager
    def withdrawing(self, context: "MigrationContext") -> Iterator[None]:
        """Drop the ledger once the block has dropped its objects."""
        if (newest := _newest(context)) != self.version:
            raise MigrationError(
                f"The engine's migrations of this store end at {newest}, not at {self.version}.", _OTHERS
            )
        yield
        context.execute(DropTable(ledger))


def _newest(context: "MigrationContext") -> int | None:
    """Return the newest migration of the ledger; 0 for an empty one, None where there is none."""
    assert context.connection is not None
    if not inspect(context.connection).has_table(ledger.name, schema=context.opts["schema"]):
        return None
    return int(context.connection.execute(select(func.coalesce(func.max(ledger.c.version), 0))).scalar_one())


first_migration = _FirstMigration()
