"""Keep with each execution the version of the engine that began it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0006"
down_revision = "s0005"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240106000000,
    description="add pinned version",
    checksum="13f4c421eda183f3e3f1ce807e211727e2bee2149c38efe07f5cc12055b3e75a054900f15287295b51d7f8a29c807c00",
    follows=20240105000000,
)

COLUMNS = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        for column in COLUMNS:
            op.add_column("executions", sa.Column(column, sa.Integer))


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"executions": dict.fromkeys(COLUMNS)})
        for column in COLUMNS:
            op.drop_column("executions", column)


def verify(connection: Connection) -> None:
    require_objects(connection, {"executions": COLUMNS})
