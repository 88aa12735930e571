"""The rows of kv_store and kv_delta as they are, and as events say that they should be."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Table, select

from holystone.duroxide.event_types import TERMINAL
from holystone.duroxide.kv import Entry, written
from holystone.duroxide.tables import kv_delta, kv_store, kv_store_execution_id
from holystone.flavours import Flavour
from holystone.scan.reader import EventRow, Reader
from holystone.scan.relations.decode import read_events

Columns = Mapping[str, Any]
"""The columns of a row, less its key."""


class Mismatch(Struct, frozen=True):
    """A row that is not as it should be: its columns as they are, and as they should be; None where there is no row."""

    table: str
    key: Any
    row: Columns | None
    wanted: Columns | None


def rows_of(reader: Reader, table: Table, instance_id: str, key: Any = None) -> dict[Any, Columns]:
    """Return the rows of an instance in one of the two tables, by key; of one key alone where it is given."""
    if not reader.flavour.has_table(table):
        return {}
    table = _as_it_is(reader, table)
    wanted = select(*(column for column in stored(reader.flavour, table) if column.name != "instance_id"))
    wanted = wanted.where(table.c.instance_id == instance_id)
    if key is not None:
        wanted = wanted.where(table.c.key == key)
    rows = [dict(row) for row in reader.connection.execute(wanted).mappings()]
    return {row.pop("key"): row for row in rows}


def mismatches(
    reader: Reader,
    table: Table,
    rows: Mapping[Any, Columns],
    entries: Mapping[Any, Entry],
    written_by: Mapping[Any, int],
) -> list[Mismatch]:
    """Return the rows that differ from the entries, by key; `written_by` is the execution that wrote a key last."""
    found = []
    for key in sorted({*rows, *entries}, key=repr):
        row, entry = rows.get(key), entries.get(key)
        if agrees(row, entry):
            continue
        wanted = None if entry is None else {"value": entry.value, "last_updated_at_ms": entry.updated_at_ms}
        if wanted is not None and not reader.flavour.has(table.c.last_updated_at_ms):
            del wanted["last_updated_at_ms"]
        if wanted is not None and "execution_id" in _as_it_is(reader, table).c:
            wanted["execution_id"] = written_by[key]
        found.append(Mismatch(table.name, key, row, wanted))
    return found


def agrees(row: Columns | None, entry: Entry | None) -> bool:
    """Return whether a row is what was written; of what was cleared no event tells the time that the engine took."""
    if row is None or entry is None:
        return row is None and entry is None
    same_time = entry.value is None or row.get("last_updated_at_ms", entry.updated_at_ms) == entry.updated_at_ms
    return bool(row["value"] == entry.value) and same_time


def stored(flavour: Flavour, table: Table) -> list[Any]:
    """Return the columns of one of the two tables, less the time where a store of 0.1.24 keeps none."""
    return [column for column in table.c if flavour.has(column)]


def leftover(reader: Reader, instance_id: str, execution_id: int) -> tuple[bool, bool]:
    """Return whether the execution has ended, and whether all of kv_delta is what it wrote, and so is to be merged."""
    rows = reader.history(instance_id, execution_id)
    events = read_events(rows)
    if not _has_ended(rows) or events is None:
        return _has_ended(rows), False
    wrote = written(events)
    for key, row in rows_of(reader, kv_delta, instance_id).items():
        entry = wrote.entries.get(key)
        if entry is None and wrote.all_cleared_at_ms is not None:
            entry = Entry(None, wrote.all_cleared_at_ms)
        if entry is None or not agrees(row, entry):
            return True, False
    return True, True


def _has_ended(rows: Sequence[EventRow]) -> bool:
    """Return whether an event ends the execution; where one cannot be read, only the last one tells."""
    if any(row.type is None for row in rows):
        return rows[-1].type in TERMINAL
    return any(row.type in TERMINAL for row in rows)


def _as_it_is(reader: Reader, table: Table) -> Table:
    """Return the table with the column that kv_store has kept in some stores."""
    kept = table is kv_store and "execution_id" in reader.store.columns[table.name]
    return kv_store_execution_id if kept else table
