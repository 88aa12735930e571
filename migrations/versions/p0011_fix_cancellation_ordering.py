"""Cancel activities before new ones are queued."""

from sqlalchemy import Connection

from holystone.flavours.postgresql.ledger import engine_migration
from holystone.flavours.structure import Structure
from holystone.migrate.provider import require_whole, run_file, withdraw
from holystone.migrate.revision import DataLoss

revision = "p0011"
down_revision = "p0010"
branch_labels = None
depends_on = None

ENGINE = engine_migration(11)

LOSES = DataLoss()


def upgrade() -> None:
    run_file(ENGINE)


def downgrade() -> None:
    withdraw(ENGINE)


def verify(connection: Connection, structure: Structure) -> None:
    require_whole(connection, structure, ENGINE)
