"""Keep with each execution the version of the engine that began it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0006"
down_revision = "s0005"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240106000000)

COLUMNS = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")

LOSES = DataLoss(values_of={"executions": dict.fromkeys(COLUMNS)})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        for column in COLUMNS:
            op.add_column("executions", sa.Column(column, sa.Integer))


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        for column in COLUMNS:
            op.drop_column("executions", column)


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
