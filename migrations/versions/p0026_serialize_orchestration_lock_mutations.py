"""Let one lock of a turn be changed at a time."""

from sqlalchemy import Connection

from holystone.flavours.postgresql.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.provider import require_whole, run_file, withdraw
from holystone.migrate.revision import DataLoss

revision = "p0026"
down_revision = "p0025"
branch_labels = None
depends_on = None

ENGINE = engine_migration(26)

LOSES = DataLoss()


def upgrade() -> None:
    run_file(ENGINE)


def downgrade() -> None:
    withdraw(ENGINE)


def verify(connection: Connection, structure: Structure) -> None:
    require_whole(connection, structure, ENGINE)
