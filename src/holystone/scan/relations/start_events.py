"""Start facts: an instance beside the event that began its current execution, of which its row is a copy."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, func, literal, not_, or_, select

from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import CONTINUED_AS_NEW, START, TERMINAL
from holystone.duroxide.tables import instances
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.digest import digest_of
from holystone.scan.event_text import event_text
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.parents import parent_of

_COPIED = {"orchestration_name": "name", "orchestration_version": "version"}
"""Column of instances -> the field of the start event that the ack of a first turn writes there."""
NAMES_A_PARENT = '"parent_instance":"'
"""What stands in a start event that names a parent."""
PARENT_IN_SQL = {
    "sqlite": "CASE WHEN json_valid(h.event_data) THEN json_extract(h.event_data, '$.parent_instance') END",
    "postgresql": """substring(h.event_data from '"parent_instance":"([^"]*)"')""",
}
"""Flavour -> the parent that the start event `h` names, for the SQL to paste."""


class StartSource:
    """The instances, each with the first event of its current execution; NULL where there is none."""

    def __init__(self, flavour: Flavour, rows: FromClause) -> None:
        self.flavour = flavour
        self.rows = rows
        self._instance = rows.c
        self.key = (rows.c.instance_id,)

    @property
    def name_surely_agrees(self) -> ColumnElement[bool]:
        """Name and version stand in the event one after the other, as the engine writes them."""
        name, version = (self._quoted(self._instance[column]) for column in _COPIED)
        return self._says(literal('"name":').concat(name).concat(',"version":').concat(version))

    @property
    def parent_surely_agrees(self) -> ColumnElement[bool]:
        """The event names the row's parent, or none like the row and like the event that began the whole chain."""
        parent = self._parent
        return and_(
            self._says(literal('"parent_instance":').concat(self._quoted(parent))),
            or_(parent.is_not(None), self._instance.current_execution_id == 1, not_(self._chain_began_as_child)),
        )

    @property
    def is_root(self) -> ColumnElement[bool]:
        """The row names no parent."""
        return self._parent.is_(None)

    @property
    def began_as_child(self) -> ColumnElement[bool]:
        """The event names a parent, or the one that began the whole chain does."""
        later = self._instance.current_execution_id > 1
        return or_(self._says(literal(NAMES_A_PARENT)), and_(later, self._chain_began_as_child))

    @property
    def _chain_began_as_child(self) -> ColumnElement[bool]:
        first = _start(self._instance.instance_id, literal(1))
        return self.flavour.messages.contains(first, literal(NAMES_A_PARENT))

    @property
    def parent_is_no_instance(self) -> ColumnElement[bool]:
        """The row names a parent that is not there."""
        parent = instances.alias("parent").c
        known = exists_lookup(parent.instance_id == self._parent)
        return and_(self._parent.is_not(None), not_(known))

    @property
    def _parent(self) -> ColumnElement[str]:
        self.flavour.required(instances.c.parent_instance_id)
        return self._instance.parent_instance_id

    def _quoted(self, value: ColumnElement[str]) -> ColumnElement[str]:
        return func.coalesce(self.flavour.messages.quoted(value), "null")

    def _says(self, text: ColumnElement[str]) -> ColumnElement[bool]:
        return self.flavour.messages.contains(self._instance.start_data, text)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._instance)


def _start(instance_id: ColumnElement[str], execution_id: ColumnElement[int]) -> ColumnElement[str]:
    """Return the text of the event that began an execution."""
    return event_text(instance_id, execution_id, 1)


class StartFacts(Struct, frozen=True):
    """One instance: its row, and what the row should hold as far as events tell.

    Where its parent is deleted, `ended` is whether it has come to its own end, so that it answers to nobody any more;
    where it has not, `answers_to` is told, the parent that it names.
    """

    row: Mapping[str, Any]
    told: Mapping[str, Any]
    parent_deleted: bool
    start_digest: str
    ended: bool = False

    @property
    def key(self) -> Key:
        return {"instance_id": self.row["instance_id"]}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"start_event_sha256": self.start_digest}

    @property
    def orchestration_name(self) -> Compared[Any]:
        return self._told("orchestration_name")

    @property
    def orchestration_version(self) -> Compared[Any]:
        return self._told("orchestration_version")

    @property
    def parent_instance_id(self) -> Compared[Any]:
        return self._told("parent_instance_id")

    @property
    def answers_to(self) -> Compared[Any]:
        """The parent that the instance answers to: nobody."""
        return self._told("answers_to")

    def _told(self, name: str) -> Compared[Any]:
        return Compared(name, self.row.get(name), self.told.get(name), decided=name in self.told)


class StartEvents(Relation[StartSource, StartFacts]):
    name = "start_events"
    table = instances

    def source(self, flavour: Flavour, within: Conditions) -> StartSource:
        columns = ("instance_id", "current_execution_id", *_COPIED, "parent_instance_id")
        stored = {column.name: column for column in flavour.columns_of(instances)}
        start_data = _start(instances.c.instance_id, instances.c.current_execution_id).label("start_data")
        # In the order of the ids, in which the index of history lies: each of its pages is read once.
        rows = select(*(stored[name] for name in columns), start_data).where(*within)
        return StartSource(flavour, rows.order_by(instances.c.instance_id).offset(0).subquery("instance"))

    def facts(self, reader: Reader, row: Any) -> StartFacts:
        digest = digest_of(row.start_data)
        start = parse_event(row.start_data)
        if start is None or start["type"] != START:
            return StartFacts(row._mapping, {}, parent_deleted=False, start_digest=digest)
        told = {column: start[field] for column, field in _COPIED.items()}
        parent = parent_of(reader, row.instance_id, row.current_execution_id, start)
        if parent.decided and reader.flavour.has(instances.c.parent_instance_id):
            told["parent_instance_id"] = parent.to_name
        ended = parent.deleted and _has_ended(reader, row)
        if parent.deleted and not ended:
            told["answers_to"] = parent.named
        return StartFacts(row._mapping, told, parent_deleted=parent.deleted, start_digest=digest, ended=ended)


def _has_ended(reader: Reader, row: Any) -> bool:
    """Return whether the current execution has ended, and not continued as new."""
    ends = [event.type for event in reader.history(row.instance_id, row.current_execution_id)]
    last = next((type for type in reversed(ends) if type in TERMINAL), None)
    return last is not None and TERMINAL[last] != CONTINUED_AS_NEW


START_EVENTS = StartEvents()
