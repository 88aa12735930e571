"""The engine's ledger in a SQLite store, `_sqlx_migrations`, in which it looks up what it need not do again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct
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
    literal_column,
    select,
    text,
)
from sqlalchemy.schema import CreateTable, DropTable

from holystone.errors import MigrationError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

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


class EngineMigration(Struct, frozen=True):
    """One of the engine's own migrations, as the ledger knows it.

    `checksum` is the SHA-384 of the engine's file, in hexadecimal: the engine refuses a store whose ledger tells
    another one. `follows` is the version before it, None for the first.
    """

    version: int
    description: str
    checksum: str
    follows: int | None

    @contextmanager
    def applying(self, context: "MigrationContext") -> Iterator[None]:
        """Enter the migration in the ledger once the block has made its objects.

        The time that it took is measured, to the nanosecond: a store's identity rests on it. In a script for
        people to run it is a random number instead, for two stores of one script must differ too.
        """
        if not context.as_sql:
            self._require(context.connection, self.follows)
        if self.follows is None:
            context.execute(CreateTable(ledger))
        begun = time.perf_counter_ns()
        yield
        took: Any = time.perf_counter_ns() - begun
        if context.as_sql:
            took = func.abs(func.random() % 1_000_000_000)
        context.execute(
            insert(ledger).values(
                version=self.version,
                description=self.description,
                success=True,
                checksum=literal_column(f"X'{self.checksum}'"),
                execution_time=took,
            )
        )

    @contextmanager
    def withdrawing(self, context: "MigrationContext") -> Iterator[None]:
        """Strike the migration out of the ledger once the block has dropped its objects."""
        self._require(context.connection, self.version)
        yield
        if self.follows is None:
            context.execute(DropTable(ledger))
        else:
            context.execute(delete(ledger).where(ledger.c.version == self.version))

    def _require(self, connection: Connection | None, version: int | None) -> None:
        """Raise where the ledger does not end at `version`: then others have migrated the store."""
        assert connection is not None
        newest = None
        if inspect(connection).has_table(ledger.name):
            newest = connection.execute(select(func.max(ledger.c.version))).scalar_one()
        if newest != version:
            raise MigrationError(
                f"The engine's migrations of this store end at {newest or 'none'}, not at {version or 'none'}.",
                "Leave the engine's tables to the engine, which has made or migrated this store itself.",
            )


_CHECKSUMS = {
    20240101000000: (
        "initial schema",
        "e895b04735fc88843bf88c1fd038a4073c789da7a74be5e1a77edd3ad38a832b158761f5a11410a7cf6ccb49808da9ba",
    ),
    20240102000000: (
        "add attempt count",
        "a1af64e4a4211fa289189a141ff453f875d6468f72e0680acc54518f006368bda3e877de040b75a9693cffa24c280008",
    ),
    20240103000000: (
        "add worker visible at",
        "01cfc0a852726929f1f7223fa9cccf1584b34525fb49b6db60210f143ea9923edbf9b407958e01989fc00ee4415f6419",
    ),
    20240104000000: (
        "add worker activity identity",
        "25fafc591102bd90cf724c5d6f2855113f9118880b7b7fb5dd7210e4086fde7021f55a2ea7141d478363c78504cd123b",
    ),
    20240105000000: (
        "add parent instance id",
        "621cfad15d7fece832b660b57185bfdb753ad03561c91367897dfdc148e48ebf34ff6578bbcd6d3f139e9505bfa5eea9",
    ),
    20240106000000: (
        "add pinned version",
        "13f4c421eda183f3e3f1ce807e211727e2bee2149c38efe07f5cc12055b3e75a054900f15287295b51d7f8a29c807c00",
    ),
    20240107000000: (
        "add sessions",
        "f0ad65793a65a6d56feee893f24975a1b989817cc5de694f66ef7896abd6dd508b7a33f0e6bfc34abd7f95945e0f0ec1",
    ),
    20240108000000: (
        "add custom status",
        "5a715bcad01ce5a1cafa01ba5ac66ec28e3a9e7388ec99dc239f54c189748ebc4ee2c1f0dda132051839bacd070bfd2b",
    ),
    20240109000000: (
        "add activity tags",
        "90e079aa69023acf1f4f08f5cdfcfc20ad2dd08573486eb10259c6bd8543b09b65cc8a05b1bcdd170cac73715cc56384",
    ),
    20240110000000: (
        "add kv store",
        "b02718981675751d3e7fe23714483c837df6b44ffc7c7ec83abc3f7563adf3dca8427569ba0f07e7027ba16e82276985",
    ),
    20240111000000: (
        "add kv last updated",
        "3f003c0cf9ea6f0fd8eae9e8764aee547b1368d77b6fe88cf5cd63a8e1e3e00264b55c1f7de23108018585c1f53c4390",
    ),
    20240112000000: (
        "add kv delta",
        "fa25f50c9660870e43ccfe64e019fec5ab5fc92a608378a249cbc614cfc8499b00bb940fcbb31dff96850fe6c0fda9b4",
    ),
}
"""Version -> description and checksum, as the engine's own ledgers have them."""


def engine_migration(version: int) -> EngineMigration:
    """Return the engine's migration of this version."""
    versions = list(_CHECKSUMS)
    place = versions.index(version)
    return EngineMigration(version, *_CHECKSUMS[version], versions[place - 1] if place else None)


def checksums() -> dict[int, str]:
    """Return the checksum of each migration that is known, by version."""
    return {version: checksum for version, (_, checksum) in _CHECKSUMS.items()}
