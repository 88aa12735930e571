"""Create the tables that the engine began with: instances, executions, history, queues and locks."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0001"
down_revision = None
branch_labels = ("store",)
depends_on = None

ENGINE = engine_migration(20240101000000)

TABLES = {
    "instances": ("instance_id", "orchestration_name", "orchestration_version", "current_execution_id"),
    "executions": ("instance_id", "execution_id", "status", "output", "started_at", "completed_at"),
    "history": ("instance_id", "execution_id", "event_id", "event_type", "event_data", "created_at"),
    "orchestrator_queue": ("id", "instance_id", "work_item", "visible_at", "lock_token", "locked_until", "created_at"),
    "worker_queue": ("id", "work_item", "lock_token", "locked_until", "created_at"),
    "timer_queue": ("id", "work_item", "fire_at", "lock_token", "locked_until", "created_at"),
    "instance_locks": ("instance_id", "lock_token", "locked_until", "locked_at"),
}

LOSES = DataLoss(rows_of=TABLES)


def _now(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.TIMESTAMP, server_default=sa.text("CURRENT_TIMESTAMP"))


def _id() -> sa.Column[int]:
    # As the engine declares it: AUTOINCREMENT, without NOT NULL. The same of the other primary keys below.
    return sa.Column("id", sa.Integer, primary_key=True, nullable=True)


def _work_item() -> sa.Column[str]:
    return sa.Column("work_item", sa.Text, nullable=False)


def _queue(name: str, *columns: sa.Column[Any]) -> None:
    claim = (sa.Column("lock_token", sa.Text), sa.Column("locked_until", sa.TIMESTAMP))
    op.create_table(name, _id(), *columns, *claim, _now("created_at"), sqlite_autoincrement=True)


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.create_table(
            "instances",
            sa.Column("instance_id", sa.Text, primary_key=True, nullable=True),
            sa.Column("orchestration_name", sa.Text, nullable=False),
            sa.Column("orchestration_version", sa.Text, nullable=False),
            sa.Column("current_execution_id", sa.Integer, nullable=False, server_default=sa.text("1")),
            _now("created_at"),
            _now("updated_at"),
        )
        op.create_table(
            "executions",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("execution_id", sa.Integer, primary_key=True),
            sa.Column("status", sa.Text, nullable=False, server_default="Running"),
            sa.Column("output", sa.Text),
            _now("started_at"),
            sa.Column("completed_at", sa.TIMESTAMP),
        )
        op.create_table(
            "history",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("execution_id", sa.Integer, primary_key=True),
            sa.Column("event_id", sa.Integer, primary_key=True),
            sa.Column("event_type", sa.Text, nullable=False),
            sa.Column("event_data", sa.Text, nullable=False),
            _now("created_at"),
        )
        _queue(
            "orchestrator_queue",
            sa.Column("instance_id", sa.Text, nullable=False),
            _work_item(),
            _now("visible_at"),
        )
        op.create_index("idx_orch_visible", "orchestrator_queue", ["visible_at", "lock_token"])
        op.create_index("idx_orch_instance", "orchestrator_queue", ["instance_id"])
        op.create_index("idx_orch_lock", "orchestrator_queue", ["lock_token"])
        _queue("worker_queue", _work_item())
        op.create_index("idx_worker_available", "worker_queue", ["lock_token", "id"])
        _queue("timer_queue", _work_item(), sa.Column("fire_at", sa.TIMESTAMP, nullable=False))
        op.create_index("idx_timer_fire", "timer_queue", ["fire_at", "lock_token"])
        op.create_table(
            "instance_locks",
            sa.Column("instance_id", sa.Text, primary_key=True, nullable=True),
            sa.Column("lock_token", sa.Text, nullable=False),
            sa.Column("locked_until", sa.Integer, nullable=False),
            sa.Column("locked_at", sa.Integer, nullable=False),
        )


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        for table in TABLES:
            op.drop_table(table)


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
