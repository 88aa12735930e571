"""The two flavours of a store. Nothing outside this package names a dialect."""

from holystone.flavours.flavour import Flavour
from holystone.flavours.target import Target

__all__ = ["Flavour", "flavour_of"]


def flavour_of(target: Target) -> Flavour:
    """Return the flavour that reads and writes `target`; imports only that one and its driver."""
    if target.flavour == "sqlite":
        from holystone.flavours.sqlite.flavour import SQLite

        return SQLite(target)
    from holystone.flavours.postgresql.flavour import PostgreSQL

    return PostgreSQL(target)
