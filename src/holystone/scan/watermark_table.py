"""Watermarks in the store itself, in a table of holystone's own."""

import json

from sqlalchemy import Connection, delete, insert, select

import holystone
from holystone.scan.watermark import Coverage, Kept
from holystone.store.open_store import OpenStore
from holystone.store.toolkit import watermarks


class TableWatermarks:
    """They go where the store goes: a copy, or a store that was restored, has those of its own moment."""

    outside = False

    def __init__(self, store: OpenStore) -> None:
        self._store = store

    def last(self, connection: Connection, scope: str) -> Kept | None:
        """Return what was kept of these checks."""
        row = connection.execute(select(watermarks).where(watermarks.c.scope == scope)).one_or_none()
        if row is None:
            return None
        return Kept(json.loads(row.position), row.verified_at_ms, row.full_at_ms, row.version)

    def keep(self, coverage: Coverage) -> None:
        """Keep how far the store is verified; StoreUnavailableError where it cannot be written."""
        with self._store.transaction() as connection:
            connection.execute(delete(watermarks).where(watermarks.c.scope == coverage.scope))
            connection.execute(
                insert(watermarks).values(
                    scope=coverage.scope,
                    position=json.dumps(coverage.position),
                    verified_at_ms=coverage.begun_ms,
                    full_at_ms=coverage.full_at_ms,
                    version=holystone.__version__,
                )
            )
