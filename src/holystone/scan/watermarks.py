"""Where the watermarks of a store are kept."""

from holystone.scan.watermark import Watermarks
from holystone.scan.watermark_file import FileWatermarks
from holystone.scan.watermark_table import TableWatermarks
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import watermarks


def watermarks_of(store: OpenStore) -> Watermarks:
    """Return those in the store where it has a table for them that this user may write to, else those in a file."""
    if watermarks.name in store.columns:
        with store.unlocked_snapshot() as connection:
            if store.flavour.may_write(connection, watermarks):
                return TableWatermarks(store)
    return FileWatermarks(store)
