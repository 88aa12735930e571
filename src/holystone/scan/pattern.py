"""Whether a pattern of instances is of any that there is."""

from sqlalchemy import select

from holystone.duroxide.tables import OF_INSTANCES
from holystone.pg_durable import tables as df
from holystone.store.open_store import OpenStore


def is_any_matched(store: OpenStore, pattern: str) -> bool:
    """Return whether any row of the store is of an instance whose id matches."""
    columns = [table.c.instance_id for table in OF_INSTANCES]
    with store.snapshot() as connection:
        return any(
            connection.execute(select(column).where(store.flavour.matches_glob(column, pattern)).limit(1)).first()
            for column in [*columns, df.instances.c.id]
            if column.name in store.columns.get(column.table.fullname, ())
        )
