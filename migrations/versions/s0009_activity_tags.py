"""Give work items a tag, which leads them to workers that take it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0009"
down_revision = "s0008"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240109000000)

LOSES = DataLoss(values_of={"worker_queue": {"tag": None}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column("worker_queue", sa.Column("tag", sa.Text))
        op.create_index("idx_worker_queue_tag", "worker_queue", ["tag"])


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_index("idx_worker_queue_tag")
        op.drop_column("worker_queue", "tag")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
