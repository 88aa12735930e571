"""Which versions of the engine a store has met, told from its columns, its ledger and its executions."""

from collections.abc import Collection
from functools import cache

from sqlalchemy import literal, or_, select, tuple_

from holystone.duroxide.engine_version import EngineVersion
from holystone.duroxide.releases import LAST_REMOVAL, NEWEST, RELEASES
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history
from holystone.scan.event_text import event_text
from holystone.scan.reader import Reader

_FIRST_TOLD = next(release.first for release in RELEASES if release.first >= LAST_REMOVAL and release.columns)
_UNTOLD = tuple(
    version for release in RELEASES if LAST_REMOVAL <= release.first < _FIRST_TOLD for version in release.versions
)
"""The versions that can read none of what was removed, and have added no column by which they could be told."""


def is_upgraded(reader: Reader) -> bool:
    """Return whether an engine that knows none of the kinds that were removed has migrated the store."""
    return has_met(reader, LAST_REMOVAL) or reader.once("an upgrade", lambda: _is_written_by(reader, _UNTOLD))


def _is_written_by(reader: Reader, versions: Collection[str]) -> bool:
    """Return whether an event names one of these versions; all are looked at where none does."""
    named = [
        reader.flavour.messages.contains(history.c.event_data, literal(f'"duroxide_version":"{one}"'))
        for one in versions
    ]
    found = select(history.c.instance_id).where(or_(*named)).limit(1)
    return reader.connection.execute(found).first() is not None


def has_met(reader: Reader, version: EngineVersion) -> bool:
    """Return whether an engine of this version, or a later one, has migrated the store, as far as columns tell."""
    columns = reader.store.columns
    return any(name in columns.get(table, ()) for table, name in _columns_since(version))


@cache
def _columns_since(version: EngineVersion) -> Collection[tuple[str, str]]:
    """Return the columns that this version and later ones have added, each with its table."""
    columns = (column for release in RELEASES if release.first >= version for column in release.columns)
    return [(table, name) for table, _, name in (column.partition(".") for column in columns)]


def has_met_newer(reader: Reader) -> bool:
    """Return whether an engine has used the store that is newer than all that are known here."""
    return reader.once("a newer engine", lambda: _has_newer_ledger(reader) or _has_newer_execution(reader))


def _has_newer_ledger(reader: Reader) -> bool:
    structure = reader.flavour.structure
    entries = structure.ledger(reader.connection)
    return entries is not None and len(entries) > 0 and entries[-1].version > structure.lineage.versions[-1]


def _has_newer_execution(reader: Reader) -> bool:
    """Return whether both an execution's row and its start event name such a version: either may have been altered."""
    if VERSION_COLUMNS[0] not in reader.store.columns[executions.name]:
        return False
    parts = [executions.c[f"duroxide_version_{part}"] for part in ("major", "minor", "patch")]
    major, minor, patch = map(reader.flavour.messages.digits, parts)
    named = literal('"duroxide_version":"').concat(major).concat(".").concat(minor).concat(".").concat(patch)
    start = event_text(executions.c.instance_id, executions.c.execution_id, 1)
    newer = tuple_(*parts) > tuple_(*NEWEST)
    found = select(executions.c.instance_id).where(newer, reader.flavour.messages.contains(start, named)).limit(1)
    return reader.connection.execute(found).first() is not None
