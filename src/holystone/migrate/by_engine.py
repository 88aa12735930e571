"""The engine's own migrations of a PostgreSQL store, run by the engine itself.

They make functions, in which the engine's logic lives and which are its own code: no words of ours could stand in for
them. The engine runs what a store lacks when it opens it, `PostgresProvider` of the package duroxide as every other.
"""

from importlib.util import find_spec

from holystone.duroxide.releases import POSTGRESQL_OF_PACKAGE
from holystone.errors import MigrationError
from holystone.flavours.target import Target

PACKAGE = "duroxide"


def require_engine() -> None:
    """Raise MigrationError where no engine is installed, before anything is changed."""
    if find_spec(PACKAGE) is None:
        raise MigrationError(
            "On PostgreSQL the engine alone can bring its tables and functions up, and none is installed here.",
            f"Install it beside holystone, python -m pip install {PACKAGE}, or open the store with your own engine.",
        )


def migrate(target: Target) -> None:
    """Have the newest engine that is installed open a store on PostgreSQL, and close it.

    MigrationError where no engine is installed, and in the engine's words where it does not open the store.
    """
    require_engine()
    from duroxide import PostgresProvider

    assert target.url is not None
    url = target.url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        PostgresProvider.connect_with_schema(url, target.schema)
    except Exception as error:
        said = target.without_secrets(str(error))
        raise MigrationError(
            f"The engine does not open {target}: {said}",
            f"The newest package on PyPI goes up to migration {POSTGRESQL_OF_PACKAGE}; beyond it, open the store with "
            "your own engine.",
        ) from error
