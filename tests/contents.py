"""What a store holds, down to the type of each value: for proving that nothing else has changed."""

from __future__ import annotations

from conftest import EngineStore

Contents = dict[str, list[tuple[object, ...]]]


def contents(store: EngineStore) -> Contents:
    """Return the rows of each of the engine's tables, each value as an exact literal.

    Neither holystone's own are among them, nor SQLite's, which counts the row ids that it has ever given out.
    """
    return {table: rows(store, table) for table in tables(store) if not table.startswith(("holystone_", "sqlite_"))}


def tables(store: EngineStore) -> list[str]:
    """Return the names of all tables in the store's schema."""
    if store.flavour == "sqlite":
        found = store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    else:
        found = store.execute("SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY tablename", store.schema)
    return [str(name) for (name,) in found]


def rows(store: EngineStore, table: str) -> list[tuple[object, ...]]:
    """Return a table's rows in an order of their own."""
    if store.flavour == "sqlite":
        columns = [str(name) for (name,) in store.execute("SELECT name FROM pragma_table_info(?)", table)]
        literals = ", ".join(f'quote("{column}")' for column in columns)
        return sorted(store.execute(f'SELECT {literals} FROM "{table}"'))
    return sorted(store.execute(f'SELECT t::text FROM "{table}" AS t'))
