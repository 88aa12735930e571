"""Require every row to have its times."""

from sqlalchemy import Connection

from holystone.flavours.postgresql.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.provider import require_whole, run_file, withdraw
from holystone.migrate.revision import DataLoss

revision = "p0012"
down_revision = "p0011"
branch_labels = None
depends_on = None

ENGINE = engine_migration(12)

LOSES = DataLoss()


def upgrade() -> None:
    run_file(ENGINE)


def downgrade() -> None:
    withdraw(ENGINE)


def verify(connection: Connection, structure: Structure) -> None:
    require_whole(connection, structure, ENGINE)
