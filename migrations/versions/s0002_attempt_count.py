"""Count the attempts at each message and work item, so that a poisonous one can be told."""

from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0002"
down_revision = "s0001"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240102000000,
    description="add attempt count",
    checksum="a1af64e4a4211fa289189a141ff453f875d6468f72e0680acc54518f006368bda3e877de040b75a9693cffa24c280008",
    follows=20240101000000,
)

QUEUES = ("orchestrator_queue", "worker_queue")


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        for queue in QUEUES:
            # Plain, for Alembic adds a CHECK as a statement of its own, which SQLite does not have.
            op.execute(
                f"ALTER TABLE {queue} ADD COLUMN attempt_count INTEGER NOT NULL DEFAULT 0 CHECK (attempt_count >= 0)"
            )


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={queue: {"attempt_count": 0} for queue in QUEUES})
        for queue in QUEUES:
            op.drop_column(queue, "attempt_count")


def verify(connection: Connection) -> None:
    require_objects(connection, dict.fromkeys(QUEUES, ("attempt_count",)))
