"""Bind work items to sessions, each of which one worker owns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0007"
down_revision = "s0006"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240107000000)

LOSES = DataLoss(rows_of=["sessions"], values_of={"worker_queue": {"session_id": None}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column("worker_queue", sa.Column("session_id", sa.Text))
        op.create_index("idx_worker_queue_session", "worker_queue", ["session_id"])
        op.create_table(
            "sessions",
            sa.Column("session_id", sa.Text, primary_key=True, nullable=True),
            sa.Column("worker_id", sa.Text, nullable=False),
            sa.Column("locked_until", sa.Integer, nullable=False),
            sa.Column("last_activity_at", sa.Integer, nullable=False),
        )


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_table("sessions")
        op.drop_index("idx_worker_queue_session")
        op.drop_column("worker_queue", "session_id")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
