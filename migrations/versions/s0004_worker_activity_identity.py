"""Keep beside each work item whose activity it is, so that a cancellation finds it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0004"
down_revision = "s0003"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240104000000)

COLUMNS = ("instance_id", "execution_id", "activity_id")

LOSES = DataLoss(values_of={"worker_queue": dict.fromkeys(COLUMNS)})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column("worker_queue", sa.Column("instance_id", sa.Text))
        op.add_column("worker_queue", sa.Column("execution_id", sa.Integer))
        op.add_column("worker_queue", sa.Column("activity_id", sa.Integer))
        op.create_index("idx_worker_activity", "worker_queue", COLUMNS)


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_index("idx_worker_activity")
        for column in COLUMNS:
            op.drop_column("worker_queue", column)


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
