"""Let a work item become visible at a time of its own, in ms since the epoch."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0003"
down_revision = "s0002"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240103000000,
    description="add worker visible at",
    checksum="01cfc0a852726929f1f7223fa9cccf1584b34525fb49b6db60210f143ea9923edbf9b407958e01989fc00ee4415f6419",
    follows=20240102000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.add_column("worker_queue", sa.Column("visible_at", sa.Integer, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"worker_queue": {"visible_at": 0}})
        op.drop_column("worker_queue", "visible_at")


def verify(connection: Connection) -> None:
    require_objects(connection, {"worker_queue": ("visible_at",)})
