"""Adopting a store that the engine made: recognise it, add holystone's own objects, and record what it was."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

import holystone
from holystone.clock import now_ms
from holystone.store.open_store import OpenStore
from holystone.store.shape import Shape, recognise, require_known
from holystone.store.toolkit import adoptions


class Adoption(Struct, frozen=True):
    """The record of an adoption; `shape` is the name of what the store was then."""

    shape: str
    engine_migration: str | None
    version: str
    adopted_at_ms: int


class Adopted(Struct, frozen=True):
    """What `adopt` did: the revisions that it ran, and whether it recorded anything new."""

    shape: Shape
    revisions: Sequence[str]
    is_new: bool


def adopt(store: OpenStore) -> Adopted:
    """Add holystone's own objects to a store whose shape is known, and record the shape; UnknownShapeError else.

    None of the engine's tables is touched. Once more it changes nothing, and records the shape only where the
    engine has migrated the store meanwhile.
    """
    from holystone.migrate.change import upgrade

    with store.unlocked_snapshot() as connection:
        require_known(store, recognise(store, connection))
    revisions = upgrade(store)
    try:
        with store.flavour.structure.migration() as connection:
            shape = recognise(store, connection)
            require_known(store, shape)
            migration = store.flavour.engine_migration(connection, store.columns)
            last = last_adoption(store, connection)
            is_new = last is None or (last.shape, last.engine_migration) != (shape.name, migration)
            if is_new:
                next_number = select(func.coalesce(func.max(adoptions.c.number), 0) + 1).scalar_subquery()
                connection.execute(
                    insert(adoptions).values(
                        number=next_number,
                        shape=shape.name,
                        engine_migration=migration,
                        version=holystone.__version__,
                        adopted_at_ms=now_ms(),
                    )
                )
            if not store.flavour.structure.one_transaction:
                connection.commit()
    except DBAPIError as error:
        raise store.flavour.translate_error(error) from error
    return Adopted(shape, revisions, is_new)


def last_adoption(store: OpenStore, connection: Connection) -> Adoption | None:
    """Return the record of the latest adoption, None where the store was never adopted."""
    if adoptions.name not in store.columns:
        return None
    columns = (adoptions.c[name] for name in ("shape", "engine_migration", "version", "adopted_at_ms"))
    row = connection.execute(select(*columns).order_by(adoptions.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else Adoption(*row)
