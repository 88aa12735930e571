"""Objects of a store, altered in its case: what SQLAlchemy has no word for."""

from __future__ import annotations

from holystone.demo.scribe import Scribe


def execute(scribe: Scribe, statement: str) -> None:
    """Run a statement whose names are looked up in the store's own schema."""
    if scribe.flavour.name == "postgresql":
        scribe.connection.exec_driver_sql("SELECT set_config('search_path', %s, true)", (scribe.flavour.target.schema,))
    scribe.connection.exec_driver_sql(statement)
