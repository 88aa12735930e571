"""Child start facts: the event that began a child, beside the one by which its parent has asked for it.

Sources in microsoft/duroxide: `run_single_execution_atomic` in src/runtime/execution.rs, which makes the message that
begins a child of what it appends as SubOrchestrationScheduled, `resolve_and_execute_orchestration_handler` in
src/runtime/dispatchers/orchestration.rs, which takes name and input from it into the child's first event, and
`action_matches_event_kind` in src/runtime/replay_engine.rs, by which the parent is replayed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, literal, or_, select, true

from holystone.duroxide.event_types import START
from holystone.duroxide.references import child_instance_id
from holystone.duroxide.tables import instances
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.event_text import event_text, last_event_ends
from holystone.scan.long_texts import is_very_long
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.relations.request_events import asks_for, read_event, read_request_of_child
from holystone.scan.relations.start_events import NAMES_A_PARENT

_BOTH_HOLD = ("name", "input")


class ChildStartSource:
    """The children, each with its first event and the one that this names in its parent; NULL where there is none.

    In the store of an older engine, whose rows do not say which instances are children, these are all instances.
    """

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self._is_told = flavour.has(instances.c.parent_instance_id)
        row = {column.name: column for column in flavour.columns_of(instances)}
        parent = row["parent_instance_id"]
        # In the order of the ids, in which the index of history lies: each of its pages is read once.
        child = (
            select(row["instance_id"], parent, event_text(row["instance_id"], 1, 1).label("start"))
            .where(*([parent.is_not(None)] if self._is_told else []), *within)
            .order_by(row["instance_id"])
            .offset(0)
            .subquery("child")
        )
        execution_id = func.coalesce(flavour.event_number(child.c.start, "parent_execution_id"), 1)
        number = flavour.event_number(child.c.start, "parent_id")
        asked = event_text(child.c.parent_instance_id, execution_id, number).label("asked")
        self.rows: FromClause = select(*child.c, asked).offset(0).subquery("begun")
        self._row = self.rows.c
        self.key = (self.rows.c.instance_id,)

    @property
    def may_differ(self) -> ColumnElement[bool]:
        """There is an event of the parent, and it does not say to the letter what the child's first one says."""
        asked, says = self._row.asked, self.flavour.messages.contains
        if not self._is_told:
            return says(self._row.start, literal(NAMES_A_PARENT))
        same = and_(
            self.flavour.event_says_type(asked, "SubOrchestrationScheduled"),
            says(asked, self._part('"name":', ',"version":').concat(',"instance":')),
            says(asked, self._part('"input":', ',"parent_instance":').concat("}")),
            or_(*(says(asked, self._named(name)) for name in (self._row.instance_id, self._suffix))),
        )
        # Each place that reads a very long one would hold a copy: the facts read it once.
        long = or_(is_very_long(self.flavour, self._row.start), is_very_long(self.flavour, asked))
        return case((asked.is_(None), false()), (long, true()), (same, false()), else_=true())

    def _part(self, begin: str, end: str) -> ColumnElement[str]:
        """Return the child's first event from one mark up to another one.

        User data holds neither, for its quotation marks are escaped.
        """
        first, last = (self.flavour.place_in(self._row.start, literal(mark)) for mark in (begin, end))
        return case((and_(first > 0, last > first), func.substr(self._row.start, first, last - first)))

    def _named(self, child: ColumnElement[str]) -> ColumnElement[str]:
        return literal('"instance":').concat(self.flavour.messages.quoted(child)).concat(",")

    @property
    def _suffix(self) -> ColumnElement[str]:
        """The child's id without that of its parent, NULL where it does not begin with it."""
        child, before = self._row.instance_id, self._row.parent_instance_id.concat("::")
        first = func.length(before) + 1
        return case((func.substr(child, 1, first - 1) == before, func.substr(child, first)))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [self._row.instance_id]


class ChildStartFacts(Struct, frozen=True):
    """One child: what it was begun with, and what its parent's event says of it.

    `told` is empty where it is not sure which event that is, and where neither is replayed any more. `digests` are
    those of both events.
    """

    instance_id: str
    begun: Mapping[str, Any]
    told: Mapping[str, Any]
    digests: tuple[str | None, str | None]

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"start_event_sha256": self.digests[0], "parent_event_sha256": self.digests[1]}

    @property
    def wrong(self) -> Sequence[Compared[object]]:
        """What differs from what the parent's event says."""
        compared = (Compared[object](name, self.begun[name], value) for name, value in self.told.items())
        return [one for one in compared if one.differs]


class ChildStarts(Relation[ChildStartSource, ChildStartFacts]):
    name = "child_starts"
    table = instances
    # They are the rows of another relation, too.
    counted = False

    def source(self, flavour: Flavour, within: Conditions) -> ChildStartSource:
        return ChildStartSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ChildStartFacts:
        child = row.instance_id
        start, digest = read_event(reader, START, child, 1, 1)
        parent = None if start is None else start["parent_instance"]
        if start is None or parent is None or start["parent_id"] is None:
            return ChildStartFacts(child, {}, {}, (digest, None))
        asked, of_asked = read_request_of_child(reader, start)
        told: dict[str, Any] = {}
        if asked is not None and _is_replayed(reader, child, 1, parent, asked["execution_id"]):
            same = asks_for(asked, parent, child)
            told = {name: asked[name] for name in _BOTH_HOLD}
            told["instance"] = child if same else child_instance_id(parent, asked["instance"])
        begun = {name: start[name] for name in _BOTH_HOLD} | {"instance": child}
        return ChildStartFacts(child, begun, told, (digest, of_asked))


def _is_replayed(reader: Reader, *keys: Any) -> bool:
    """Return whether one of some executions, each given by its instance and its number, has not ended."""
    ends = [last_event_ends(reader.flavour, *keys[place : place + 2]) for place in range(0, len(keys), 2)]
    return not all(reader.connection.execute(select(*ends)).one())


CHILD_STARTS = ChildStarts()
