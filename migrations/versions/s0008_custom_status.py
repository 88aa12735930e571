"""Let an orchestration tell a status of its own, which outlives its executions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0008"
down_revision = "s0007"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240108000000,
    description="add custom status",
    checksum="5a715bcad01ce5a1cafa01ba5ac66ec28e3a9e7388ec99dc239f54c189748ebc4ee2c1f0dda132051839bacd070bfd2b",
    follows=20240107000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        op.add_column("instances", sa.Column("custom_status", sa.Text))
        op.add_column(
            "instances", sa.Column("custom_status_version", sa.Integer, nullable=False, server_default=sa.text("0"))
        )


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"instances": {"custom_status": None, "custom_status_version": 0}})
        op.drop_column("instances", "custom_status_version")
        op.drop_column("instances", "custom_status")


def verify(connection: Connection) -> None:
    require_objects(connection, {"instances": ("custom_status", "custom_status_version")})
