"""Whether the database itself shows the same rows by its indexes as in its tables.

An index that lacks entries, or has some of rows that are gone, hides rows from every statement that goes by it: so what
a history seems to say proves nothing, and a constraint holds nothing back.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from holystone.store.open_store import OpenStore


def unsound(store: OpenStore, connection: Connection, instance_ids: Sequence[str]) -> list[str]:
    """Return what is wrong with the database, one sentence each that ends in what to do; empty where nothing is.

    The rows of these instances are read by each index and beside all of them, in one transaction, and compared. It
    reads each of the engine's tables in full, once.
    """
    return store.flavour.lying_indexes(connection, store.columns, instance_ids) if instance_ids else []
