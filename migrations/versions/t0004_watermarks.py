"""Create the table of how far a store has been verified.

A downgrade drops it without asking: the next check looks at the whole store once more.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, require_toolkit
from holystone.store.toolkit import REVISIONS

revision = "t0004"
down_revision = "t0003"
branch_labels = None
depends_on = None

LOSES = DataLoss()


def upgrade() -> None:
    op.create_table(
        "holystone_watermarks",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("verified_at_ms", sa.BigInteger, nullable=False),
        sa.Column("full_at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("holystone_watermarks")


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])
