"""Making stores, and running revisions up and down."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holystone.duroxide.releases import NEWEST_WRITES
from holystone.duroxide.tables import instances
from holystone.flavours import Flavour, flavour_of
from holystone.flavours.target import Target, parse_target
from holystone.migrate import by_engine, runner
from holystone.store.open_store import OpenStore
from holystone.store.shape import recognise, require_known
from holystone.store.toolkit import REVISIONS, TOOLKIT, missing, revision_of

NEWEST = f"{TOOLKIT}@head"


def create(target: str | Target, to: str | None = None) -> OpenStore:
    """Make a store where nothing is, as the engine makes it, with holystone's own tables; return it, opened.

    On PostgreSQL it makes the schema, and the tables of the engine's first migration: the engine adds the others,
    and its functions, when it first opens the store. `to` names a revision, such as `s0011`, at which to stop in its
    branch.

    The store is there whole or not at all: an interrupted creation leaves nothing that keeps the next one from
    its work, and of two at once one finds the other's store and raises TakenError. Raises HolystoneError
    where something is there already, and where it cannot be written to.
    """
    place = parse_target(target) if isinstance(target, str) else target
    flavour = flavour_of(place)
    with flavour.structure.creation() as connection:
        for end in ends(flavour, to):
            runner.run_up(flavour, connection, end)
    return OpenStore.open(place)


def ends(flavour: Flavour, to: str | None) -> Sequence[str]:
    """Return the revisions at which a new store is to stand: the engine's tables first, then holystone's own."""
    newest = {branch: f"{branch}@head" for branch in (flavour.structure.branch, TOOLKIT)}
    if to is not None:
        newest[runner.branch_of(flavour, to)] = to
    return list(newest.values())


def upgrade(store: OpenStore, to: str = NEWEST) -> Sequence[str]:
    """Bring holystone's own tables to the newest revision; return the revisions that were run, oldest first.

    Of two at once the second one waits and then finds nothing to do. An interrupted upgrade leaves nothing behind
    on SQLite, where all is one transaction; on PostgreSQL each revision is one, and the next upgrade goes on
    where this one stopped. With `to`, such as `store@head` or `s0011`, it goes that far in that branch.

    In the branch of the engine's tables that is from where the engine's own ledger says that they stand, whoever made
    the store; UnknownShapeError where they are none that a migration of the engine's leads to. Open the store anew
    after it.
    """
    branch = runner.branch_of(store.flavour, to)
    with _migrating(store) as connection:
        current = stands_at(store, connection, branch)
        pending = runner.path_up(current, to)
        if pending:
            is_marked = revision_of(store, connection, branch) == current
            _end_reading(store, connection)
            if current is not None and not is_marked:
                runner.mark(store.flavour, connection, current)
            runner.run_up(store.flavour, connection, to)
            store.columns = store.flavour.columns(connection)
            _restore(store, connection)
    return [script.revision for script in pending]


def upgrade_engine(store: OpenStore) -> tuple[OpenStore, list[str]]:
    """Bring the engine's tables to where the newest engine has them; return the store, opened anew, and what was run.

    That are revisions, or on PostgreSQL the engine's own migrations, which the installed engine runs. Raises as
    `upgrade`, and MigrationError where there is no engine that could.
    """
    structure, place = store.flavour.structure, store.flavour.target
    if structure.engine_completes is None:
        done = [*upgrade(store, f"{structure.branch}@head")]
        return OpenStore.open(place), done
    with store.unlocked_snapshot() as connection:
        require_known(store, recognise(store, connection))
    before = store.engine_migration
    if before == str(NEWEST_WRITES.postgresql):
        return store, []  # the newest Python package may be older than the provider, and would refuse the store
    by_engine.migrate(place)
    now = OpenStore.open(place)
    after = now.engine_migration
    return now, [] if after == before else [f"the engine's migrations up to {after}"]


def stands_at(store: OpenStore, connection: Connection, branch: str) -> str | None:
    """Return the revision that a store is at in a branch, None for none.

    In that of the engine's tables the engine's ledger says it. UnknownShapeError where they are none of a migration's.
    """
    if branch == TOOLKIT:
        return revision_of(store, connection)
    structure = store.flavour.structure
    entries = structure.ledger(connection)
    if entries is None and revision_of(store, connection, branch) is None and not _has_tables(store):
        return None  # all was taken back
    shape = recognise(store, connection)
    require_known(store, shape)
    return runner.revision_of_engine(structure.branch, entries[-1].version if entries else None)


def _has_tables(store: OpenStore) -> bool:
    return instances.name in store.columns


def restore(store: OpenStore) -> Sequence[str]:
    """Build holystone's indexes again that somebody removed, or whose building was interrupted; return their names.

    The engine may have removed one, by making its table anew in a migration of its own. `upgrade` does the same.
    """
    with _migrating(store) as connection:
        return _restore(store, connection)


def _restore(store: OpenStore, connection: Connection) -> Sequence[str]:
    order = list(REVISIONS)
    current = revision_of(store, connection)
    made = [REVISIONS[one] for one in order[: order.index(current) + 1]] if current in order else []
    lacking = missing(store.flavour.structure, connection, made)
    gone = [one.as_index for objects in made for one in objects.indexes if f"index {one.name}" in lacking]
    _end_reading(store, connection)
    if gone and not store.flavour.structure.one_transaction:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    for index in gone:
        store.flavour.structure.build_index(connection, index)
    return [str(index.name) for index in gone]


def path_of_downgrade(store: OpenStore, revision: str) -> Sequence[tuple[str, str]]:
    """Return the revisions that `downgrade` would take back, the newest first, each with what it is about."""
    branch = runner.branch_of(store.flavour, revision)
    with store.unlocked_snapshot() as connection:
        current = revision_of(store, connection, branch)
    path = runner.path_down(current, revision) if current else []
    return [(script.revision, script.doc) for script in path]


def downgrade(store: OpenStore, revision: str) -> Sequence[str]:
    """Take the revisions above `revision` back, such as `s0011`, or `toolkit@base` for all; return them, newest first.

    Raises MigrationError, which names them, where rows would be lost; then nothing has been taken back. Open the
    store anew after it.
    """
    from holystone.migrate.revision import refuse_data_loss

    branch = runner.branch_of(store.flavour, revision)
    with _migrating(store) as connection:
        current = revision_of(store, connection, branch)
        path = runner.path_down(current, revision) if current else []
        if path:
            refuse_data_loss(connection, [script.module.LOSES for script in path])
            _end_reading(store, connection)
            runner.run_down(store.flavour, connection, revision)
    return [script.revision for script in path]


@contextmanager
def _migrating(store: OpenStore) -> Iterator[Connection]:
    """Yield a connection for revisions, with `store.columns` as they are, and in the end as they have become."""
    flavour = store.flavour
    try:
        with flavour.structure.migration() as connection:
            store.columns = flavour.columns(connection)
            yield connection
            store.columns = flavour.columns(connection)
    except DBAPIError as error:
        raise flavour.translate_error(error) from error


def _end_reading(store: OpenStore, connection: Connection) -> None:
    """End the transaction in which the connection has read so far, where the revisions are to have their own."""
    if not store.flavour.structure.one_transaction:
        connection.commit()
