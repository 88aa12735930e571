"""Keep what the current execution writes to the key-value pairs apart until it ends."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0012"
down_revision = "s0011"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240112000000)

LOSES = DataLoss(rows_of=["kv_delta", "kv_store"])


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.create_table(
            "kv_delta",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("value", sa.Text),
            sa.Column("last_updated_at_ms", sa.Integer, nullable=False),
        )
        # The engine copies kv_store for this; to drop the column keeps rows and triggers where they are.
        op.drop_index("idx_kv_store_execution")
        op.drop_column("kv_store", "execution_id")


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        # Nothing in the store knows which execution wrote a pair, and the older schema must have it.
        guard_data_loss(LOSES)
        op.drop_table("kv_delta")
        # The columns in the order in which they came, by adding the last one again.
        op.drop_column("kv_store", "last_updated_at_ms")
        op.add_column("kv_store", sa.Column("execution_id", sa.Integer, nullable=False))
        op.add_column(
            "kv_store", sa.Column("last_updated_at_ms", sa.Integer, nullable=False, server_default=sa.text("0"))
        )
        op.create_index("idx_kv_store_execution", "kv_store", ["instance_id", "execution_id"])


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
