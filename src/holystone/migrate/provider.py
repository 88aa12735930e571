"""The engine's own migrations of a PostgreSQL store, run from the files that its provider was published with.

They make functions, in which the engine's logic lives: no words of ours could stand in for them. The files are those of
microsoft/duroxide-pg, under the MIT license, which lies beside them in migrations/provider.
"""

from importlib.resources import files

from alembic import op
from sqlalchemy import Connection, func, select

from holystone.errors import MigrationError
from holystone.flavours.postgresql.ledger import EngineMigration
from holystone.flavours.structure import Structure
from holystone.migrate.revision import require_level


def run_file(migration: EngineMigration) -> None:
    """Run the file of a migration as the engine does, with the schema first in the search path, and enter it."""
    context = op.get_context()
    statements = (files("holystone.migrations") / "provider" / migration.name).read_text(encoding="utf-8")
    quoted = context.dialect.identifier_preparer.quote_identifier(context.opts["schema"])
    path = f"SET LOCAL search_path TO {quoted}, pg_temp"
    with migration.applying(context):
        if context.as_sql:
            context.impl.static_output(f"{path};\n\n{statements.strip()}\n")
            return
        assert context.connection is not None
        before = context.connection.execute(select(func.current_setting("search_path"))).scalar_one()
        context.connection.exec_driver_sql(path)
        # Without parameters the driver takes many statements at once, and leaves every % alone.
        context.connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
        context.connection.execute(select(func.set_config("search_path", before, True)))


def withdraw(migration: EngineMigration) -> None:
    """Refuse to take the migration back."""
    with migration.withdrawing(op.get_context()):
        pass


def require_whole(connection: Connection, structure: Structure, migration: EngineMigration) -> None:
    """Raise MigrationError where tables or functions are not as the engine's migration leaves them."""
    require_level(connection, structure, migration.version)
    functions = structure.functions(connection, migration.version)
    if wrong := [*functions.missing, *functions.altered]:
        raise MigrationError(
            f"The migration made other functions than the engine's: {', '.join(wrong)}.",
            "See what other schemas of the database hold functions of the same names.",
        )
