"""Record as which shape a store was adopted, and when.

Alembic's own stamp would not do for that: it names a revision of holystone's, and the fallback shape and all shapes
of PostgreSQL have none; and it says what the store *is*, which the engine's next migration would make untrue.

A downgrade drops the records without asking: `migrate adopt` finds the same out again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, require_toolkit
from holystone.store.toolkit import REVISIONS

revision = "t0003"
down_revision = "t0002"
branch_labels = None
depends_on = None

LOSES = DataLoss()


def upgrade() -> None:
    op.create_table(
        "holystone_adoptions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("shape", sa.Text, nullable=False),
        sa.Column("engine_migration", sa.Text),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("adopted_at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("holystone_adoptions")


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])
