"""Which versions of the engine a store has met, told from its columns."""

from holystone.scan.reader import Reader
from holystone.store.tables import executions


def is_upgraded(reader: Reader) -> bool:
    """Return whether an engine from 0.1.17 on has migrated the store: each kind that was removed had gone by then."""
    return "duroxide_version_major" in reader.store.columns[executions.name]
