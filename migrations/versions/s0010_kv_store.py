"""Create the key-value pairs of instances."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0010"
down_revision = "s0009"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240110000000)

LOSES = DataLoss(rows_of=["kv_store"])


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.create_table(
            "kv_store",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
            sa.Column("execution_id", sa.Integer, nullable=False),
        )
        op.create_index("idx_kv_store_execution", "kv_store", ["instance_id", "execution_id"])


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_table("kv_store")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
