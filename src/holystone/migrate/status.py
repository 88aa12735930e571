"""Where the schema of a store stands."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from holystone.errors import MigrationError
from holystone.migrate import runner
from holystone.migrate.adopt import Adoption, last_adoption
from holystone.migrate.engines import Engines, engines
from holystone.store.open_store import OpenStore
from holystone.store.shape import Shape, recognise
from holystone.store.toolkit import TOOLKIT, revision_of, state, versions


class Revision(Struct, frozen=True):
    """A revision of holystone's own tables: what it does in a sentence, and whether the store has it."""

    id: str
    description: str
    state: Literal["applied", "pending"]


class Status(Struct, frozen=True):
    """Where a store's schema stands.

    `revisions` are all of the toolkit's, oldest first; `store_revision` is the one of the engine's tables, None where
    the engine has made them; `pending` are the toolkit's revisions that the store lacks, oldest first, and `due` those
    of them that should be run: none where nobody has upgraded or adopted the store; `lacking` are objects of the others
    that are gone.
    """

    engine_migration: str | None
    store_revision: str | None
    toolkit_revision: str | None
    revisions: Sequence[Revision]
    pending: Sequence[str]
    due: Sequence[str]
    lacking: Sequence[str]
    shape: Shape
    adoption: Adoption | None
    engines: Engines


def toolkit_revision(store: OpenStore) -> str | None:
    """Return the revision of holystone's tables in the store, None where there are none."""
    if versions.name not in store.columns:
        return None  # to connect costs a check of a small store more than many a statement of its own
    with store.unlocked_snapshot() as connection:
        return revision_of(store, connection)


def status(store: OpenStore) -> Status:
    """Return where the store stands; reads only. MigrationError where a newer version of holystone upgraded it."""
    with store.unlocked_snapshot() as connection:
        toolkit = state(store, connection)
        if toolkit.is_newer:
            raise MigrationError(
                f"The store's revision {toolkit.revision} is none that this version of holystone knows.",
                "Use the version of holystone that upgraded the store, or a newer one.",
            )
        return Status(
            store.engine_migration,
            revision_of(store, connection, store.flavour.structure.branch),
            toolkit.revision,
            _revisions(toolkit.pending),
            toolkit.pending,
            toolkit.due,
            toolkit.lacking,
            recognise(store, connection),
            last_adoption(store, connection),
            engines(store, connection),
        )


def _revisions(pending: Sequence[str]) -> list[Revision]:
    return [
        Revision(script.revision, script.doc, "pending" if script.revision in pending else "applied")
        for script in runner.path_up(None, f"{TOOLKIT}@head")
    ]
