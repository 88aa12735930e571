"""Bringing holystone's own tables in a store to the newest revision, through Alembic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, Table, Text, select

from holystone.store import Store

if TYPE_CHECKING:
    from alembic.config import Config

_versions = Table("holystone_migrations", MetaData(), Column("version_num", Text, primary_key=True))


@dataclass(frozen=True)
class Status:
    """Where a store's schema stands; `pending` are the toolkit's revisions that it lacks, oldest first."""

    engine_migration: str | None
    toolkit_revision: str | None
    pending: Sequence[str]


def toolkit_revision(store: Store) -> str | None:
    """Return the revision of holystone's tables in the store, None where there are none."""
    with store.snapshot() as connection:
        return _current(store, connection)


def status(store: Store) -> Status:
    """Return where the store stands; reads only."""
    current = toolkit_revision(store)
    return Status(store.engine_migration, current, _pending(current))


def upgrade(store: Store) -> Sequence[str]:
    """Bring holystone's tables to the newest revision; return the revisions that were run, oldest first.

    One transaction: an interrupted upgrade leaves nothing behind, and of two at once the second one waits
    and then finds nothing to do.
    """
    from alembic import command

    with store.transaction() as connection:
        store.flavour.lock_schema(connection)
        store.columns = store.flavour.columns(connection)
        pending = _pending(_current(store, connection))
        if pending:
            configuration = _configuration()
            configuration.attributes.update(
                connection=connection, schema=store.target.schema, version_table=_versions.name
            )
            command.upgrade(configuration, "heads")
            store.columns = store.flavour.columns(connection)
    return pending


def _current(store: Store, connection: Connection) -> str | None:
    if _versions.name not in store.columns:
        return None
    return connection.execute(select(_versions.c.version_num)).scalar_one_or_none()


def _pending(current: str | None) -> list[str]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_configuration())
    newest_first = scripts.iterate_revisions("heads", current or "base")
    return [revision.revision for revision in newest_first][::-1]


def _configuration() -> "Config":
    from alembic.config import Config

    configuration = Config()
    # The colon makes it a package, which an editable install maps to the top of the repository.
    configuration.set_main_option("script_location", "holystone.migrations:")
    return configuration
