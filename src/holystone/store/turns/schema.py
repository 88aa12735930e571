"""What a store must have for turns, beyond what makes it a store: it came with later versions of the engine."""

from holystone.duroxide.tables import metadata
from holystone.errors import SchemaTooOldError
from holystone.store.store import Store


def require(store: Store) -> None:
    """Raise SchemaTooOldError where the store lacks a table or a column that turns are written to."""
    lacking = [name for name in metadata.tables if name not in store.columns]
    for name in metadata.tables.keys() & store.columns.keys():
        lacking += [
            f"{name}.{column.name}"
            for column in metadata.tables[name].columns
            if column.name not in store.columns[name]
        ]
    if lacking:
        raise SchemaTooOldError(
            f"{store.target} was made by an older engine: it lacks {', '.join(sorted(lacking))}, which turns need.",
            store.flavour.structure.how_to_complete,
        )
