"""Tell of each key-value pair when it was last written."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0011"
down_revision = "s0010"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240111000000,
    description="add kv last updated",
    checksum="3f003c0cf9ea6f0fd8eae9e8764aee547b1368d77b6fe88cf5cd63a8e1e3e00264b55c1f7de23108018585c1f53c4390",
    follows=20240110000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.add_column(
            "kv_store", sa.Column("last_updated_at_ms", sa.Integer, nullable=False, server_default=sa.text("0"))
        )


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"kv_store": {"last_updated_at_ms": 0}})
        op.drop_column("kv_store", "last_updated_at_ms")


def verify(connection: Connection) -> None:
    require_objects(connection, {"kv_store": ("last_updated_at_ms",)})
