"""The two flavours of a store. Nothing outside this package names a dialect."""

from holystone.store.flavours.base import Flavour
from holystone.store.target import Target

__all__ = ["Flavour", "flavour_of"]


def flavour_of(target: Target) -> Flavour:
    """Return the flavour that reads and writes `target`; imports only that one and its driver."""
    if target.flavour == "sqlite":
        from holystone.store.flavours.sqlite import SQLite

        return SQLite(target)
    from holystone.store.flavours.postgresql import PostgreSQL

    return PostgreSQL(target)
