"""Key-value facts: the rows of kv_store and kv_delta, and whose they are.

The rules of the engine are in `holystone.duroxide.kv`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, FromClause, Table, and_, not_, or_, select

from holystone.duroxide.event_types import RUNNING
from holystone.duroxide.kv import Entry
from holystone.duroxide.tables import (
    executions,
    history,
    instances,
    kv_delta,
    kv_store,
    orchestrator_queue,
    worker_queue,
)
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.event_text import last_event_ends
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.kv_diff import Mismatch, leftover, mismatches, rows_of
from holystone.scan.row_facts import RowFacts


class KeySource:
    """The rows of kv_store or kv_delta, each with the current execution of its instance."""

    def __init__(self, flavour: Flavour, table: Table, within: Conditions) -> None:
        self.flavour = flavour
        row = select(*flavour.columns_of(table)).where(*within).subquery("row")
        self._row = row.c
        self._instance = instances.alias("instance").c
        self._execution = executions.alias("execution").c
        current = and_(
            self._execution.instance_id == self._instance.instance_id,
            self._execution.execution_id == self._instance.current_execution_id,
        )
        self.rows: FromClause = row.outerjoin(
            self._instance.instance_id.table, self._instance.instance_id == self._row.instance_id
        ).outerjoin(self._execution.instance_id.table, current)
        self.key = (self._row.instance_id, self._row.key)

    @property
    def undecodable(self) -> ColumnElement[bool]:
        """A column holds what the engine cannot decode; kv_delta has no value where the key was cleared."""
        texts = (self._row.key, self._row.value)
        odd = [(column, not_(self.flavour.is_text(column))) for column in texts]
        odd.append((self._row.last_updated_at_ms, not_(self.flavour.is_integer(self._row.last_updated_at_ms))))
        return or_(*(and_(column.is_not(None), condition) for column, condition in odd))

    @property
    def instance_absent(self) -> ColumnElement[bool]:
        return self._instance.instance_id.is_(None)

    @property
    def ended(self) -> ColumnElement[bool]:
        """The current execution has ended, by its status or at the first sight of its last event."""
        ends = last_event_ends(self.flavour, self._instance.instance_id, self._instance.current_execution_id)
        return or_(self._execution.status != RUNNING, ends)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [
            *self.key,
            self._row.value,
            self._row.last_updated_at_ms,
            self._instance.current_execution_id,
            self.ended.label("ended"),
        ]


COLUMNS = {"key": "text", "value": "text", "last_updated_at_ms": "integer"}
"""Column -> the storage class in which the engine decodes it, in SQLite's own words."""
_CLASSES = {str: "text", int: "integer", float: "real", bytes: "blob"}


class KeyFacts(RowFacts, frozen=True):
    """One row of kv_store or kv_delta.

    `classes` are the storage classes of its columns, NULL left out. `alone` is whether nothing but such rows is left of
    its instance. `leftover` is whether it is in kv_delta though the current execution has ended; `merging` are the
    rows of kv_store that its merging changes, None where the history does not bear it out.
    """

    instance_id: str
    name: str
    classes: Mapping[str, str]
    instance_absent: bool
    alone: bool
    leftover: bool
    merging: Sequence[Mismatch] | None

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id, "key": self.name}

    @property
    def wrong(self) -> Sequence[Compared[str]]:
        """The columns that the engine cannot decode: their storage class, and the one in which it could."""
        compared = (Compared(name, found, COLUMNS[name]) for name, found in self.classes.items())
        return [one for one in compared if one.differs]

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", not self.instance_absent)

    @property
    def change(self) -> Compared[str]:
        """What became of a change that an execution made."""
        return Compared("change", "left over" if self.leftover else "merged", "merged")


class KeyRows(Relation[KeySource, KeyFacts]):
    """The rows of kv_store or of kv_delta."""

    rows_are_of_table = True

    def source(self, flavour: Flavour, within: Conditions) -> KeySource:
        return KeySource(flavour, self.table, within)

    def facts(self, reader: Reader, row: Any) -> KeyFacts:
        absent = row.current_execution_id is None
        ended, merging = False, None
        if self.table is kv_delta and row.ended and not absent:
            ended, merging = _merging(reader, row)
        return KeyFacts(
            instance_id=row.instance_id,
            name=row.key,
            classes={name: _CLASSES[type(value)] for name in COLUMNS if (value := getattr(row, name)) is not None},
            instance_absent=absent,
            alone=absent and reader.once(("alone", row.instance_id), lambda: _is_alone(reader, row.instance_id)),
            leftover=ended,
            merging=merging,
        )


class StoredKeys(KeyRows):
    name = "stored_keys"
    table = kv_store
    needs: ClassVar = {"kv_store": ("key",)}


class ChangedKeys(KeyRows):
    name = "changed_keys"
    table = kv_delta
    needs: ClassVar = {"kv_delta": ("key",)}


def _is_alone(reader: Reader, instance_id: str) -> bool:
    others = (executions, history, orchestrator_queue, worker_queue)
    traces = or_(*(exists_lookup(table.c.instance_id == instance_id) for table in others))
    return not reader.connection.execute(select(traces)).scalar_one()


def _merging(reader: Reader, row: Any) -> tuple[bool, Sequence[Mismatch] | None]:
    """Return whether the execution has ended, and the rows of kv_store that the merging of this one changes."""
    of_execution = (row.instance_id, row.current_execution_id)
    ended, should_be_merged = reader.once(("leftover", *of_execution), lambda: leftover(reader, *of_execution))
    if not should_be_merged:
        return ended, None
    stored = rows_of(reader, kv_store, row.instance_id, row.key)
    entries = {} if row.value is None else {row.key: Entry(row.value, row.last_updated_at_ms)}
    return True, mismatches(reader, kv_store, stored, entries, {row.key: row.current_execution_id})


STORED_KEYS = StoredKeys()
CHANGED_KEYS = ChangedKeys()
