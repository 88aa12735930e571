"""Create the key-value pairs of instances."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0010"
down_revision = "s0009"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240110000000,
    description="add kv store",
    checksum="b02718981675751d3e7fe23714483c837df6b44ffc7c7ec83abc3f7563adf3dca8427569ba0f07e7027ba16e82276985",
    follows=20240109000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.create_table(
            "kv_store",
            sa.Column("instance_id", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
            sa.Column("execution_id", sa.Integer, nullable=False),
        )
        op.create_index("idx_kv_store_execution", "kv_store", ["instance_id", "execution_id"])


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, rows_of=["kv_store"])
        op.drop_table("kv_store")


def verify(connection: Connection) -> None:
    # The column execution_id and its index are gone again in s0012.
    require_objects(connection, {"kv_store": ("instance_id", "key", "value")})
