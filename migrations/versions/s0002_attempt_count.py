"""Count the attempts at each message and work item, so that a poisonous one can be told."""

from alembic import op
from sqlalchemy import Connection

from holystone.flavours.sqlite.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_level

revision = "s0002"
down_revision = "s0001"
branch_labels = None
depends_on = None

ENGINE = engine_migration(20240102000000)

QUEUES = ("orchestrator_queue", "worker_queue")

LOSES = DataLoss(values_of={queue: {"attempt_count": 0} for queue in QUEUES})


def upgrade() -> None:
    with ENGINE.applying(op.get_context()):
        for queue in QUEUES:
            # Plain, for Alembic adds a CHECK as a statement of its own, which SQLite does not have.
            op.execute(
                f"ALTER TABLE {queue} ADD COLUMN attempt_count INTEGER NOT NULL DEFAULT 0 CHECK (attempt_count >= 0)"
            )


def downgrade() -> None:
    with ENGINE.withdrawing(op.get_context()):
        guard_data_loss(LOSES)
        for queue in QUEUES:
            op.drop_column(queue, "attempt_count")


def verify(connection: Connection, structure: Structure) -> None:
    require_level(connection, structure, ENGINE.version)
