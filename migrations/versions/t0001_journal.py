"""Create the journal of repairs.

It makes the columns of t0005 as well, which adds them to a journal that was made before: a repair runs this revision
alone, and needs them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_toolkit
from holystone.store.toolkit import REVISIONS

revision = "t0001"
down_revision = None
branch_labels = ("toolkit",)
depends_on = None

LOSES = DataLoss(rows_of=["holystone_changes", "holystone_runs"])


def upgrade() -> None:
    op.create_table(
        "holystone_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("undoes", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("finished_at_ms", sa.BigInteger),
        sa.Column("asked_for", sa.Text),
        sa.Column("change_count", sa.Integer),
        sa.Column("first_digest", sa.Text),
        sa.Column("last_digest", sa.Text),
    )
    op.create_table(
        "holystone_changes",
        sa.Column("run_id", sa.Text, sa.ForeignKey("holystone_runs.run_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("check_id", sa.Text, nullable=False),
        sa.Column("repair_id", sa.Text, nullable=False),
        sa.Column("safety", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("row_key", sa.Text, nullable=False),
        sa.Column("before_image", sa.Text),
        sa.Column("after_image", sa.Text),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("made_at_ms", sa.BigInteger, nullable=False),
        sa.Column("undone_by", sa.Text),
        sa.Column("took_away", sa.Text),
        sa.Column("digest", sa.Text),
    )


def downgrade() -> None:
    guard_data_loss(LOSES)
    op.drop_table("holystone_changes")
    op.drop_table("holystone_runs")


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])
