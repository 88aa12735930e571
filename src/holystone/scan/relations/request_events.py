"""The event by which an execution asks for something, looked up by what a message or a start names."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from holystone.duroxide.event import parse_event
from holystone.duroxide.tables import history
from holystone.flavours import Flavour
from holystone.scan.digest import digest_of
from holystone.scan.event_text import event_text
from holystone.scan.reader import Reader
from holystone.scan.relations.decode import can_be_looked_up

_KEY = ("instance_id", "execution_id", "event_id")

EventAndDigest = tuple[Mapping[str, Any] | None, str | None]
"""An event and its digest; None where there is none of the kind that can be read."""


def read_event(reader: Reader, kind: str, *key: Any) -> EventAndDigest:
    """Return the event of this type and with this key."""
    if not all(map(can_be_looked_up, key)):
        return None, None
    values = dict(zip(_KEY, key, strict=True))
    text = reader.connection.execute(reader.store.prepared(_event_text), values).scalar_one_or_none()
    event, digest = parse_event(text), None if text is None else digest_of(text)
    return (event, digest) if event is not None and event["type"] == kind else (None, None)


def read_request_of_child(reader: Reader, named: Mapping[str, Any]) -> EventAndDigest:
    """Return the event of a parent that asked for a child, by the fields of the child's message or of its start.

    Engines before 0.1.30 do not say there which of the parent's executions has asked: it is told only where the parent
    has had no other than the first one, as far as its history tells.
    """
    parent, execution_id = named["parent_instance"], named.get("parent_execution_id")
    if execution_id is None:
        execution_id = _only_execution(reader, parent)
    return read_event(reader, "SubOrchestrationScheduled", parent, execution_id, named["parent_id"])


def asks_for(event: Mapping[str, Any], parent: str, child: str) -> bool:
    """Return whether the event of the parent asks for this child: engines may put the parent's id before its name."""
    return child in (event["instance"], f"{parent}::{event['instance']}")


def _event_text(flavour: Flavour) -> Select[Any]:
    return select(event_text(*map(bindparam, _KEY)))


def _only_execution(reader: Reader, instance_id: Any) -> int | None:
    if not can_be_looked_up(instance_id):
        return None
    latest = select(func.max(history.c.execution_id)).where(history.c.instance_id == instance_id)
    return 1 if reader.connection.execute(latest).scalar_one() == 1 else None
