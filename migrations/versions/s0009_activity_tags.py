"""Give work items a tag, which leads them to workers that take it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0009"
down_revision = "s0008"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240109000000,
    description="add activity tags",
    checksum="90e079aa69023acf1f4f08f5cdfcfc20ad2dd08573486eb10259c6bd8543b09b65cc8a05b1bcdd170cac73715cc56384",
    follows=20240108000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.add_column("worker_queue", sa.Column("tag", sa.Text))
        op.create_index("idx_worker_queue_tag", "worker_queue", ["tag"])


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"worker_queue": {"tag": None}})
        op.drop_index("idx_worker_queue_tag")
        op.drop_column("worker_queue", "tag")


def verify(connection: Connection) -> None:
    require_objects(connection, {"worker_queue": ("tag",)}, {"worker_queue": ("idx_worker_queue_tag",)})
