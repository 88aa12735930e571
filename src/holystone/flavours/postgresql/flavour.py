"""PostgreSQL: the functions and tables of microsoft/duroxide-pg."""

from functools import cached_property

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table

from holystone.duroxide.event_types import COMPLETED, FAILED
from holystone.flavours.flavour import Flavour
from holystone.flavours.postgresql.connector import PostgreSQLConnector
from holystone.flavours.postgresql.expressions import PostgreSQLExpressions
from holystone.flavours.postgresql.structure import PostgreSQLStructure


class PostgreSQL(PostgreSQLConnector, PostgreSQLExpressions, Flavour):
    name = "postgresql"
    ledger = Table(
        "_duroxide_migrations",
        MetaData(),
        Column("version", BigInteger, primary_key=True),
        Column("applied_at", DateTime(timezone=True)),
    )
    ledger_birth = "applied_at"
    messages_carry_expiry = True
    readers_change_indexes = True
    dead_messages_halt = False
    halted_by_unreadable = frozenset({"orchestrator_queue"})
    turns_update_instances = True
    queue_order = ("visible_at", "id")
    # ack_orchestration_item leaves completed_at NULL for ContinuedAsNew, by design.
    statuses_with_completed_at = frozenset({COMPLETED, FAILED})

    @cached_property
    def structure(self) -> PostgreSQLStructure:
        return PostgreSQLStructure(self)
