"""The SQL of an upgrade, for people who run it by hand."""

from io import StringIO

from sqlalchemy import MetaData, Table
from sqlalchemy.schema import DropTable

from holystone.errors import MigrationError
from holystone.flavours import flavour_of
from holystone.flavours.target import Target
from holystone.migrate import runner
from holystone.migrate.change import NEWEST, ends
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import TOOLKIT, revision_of, versions


def script(place: Target, to: str | None = None) -> str:
    """Return the statements that `upgrade` would run on the store, or `create` where there is none; runs none.

    It is empty where there is nothing to do. It goes into sqlite3 or psql as it is, one transaction after the
    other, and names the schema wherever it names a table. MigrationError where that name would drive a terminal.
    """
    if place.schema is not None and not place.schema.isprintable():
        raise MigrationError(
            "The name of the schema holds control characters, which a script would send to the terminal.",
            "Let holystone migrate upgrade run the statements itself.",
        )
    if flavour_of(place).structure.is_vacant():
        return _of_creation(place, to)
    return _of_upgrade(OpenStore.open(place, read_only=True), to or NEWEST)


def _of_creation(place: Target, to: str | None) -> str:
    flavour = flavour_of(place)
    out = StringIO()
    out.write(f"{flavour.structure.before_creation}\n\n")
    current: str | None = None
    for end in ends(flavour, to):
        if path := runner.path_up(None, end):
            runner.write_up(flavour, out, current, end, one_transaction=True)
            current = path[-1].revision
    return out.getvalue()


def _of_upgrade(store: OpenStore, to: str) -> str:
    branches = {TOOLKIT, store.flavour.structure.branch}
    branch = runner.branch_of(store.flavour, to)
    with store.unlocked_snapshot() as connection:
        revisions = {one: revision_of(store, connection, one) for one in branches}
        path = runner.path_up(revisions[branch], to)
        for one in path:
            if refuse := getattr(one.module, "refuse_sql", None):
                refuse(store, connection)
    if not path:
        return ""
    if branch != TOOLKIT and str(path[0].module.ENGINE.follows) != store.engine_migration:
        raise MigrationError(
            f"The engine has made {store.target} itself, or migrated it, up to its migration {store.engine_migration}.",
            "Leave the engine's tables to the engine.",
        )
    out = StringIO()
    if versions.name in store.columns and not any(revisions.values()):
        # All revisions were taken back; Alembic would make its empty table once more.
        empty = Table(versions.name, MetaData(), schema=store.target.schema)
        out.write(f"{str(DropTable(empty).compile(dialect=store.flavour.dialect())).strip()};\n\n")
    # Where the branch has no revision yet, that of the other one tells Alembic that its table is there.
    current = revisions[branch] or next(filter(None, revisions.values()), None)
    runner.write_up(store.flavour, out, current, to, one_transaction=store.flavour.structure.one_transaction)
    return out.getvalue()
