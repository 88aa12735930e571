"""Let a work item become visible at a time of its own, in ms since the epoch."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0003"
down_revision = "s0002"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240103000000)

LOSES = DataLoss(values_of={"worker_queue": {"visible_at": 0}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column("worker_queue", sa.Column("visible_at", sa.Integer, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_column("worker_queue", "visible_at")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
