"""Tell of each instance whose child it is, so that a delete reaches the children."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

from holystone.revision import refuse_to_lose, require_objects
from holystone.store.flavours.sqlite_ledger import EngineMigration

revision = "s0005"
down_revision = "s0004"
branch_labels = None
depends_on = None

ENGINE = EngineMigration(
    version=20240105000000,
    description="add parent instance id",
    checksum="621cfad15d7fece832b660b57185bfdb753ad03561c91367897dfdc148e48ebf34ff6578bbcd6d3f139e9505bfa5eea9",
    follows=20240104000000,
)


def upgrade() -> None:
    with ENGINE.applying(op.get_bind()):
        parent = sa.Column("parent_instance_id", sa.Text, sa.ForeignKey("instances.instance_id"))
        op.add_column("instances", parent, inline_references=True)
        op.create_index("idx_instances_parent", "instances", ["parent_instance_id"])


def downgrade() -> None:
    connection = op.get_bind()
    with ENGINE.withdrawing(connection):
        refuse_to_lose(connection, values_of={"instances": {"parent_instance_id": None}})
        op.drop_index("idx_instances_parent")
        op.drop_column("instances", "parent_instance_id")


def verify(connection: Connection) -> None:
    require_objects(connection, {"instances": ("parent_instance_id",)}, {"instances": ("idx_instances_parent",)})
