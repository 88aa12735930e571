"""${message}"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, guard_data_loss, require_toolkit
from holystone.store.toolkit import REVISIONS

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

LOSES = DataLoss(rows_of=[])


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    guard_data_loss(LOSES)
    ${downgrades if downgrades else "pass"}


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])
