"""Let an orchestration tell a status of its own, which outlives its executions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0008"
down_revision = "s0007"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240108000000)

LOSES = DataLoss(values_of={"instances": {"custom_status": None, "custom_status_version": 0}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        op.add_column("instances", sa.Column("custom_status", sa.Text))
        op.add_column(
            "instances", sa.Column("custom_status_version", sa.Integer, nullable=False, server_default=sa.text("0"))
        )


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_column("instances", "custom_status_version")
        op.drop_column("instances", "custom_status")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
