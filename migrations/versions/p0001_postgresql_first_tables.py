"""Create the tables that the engine began with on PostgreSQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.postgresql.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "p0001"
down_revision = None
branch_labels = ("postgresql",)
depends_on = None

TABLES = {
    "instances": ("instance_id", "orchestration_name", "orchestration_version", "current_execution_id"),
    "executions": ("instance_id", "execution_id", "status", "output", "started_at", "completed_at"),
    "history": ("instance_id", "execution_id", "event_id", "event_type", "event_data", "created_at"),
    "orchestrator_queue": ("id", "instance_id", "work_item", "visible_at", "lock_token", "locked_until", "created_at"),
    "worker_queue": ("id", "work_item", "visible_at", "lock_token", "locked_until", "created_at"),
    "instance_locks": ("instance_id", "lock_token", "locked_until", "locked_at"),
}

ENGINE = engine_migration(1)

LOSES = DataLoss(rows_of=TABLES)


def _now(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), server_default=sa.text("CURRENT_TIMESTAMP"))


def _queue(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger, primary_key=True),
        *columns,
        sa.Column("work_item", sa.Text, nullable=False),
        _now("visible_at"),
        sa.Column("lock_token", sa.Text),
        sa.Column("locked_until", sa.BigInteger),
        _now("created_at"),
    )


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.create_table(
            "instances",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("orchestration_name", sa.Text, nullable=False),
            sa.Column("orchestration_version", sa.Text),
            sa.Column("current_execution_id", sa.BigInteger, nullable=False, server_default=sa.text("1")),
            _now("created_at"),
            _now("updated_at"),
        )
        op.create_table(
            "executions",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("status", sa.Text, nullable=False, server_default="Running"),
            sa.Column("output", sa.Text),
            _now("started_at"),
            sa.Column("completed_at", sa.TIMESTAMP(timezone=True)),
        )
        op.create_table(
            "history",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("event_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("event_type", sa.Text, nullable=False),
            sa.Column("event_data", sa.Text, nullable=False),
            _now("created_at"),
        )
        op.create_index("idx_history_lookup", "history", ["instance_id", "execution_id", "event_id"])
        _queue("orchestrator_queue", sa.Column("instance_id", sa.Text, nullable=False))
        op.create_index("idx_orch_visible", "orchestrator_queue", ["visible_at", "lock_token"])
        op.create_index("idx_orch_instance", "orchestrator_queue", ["instance_id"])
        op.create_index("idx_orch_lock", "orchestrator_queue", ["lock_token"])
        _queue("worker_queue")
        op.create_index("idx_worker_visible", "worker_queue", ["visible_at", "lock_token"])
        op.create_index("idx_worker_available", "worker_queue", ["lock_token", "id"])
        op.create_table(
            "instance_locks",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("lock_token", sa.Text, nullable=False),
            sa.Column("locked_until", sa.BigInteger, nullable=False),
            sa.Column("locked_at", sa.BigInteger, nullable=False),
        )
        op.create_index("idx_instance_locks_locked_until", "instance_locks", ["locked_until"])


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        for table in TABLES:
            op.drop_table(table)


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
