"""Keep beside each work item whose activity it is, so that a cancellation finds it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0004"
down_revision = "s0003"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240104000000,
    description="add worker activity identity",
    checksum="25fafc591102bd90cf724c5d6f2855113f9118880b7b7fb5dd7210e4086fde7021f55a2ea7141d478363c78504cd123b",
    follows=20240103000000,
)

COLUMNS = ("instance_id", "execution_id", "activity_id")


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.add_column("worker_queue", sa.Column("instance_id", sa.Text))
        op.add_column("worker_queue", sa.Column("execution_id", sa.Integer))
        op.add_column("worker_queue", sa.Column("activity_id", sa.Integer))
        op.create_index("idx_worker_activity", "worker_queue", COLUMNS)


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"worker_queue": dict.fromkeys(COLUMNS)})
        op.drop_index("idx_worker_activity")
        for column in COLUMNS:
            op.drop_column("worker_queue", column)


def verify(connection: Connection) -> None:
    require_objects(connection, {"worker_queue": COLUMNS}, {"worker_queue": ("idx_worker_activity",)})
