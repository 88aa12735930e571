"""Give the journal its digests, by which rows that were edited by hand are seen, and what resume and undo go by.

These are what each run was asked for, and the other findings that went away with each change.

What is in the journal by then is sealed as it stands: every run and every change gets its digest. A journal that is
made now has the columns from the beginning, for a repair makes the journal and nothing else.

A downgrade drops them without asking, and the next upgrade seals what is there then.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection, func, select

from holystone.errors import MigrationError
from holystone.flavours.structure import Structure
from holystone.mend.journal import has_digests, is_installed, seal
from holystone.migrate.revision import DataLoss, has_columns, require_toolkit
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import REVISIONS, runs

revision = "t0005"
down_revision = "t0004"
branch_labels = None
depends_on = None

LOSES = DataLoss()


def upgrade() -> None:
    context = op.get_context()
    if has_columns(REVISIONS[revision].columns):
        return
    schema = context.opts["schema"]
    op.add_column("holystone_runs", sa.Column("asked_for", sa.Text), schema=schema)
    op.add_column("holystone_runs", sa.Column("change_count", sa.Integer), schema=schema)
    op.add_column("holystone_runs", sa.Column("first_digest", sa.Text), schema=schema)
    op.add_column("holystone_runs", sa.Column("last_digest", sa.Text), schema=schema)
    op.add_column("holystone_changes", sa.Column("took_away", sa.Text), schema=schema)
    op.add_column("holystone_changes", sa.Column("digest", sa.Text), schema=schema)
    if not context.as_sql:
        seal(op.get_bind())


def downgrade() -> None:
    schema = op.get_context().opts["schema"]
    for column in ("digest", "took_away"):
        op.drop_column("holystone_changes", column, schema=schema)
    for column in ("last_digest", "first_digest", "change_count", "asked_for"):
        op.drop_column("holystone_runs", column, schema=schema)


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])


def refuse_sql(store: OpenStore, connection: Connection) -> None:
    """Raise MigrationError where there is a run to seal, for no statement computes a digest on both flavours."""
    if not is_installed(store) or has_digests(store):
        return
    if number := connection.execute(select(func.count(runs.c.run_id))).scalar_one():
        raise MigrationError(
            f"SQL alone cannot give digests to the journal, which holds {number:,} {'run' if number == 1 else 'runs'}.",
            "Let holystone do it: holystone migrate upgrade TARGET",
        )
