"""SQLite: the engine's `src/providers/sqlite.rs`."""

from functools import cached_property

from sqlalchemy import BigInteger, Column, MetaData, Table

from holystone.duroxide.event_types import COMPLETED, CONTINUED_AS_NEW, FAILED
from holystone.flavours.flavour import Flavour
from holystone.flavours.sqlite.connector import SQLiteConnector
from holystone.flavours.sqlite.expressions import SQLiteExpressions
from holystone.flavours.sqlite.structure import SQLiteStructure


class SQLite(SQLiteConnector, SQLiteExpressions, Flavour):
    name = "sqlite"
    ledger = Table(
        "_sqlx_migrations",
        MetaData(),
        Column("version", BigInteger, primary_key=True),
        Column("execution_time", BigInteger),
    )
    # Nanoseconds that each migration took: no two stores agree in all of them.
    ledger_birth = "execution_time"
    messages_carry_expiry = False
    dead_messages_halt = True
    halted_by_unreadable = frozenset({"worker_queue"})
    turns_update_instances = False
    queue_order = ("id",)
    statuses_with_completed_at = frozenset({COMPLETED, FAILED, CONTINUED_AS_NEW})

    @cached_property
    def structure(self) -> SQLiteStructure:
        return SQLiteStructure(self)
