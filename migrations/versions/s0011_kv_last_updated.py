"""Tell of each key-value pair when it was last written."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0011"
down_revision = "s0010"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240111000000)

LOSES = DataLoss(values_of={"kv_store": {"last_updated_at_ms": 0}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column(
            "kv_store", sa.Column("last_updated_at_ms", sa.Integer, nullable=False, server_default=sa.text("0"))
        )


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_column("kv_store", "last_updated_at_ms")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
