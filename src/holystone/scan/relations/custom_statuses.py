"""Custom status facts: the status that an instance shows, and the last one that its events set."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Text, and_, case, cast, func, literal, not_, select

from holystone.duroxide.event_types import EVENT_TYPES, START
from holystone.duroxide.release import Rule
from holystone.duroxide.releases import keeps
from holystone.duroxide.tables import history, instances
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import event_text
from holystone.scan.long_texts import is_very_long, unless_very_long
from holystone.scan.pushdown import restrict_to_instances
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.status_updates import UPDATED, status_updates


class StatusSource:
    """The instances, each with the last event of its current execution that set the custom status.

    Few executions set one, and no index finds the events that do. So all events are gone through in the order in
    which they lie, once, and not execution by execution.
    """

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        event = history.alias("event").c
        # On SQLite the copy of the type is quicker to test than the event; where it is wrong, the facts tell.
        is_update = and_(
            event.event_type == flavour.event_type_column(UPDATED), flavour.event_says_type(event.event_data, UPDATED)
        )
        # Grouped by an expression, so that SQLite does not go by the index, and from row to row all over the file.
        key = (cast(event.instance_id, Text).label("instance_id"), event.execution_id)
        updates = select(*key, func.max(event.event_id).label("event_id")).where(is_update).group_by(*key)
        updates = updates.where(*restrict_to_instances(event.instance_id, instances.c.instance_id, within))
        last = updates.subquery("last_update")
        row = instances.c
        shown = unless_very_long(flavour, row.custom_status).label("custom_status")
        is_long = is_very_long(flavour, row.custom_status).label("is_very_long")
        instance = (
            select(row.instance_id, row.current_execution_id, row.custom_status_version, shown, is_long)
            .where(*within)
            .offset(0)
            .subquery("instance")
        )
        of_current = and_(
            last.c.instance_id == instance.c.instance_id, last.c.execution_id == instance.c.current_execution_id
        )
        self.rows: FromClause = instance.outerjoin(last, of_current)
        self._instance = instance.c
        self._last_update = last.c.event_id
        self.key = (instance.c.instance_id,)

    @property
    def surely_agrees(self) -> ColumnElement[bool]:
        """The custom status is what the last update set, or what the execution began with where there was none."""
        shown, says = self._instance.custom_status, self.flavour.messages.contains
        quoted = self.flavour.messages.quoted(shown)
        set_to = literal('"status":').concat(func.coalesce(quoted, "null")).concat("}")
        carried = literal('"initial_custom_status":')
        return case(
            # Each place that reads a very long one would hold a copy: the facts read it once.
            (self._instance.is_very_long, False),
            (self._last_update.is_not(None), says(self._event(self._last_update), set_to)),
            (self._instance.current_execution_id == 1, shown.is_(None)),
            (shown.is_(None), not_(says(self._event(1), carried))),
            else_=says(self._event(1), carried.concat(func.coalesce(quoted, "null"))),
        )

    def _event(self, event_id: Any) -> ColumnElement[str]:
        """Return the text of an event of the current execution."""
        return event_text(self._instance.instance_id, self._instance.current_execution_id, event_id)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self._instance)


class StatusFacts(Struct, frozen=True):
    """One instance: its custom status as far as its events tell, and the version with which clients see that."""

    instance_id: str
    custom_status: Compared[str | None]
    custom_status_version: Compared[Any]
    last_event_id: int | None

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"last_event_id": self.last_event_id}


class CustomStatuses(Relation[StatusSource, StatusFacts]):
    name = "custom_statuses"
    table = instances
    needs: ClassVar[Mapping[str, Collection[str]]] = {"instances": ("custom_status", "custom_status_version")}

    def source(self, flavour: Flavour, within: Conditions) -> StatusSource:
        return StatusSource(flavour, within)

    def key_ranges(self, reader: Reader, within: Conditions, rows_per_range: int) -> Iterator[Conditions]:
        """Yield one range: to cut the instances would mean to go through all events for each piece."""
        yield []

    def facts(self, reader: Reader, row: Any) -> StatusFacts:
        rows = reader.history(row.instance_id, row.current_execution_id)
        known, told = _told(reader, row.instance_id, row.current_execution_id)
        last_event_id = rows[-1].event_id if rows else None
        shown = row.custom_status
        if row.is_very_long:
            alone = select(instances.c.custom_status).where(instances.c.instance_id == row.instance_id)
            shown = reader.long_text(alone)
        version = row.custom_status_version
        unseen = known and told is not None and version == 0
        told_version = max(1, status_updates(reader, row.instance_id).count) if unseen else None
        return StatusFacts(
            row.instance_id,
            Compared("custom_status", shown, told, decided=known),
            Compared("custom_status_version", version, told_version, decided=unseen),
            last_event_id,
        )


def _told(reader: Reader, instance_id: str, execution_id: int) -> tuple[bool, str | None]:
    """Return whether events tell the status at the end of an execution, and the status.

    The row keeps it from one execution to the next. The engine writes it into the next start event too, but not
    where it fails an execution that it could not begin: where it is not there, the execution before is asked. One
    version of the engine wrote no event at all: what comes after its events tells, and they do not.
    """
    if not isinstance(execution_id, int):  # SQLite keeps anything in any column
        return False, None
    for execution in range(execution_id, 0, -1):
        rows = reader.history(instance_id, execution)
        if not rows or not all(row.type in EVENT_TYPES for row in rows):
            return False, None
        for row in reversed(rows):
            event = row.event
            assert event is not None
            if event["type"] == UPDATED:
                return True, event.get("status")
            if event.get("initial_custom_status") is not None:
                return True, event["initial_custom_status"]
            if keeps(event["duroxide_version"], Rule.status_without_event):
                return False, None
        if execution == 1 and rows[0].type == START:
            return True, None
    return False, None


CUSTOM_STATUSES = CustomStatuses()
