"""Bringing the schema of a store to the newest revision, and making stores, through Alembic.

There are two branches. `toolkit` are holystone's own tables, in any store. `store` are the engine's tables, in
stores that `create` made; a store that the engine made is left to the engine.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, Table, Text, select

from holystone.errors import MigrationError
from holystone.store import Store
from holystone.store.flavours import flavour_of
from holystone.store.target import Target, parse_target

if TYPE_CHECKING:
    from alembic.config import Config

TOOLKIT = "toolkit"
"""The branch of holystone's own tables; the ids of a branch's revisions begin with its first letter."""

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
        return _current(store, connection, TOOLKIT)


def status(store: Store) -> Status:
    """Return where the store stands; reads only."""
    current = toolkit_revision(store)
    return Status(store.engine_migration, current, _pending(current, f"{TOOLKIT}@head"))


def create(target: str | Target) -> Store:
    """Make a store where nothing is, as the engine makes it, with holystone's own tables; return it, opened.

    The store is there whole or not at all: an interrupted creation leaves nothing that keeps the next one from
    its work, and of two at once one finds the other's store and raises TargetError. Raises HolystoneError
    where something is there already, where it cannot be written to, and for a PostgreSQL target.
    """
    from alembic import command

    place = parse_target(target) if isinstance(target, str) else target
    with flavour_of(place).new_place() as engine, engine.begin() as connection:
        _run(command.upgrade, connection, place, "heads")
    return Store.open(place)


def upgrade(store: Store, to: str = f"{TOOLKIT}@head") -> Sequence[str]:
    """Bring holystone's own tables to the newest revision; return the revisions that were run, oldest first.

    One transaction: an interrupted upgrade leaves nothing behind, and of two at once the second one waits
    and then finds nothing to do. With `to`, such as `store@head` or `s0011`, it goes that far in that branch; in
    the branch `store` it raises MigrationError where the engine has made the store, or migrated it since, and
    the store has to be opened anew after it.
    """
    from alembic import command

    with store.transaction() as connection:
        store.flavour.lock_schema(connection)
        store.columns = store.flavour.columns(connection)
        pending = _pending(_current(store, connection, to), to)
        if pending:
            _run(command.upgrade, connection, store.target, to)
            store.columns = store.flavour.columns(connection)
    return pending


def downgrade(store: Store, revision: str) -> None:
    """Take the revisions above `revision` back, in one transaction; such as `s0011`, or `toolkit@base` for all.

    Raises MigrationError, which names them, where rows would be lost. Open the store anew after it.
    """
    from alembic import command

    with store.transaction() as connection:
        store.flavour.lock_schema(connection)
        _run(command.downgrade, connection, store.target, revision)
        store.columns = store.flavour.columns(connection)


def _current(store: Store, connection: Connection, branch: str) -> str | None:
    """Return the store's revision in a branch, which is named by itself or by one of its revisions."""
    if _versions.name not in store.columns:
        return None
    version = _versions.c.version_num
    return connection.execute(select(version).where(version.startswith(branch[0]))).scalar_one_or_none()


def _pending(current: str | None, to: str) -> list[str]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_configuration())
    with _explained():
        newest_first = list(scripts.iterate_revisions(to, current or "base"))
    return [revision.revision for revision in newest_first][::-1]


def _run(command: "Callable[[Config, str], None]", connection: Connection, target: Target, revision: str) -> None:
    configuration = _configuration()
    configuration.attributes.update(connection=connection, schema=target.schema, version_table=_versions.name)
    with _explained():
        command(configuration, revision)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what Alembic says of a revision that it cannot find or reach into an error of holystone's own."""
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    try:
        yield
    except (CommandError, RevisionError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise MigrationError(
            f"The revision cannot be found or reached from where the store stands: {said}.",
            "Use the version of holystone that upgraded the store, or a newer one.",
        ) from None


def _configuration() -> "Config":
    from alembic.config import Config

    configuration = Config()
    # The colon makes it a package, which an editable install maps to the top of the repository.
    configuration.set_main_option("script_location", "holystone.migrations:")
    return configuration
