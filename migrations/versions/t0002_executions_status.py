"""Give executions an index by status and age, for lists of those that have not completed.

The engine has none by status on either flavour: every list by status reads the whole table, half a second for
300,000 executions in a SQLite file; with this index the failed ones of a month ago take 5 ms.

It leaves out the completed executions. They are nearly all of a table that has lived a while, so that an index
finds them hardly faster than the table does, and the first hundred by id much slower; and without them it is a quarter
of the size. What it costs the engine is the same either way, since every execution begins as Running, and so comes in
and goes out: 30 µs in a SQLite file, of the 2,000 that one turn takes.

It is not in the way of the engine's own migrations. Its columns are two that every version of the engine has had,
and that the engine's statements rest on. If the engine renamed them, both databases would rename them here as well; if
it made the table anew, as it did kv_store on SQLite, the index would go with the old one, and `migrate upgrade` would
build it again. Only dropping one of the two would be refused, by SQLite.
"""

from sqlalchemy import Connection

from holystone.flavours.structure import Structure
from holystone.migrate.revision import DataLoss, add_index, drop_index, require_toolkit
from holystone.store.toolkit import REVISIONS, executions_status

revision = "t0002"
down_revision = "t0001"
branch_labels = None
depends_on = None

LOSES = DataLoss()


def upgrade() -> None:
    add_index(executions_status.as_index)


def downgrade() -> None:
    drop_index(executions_status.as_index)


def verify(connection: Connection, structure: Structure) -> None:
    require_toolkit(connection, structure, REVISIONS[revision])
