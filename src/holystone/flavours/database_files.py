"""Which files belong to a database of either flavour, and so are nobody's to write to."""

from pathlib import Path

from holystone.flavours.sqlite.file import is_of_database

_IN_DATA_DIRECTORY = "PG_VERSION"
"""The file that stands at the top of each data directory of a PostgreSQL server."""


def belongs_to_database(path: Path) -> bool:
    """Return whether a file, named without links, is a database, a part of one, or a device that may hold one."""
    in_data_directory = any((folder / _IN_DATA_DIRECTORY).exists() for folder in path.parents)
    return in_data_directory or path.is_block_device() or is_of_database(path)
