"""The structure of a SQLite store: read, recognised and changed."""

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Index, bindparam, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from holystone.flavours.lineage import Facts
from holystone.flavours.sqlite import integrity, introspection, objects
from holystone.flavours.sqlite.connector import SQLiteConnector
from holystone.flavours.sqlite.file import new_file
from holystone.flavours.sqlite.ledger import checksums, ledger
from holystone.flavours.sqlite.lineage import LINEAGE
from holystone.flavours.structure import Functions, LedgerEntry, Objects, Structure

_TABLES = text(
    "SELECT 'table ' || name FROM sqlite_master WHERE type = 'table' AND name NOT IN :tables"
    " AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
).bindparams(bindparam("tables", expanding=True))
_TRIGGERS = text(
    "SELECT 'trigger ' || name || ' on ' || tbl_name FROM sqlite_master"
    " WHERE type = 'trigger' AND tbl_name IN :tables ORDER BY name"
).bindparams(bindparam("tables", expanding=True))


class SQLiteStructure(Structure):
    lineage = LINEAGE
    branch = "store"
    engine_completes = None
    one_transaction = True

    def __init__(self, connector: SQLiteConnector) -> None:
        self.connector = connector

    @property
    def how_to_complete(self) -> str:
        path = shlex.quote(str(self.connector.target))
        return (
            "Open it once with a newer engine, or, where holystone made it: "
            f"holystone migrate upgrade {path} --to {self.branch}@head"
        )

    @property
    def before_creation(self) -> str:
        return "PRAGMA journal_mode = WAL;"

    @property
    def shell(self) -> str:
        return f"sqlite3 -bail {shlex.quote(str(self.connector.target))}"

    def facts(self, connection: Connection, tables: Collection[str]) -> Facts:
        return introspection.read(connection, tables)

    def additions(self, connection: Connection, tables: Collection[str]) -> Sequence[str]:
        named = {"tables": sorted(tables)}
        return [*connection.execute(_TABLES, named).scalars(), *connection.execute(_TRIGGERS, named).scalars()]

    def functions(self, connection: Connection, version: int | None) -> Functions:
        return Functions((), {}, {})

    def interference(self, connection: Connection, tables: Collection[str]) -> Objects:
        return objects.interference(connection, tables, LINEAGE.indexes)

    def sequences(self, connection: Connection) -> Objects:
        return objects.sequences(connection)

    def unusable_indexes(self, connection: Connection, tables: Collection[str]) -> Objects:
        return {}

    def other_stores(self, connection: Connection) -> Sequence[str]:
        return []

    def damages(self, connection: Connection, tables: Collection[str]) -> Objects:
        return integrity.damages(connection)

    def ledger(self, connection: Connection) -> Sequence[LedgerEntry] | None:
        if not inspect(connection).has_table(ledger.name):
            return None
        known = checksums()
        wanted = select(ledger.c.version, ledger.c.success, ledger.c.checksum).order_by(ledger.c.version)
        entries: list[LedgerEntry] = []
        for version, success, checksum in connection.execute(wanted):
            if not isinstance(version, int):
                entries.insert(0, LedgerEntry(0, f"is numbered {version!r}"))
                continue
            fault = None if success else "is marked as failed"
            if fault is None and version in known and checksum != bytes.fromhex(known[version]):
                fault = "has another checksum than the engine's"
            entries.append(LedgerEntry(version, fault))
        return entries

    @property
    def _named(self) -> Path:
        """The name as the user gave it: a store is never made through a link to a file that is gone."""
        assert self.connector.target.path is not None
        return self.connector.target.path

    def is_vacant(self) -> bool:
        return not os.path.lexists(self._named)

    @contextmanager
    def creation(self) -> Iterator[Connection]:
        with new_file(self._named) as path:
            try:
                engine = SQLiteConnector(replace(self.connector.target, path=path)).create_engine(read_only=False)
                with engine.begin() as connection:
                    yield connection
            except DBAPIError as error:
                raise self.connector.translate_error(error) from error

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        # BEGIN IMMEDIATE shuts out every other writer of the file, and all that is done is one transaction.
        with self.connector.create_engine(read_only=False).begin() as connection:
            yield connection

    def build_index(self, connection: Connection, index: Index) -> None:
        index.create(connection, checkfirst=True)

    def index_statement(self, index: Index) -> CreateIndex:
        return CreateIndex(index)

    def remove_index(self, connection: Connection, index: Index) -> None:
        index.drop(connection, checkfirst=True)

    def lock_tables(self, connection: Connection, tables: Collection[str]) -> None:
        """BEGIN IMMEDIATE has already shut out every other writer of the file."""
