"""The engine's tables, declared once for both flavours.

Sources: `migrations/` of microsoft/duroxide (SQLite) and of microsoft/duroxide-pg (PostgreSQL). Where the
two declare a column with different types, the type here is neutral and the flavour reads and writes it.
Only `REQUIRED_COLUMNS` has to be there for a database to count as a store: the other tables and columns came with
later versions of the engine.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, Table, Text, literal_column, text
from sqlalchemy.types import UserDefinedType

from holystone.duroxide.event_types import COMPLETED

metadata = MetaData()


class EngineTimestamp(UserDefinedType[Any]):
    """A point in time as the engine keeps it: timestamptz on PostgreSQL, on SQLite whatever was written.

    The driver's own values pass through, so that a before-image is exact on both.
    """

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "TIMESTAMP"


instances = Table(
    "instances",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("orchestration_name", Text, nullable=False),
    Column("orchestration_version", Text),
    Column("current_execution_id", BigInteger, nullable=False, server_default=text("1")),
    Column("created_at", EngineTimestamp),
    Column("updated_at", EngineTimestamp),
    Column("parent_instance_id", Text),
    Column("custom_status", Text),
    Column("custom_status_version", Integer, nullable=False, server_default=text("0")),
)

executions = Table(
    "executions",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("execution_id", BigInteger, primary_key=True),
    Column("status", Text, nullable=False, server_default=text("'Running'")),
    Column("output", Text),
    Column("started_at", EngineTimestamp),
    Column("completed_at", EngineTimestamp),
    Column("duroxide_version_major", Integer),
    Column("duroxide_version_minor", Integer),
    Column("duroxide_version_patch", Integer),
)

history = Table(
    "history",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("execution_id", BigInteger, primary_key=True),
    Column("event_id", BigInteger, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("event_data", Text, nullable=False),
    Column("created_at", EngineTimestamp),
)

orchestrator_queue = Table(
    "orchestrator_queue",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("instance_id", Text, nullable=False),
    Column("work_item", Text, nullable=False),
    Column("visible_at", EngineTimestamp),
    Column("lock_token", Text),
    Column("locked_until", BigInteger),
    Column("created_at", EngineTimestamp),
    Column("attempt_count", Integer, nullable=False, server_default=text("0")),
)

worker_queue = Table(
    "worker_queue",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("work_item", Text, nullable=False),
    Column("visible_at", EngineTimestamp),
    Column("lock_token", Text),
    Column("locked_until", BigInteger),
    Column("created_at", EngineTimestamp),
    Column("attempt_count", Integer, nullable=False, server_default=text("0")),
    Column("instance_id", Text),
    Column("execution_id", BigInteger),
    Column("activity_id", BigInteger),
    Column("session_id", Text),
    Column("tag", Text),
)

instance_locks = Table(
    "instance_locks",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("lock_token", Text, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
    Column("locked_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("worker_id", Text, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
    Column("last_activity_at", BigInteger, nullable=False),
)

kv_store = Table(
    "kv_store",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("last_updated_at_ms", BigInteger, nullable=False, server_default=text("0")),
)

# PostgreSQL kept a column that SQLite dropped, and it may not be NULL there.
kv_store_execution_id = Table(
    "kv_store",
    MetaData(),
    Column("instance_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("execution_id", BigInteger, nullable=False),
    Column("last_updated_at_ms", BigInteger, nullable=False, server_default=text("0")),
)

kv_delta = Table(
    "kv_delta",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("last_updated_at_ms", BigInteger, nullable=False),
)

OF_INSTANCES = (
    instances,
    executions,
    history,
    orchestrator_queue,
    worker_queue,
    instance_locks,
    kv_store,
    kv_delta,
)
"""The tables whose rows are of instances, those that most likely name one first."""

VERSION_COLUMNS = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")
"""The columns of executions by which an execution is pinned to the version of the engine that began it."""

_LATER_COLUMNS = {"parent_instance_id", "custom_status", "custom_status_version", *VERSION_COLUMNS, "attempt_count"}

REQUIRED_COLUMNS: dict[str, frozenset[str]] = {
    table.name: frozenset(column.name for column in table.columns if column.name not in _LATER_COLUMNS)
    for table in (instances, executions, history, orchestrator_queue, instance_locks)
} | {"worker_queue": frozenset({"id", "work_item", "lock_token", "locked_until", "created_at"})}
"""Table name -> the columns of it that every version of the engine has had."""


def not_completed(status: ColumnElement[str]) -> ColumnElement[bool]:
    """Return whether a status is another than Completed, in the words of holystone's index of such executions.

    SQLite takes the index only for a condition that has the very same words.
    """
    return status != literal_column(f"'{COMPLETED}'")
