"""Alembic's environment: runs on the connection that it is handed, inside the caller's transaction."""

from alembic import context

from holystone.mend.journal import metadata

configuration = context.config.attributes
context.configure(
    connection=configuration["connection"],
    target_metadata=metadata,
    version_table=configuration["version_table"],
    version_table_schema=configuration["schema"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
