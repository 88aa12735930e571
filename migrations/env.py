"""Alembic's environment: runs on the connection that it is handed, or writes SQL for people to run.

On a connection that is in a transaction all revisions are part of it, else each has one of its own.
"""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script


def _verify(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    """Let a revision that has just been run make sure of its objects, before anything is committed."""
    if step.is_upgrade and isinstance(step.up_revision, Script) and not ctx.as_sql:
        step.up_revision.module.verify(ctx.connection, ctx.opts["structure"])


configuration = context.config.attributes
context.configure(
    connection=configuration["connection"],
    dialect_name=configuration["flavour"].name,
    version_table=configuration["version_table"],
    version_table_schema=configuration["flavour"].target.schema,
    literal_binds=context.is_offline_mode(),
    transactional_ddl=True,
    transaction_per_migration=not configuration["one_transaction"],
    on_version_apply=_verify,
    # For the revisions themselves, which find these in the options of their context.
    schema=configuration["flavour"].target.schema,
    structure=configuration["flavour"].structure,
    stored=configuration["flavour"].stored,
    one_transaction=configuration["one_transaction"],
)
if context.is_offline_mode() and (schema := configuration["flavour"].target.schema) is not None:
    # What people paste may not rest on their search path.
    context.get_context().dialect.identifier_preparer.schema_for_object = lambda item: schema
with context.begin_transaction():
    context.run_migrations()
