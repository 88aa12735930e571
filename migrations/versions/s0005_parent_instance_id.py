"""Tell of each instance whose child it is, so that a delete reaches the children."""

from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0005"
down_revision = "s0004"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240105000000)

LOSES = DataLoss(values_of={"instances": {"parent_instance_id": None}})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        # Plain, for not every Alembic can write REFERENCES beside the column, and SQLite adds none later.
        op.execute("ALTER TABLE instances ADD COLUMN parent_instance_id TEXT REFERENCES instances (instance_id)")
        op.create_index("idx_instances_parent", "instances", ["parent_instance_id"])


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        op.drop_index("idx_instances_parent")
        op.drop_column("instances", "parent_instance_id")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
