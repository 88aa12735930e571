"""The engine's ledger in a SQLite store, `_sqlx_migrations`, in which it looks up what it need not do again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
)

from holystone.errors import MigrationError

ledger = Table(
    "_sqlx_migrations",
    MetaData(),
    # Exactly as the engine's library declares it: a primary key that may be NULL, and is no alias of the rowid.
    Column("version", BigInteger, primary_key=True, autoincrement=False, nullable=True),
    Column("description", Text, nullable=False),
    Column("installed_on", TIMESTAMP, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("success", Boolean(create_constraint=False), nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Column("execution_time", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class EngineMigration:
    """One of the engine's own migrations, as the ledger knows it.

    `checksum` is the SHA-384 of the engine's file, in hexadecimal: the engine refuses a store whose ledger tells
    another one. `follows` is the version before it, None for the first.
    """

    version: int
    description: str
    checksum: str
    follows: int | None

    @contextmanager
    def applying(self, connection: Connection) -> Iterator[None]:
        """Enter the migration in the ledger once the block has made its objects.

        The time that it took is measured, to the nanosecond: a store's identity rests on it.
        """
        self._require(connection, self.follows)
        if self.follows is None:
            ledger.create(connection)
        begun = time.perf_counter_ns()
        yield
        connection.execute(
            insert(ledger).values(
                version=self.version,
                description=self.description,
                success=True,
                checksum=bytes.fromhex(self.checksum),
                execution_time=time.perf_counter_ns() - begun,
            )
        )

    @contextmanager
    def withdrawing(self, connection: Connection) -> Iterator[None]:
        """Strike the migration out of the ledger once the block has dropped its objects."""
        self._require(connection, self.version)
        yield
        if self.follows is None:
            ledger.drop(connection)
        else:
            connection.execute(delete(ledger).where(ledger.c.version == self.version))

    def _require(self, connection: Connection, version: int | None) -> None:
        """Raise where the ledger does not end at `version`: then others have migrated the store."""
        if connection.dialect.name != "sqlite":
            raise MigrationError(
                "Holystone makes the engine's tables in SQLite files only.",
                "Let the engine make its tables on PostgreSQL: PostgresProvider.connect_with_schema does it.",
            )
        newest = None
        if inspect(connection).has_table(ledger.name):
            newest = connection.execute(select(func.max(ledger.c.version))).scalar_one()
        if newest != version:
            raise MigrationError(
                f"The engine's migrations of this store end at {newest or 'none'}, not at {version or 'none'}.",
                "Leave the engine's tables to the engine, which has made or migrated this store itself.",
            )
