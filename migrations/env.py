"""Alembic's environment: runs on the connection that it is handed, inside the caller's transaction."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script

from holystone.mend.journal import metadata


def _verify(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    """Let a revision that has just been run make sure of its objects, before anything is committed."""
    if step.is_upgrade and isinstance(step.up_revision, Script):
        step.up_revision.module.verify(ctx.connection)


configuration = context.config.attributes
context.configure(
    connection=configuration["connection"],
    target_metadata=metadata,
    version_table=configuration["version_table"],
    version_table_schema=configuration["schema"],
    transactional_ddl=True,
    on_version_apply=_verify,
)
with context.begin_transaction():
    context.run_migrations()
