"""Damages that destroy all evidence of themselves: what is left is what the engine could have made.

The law *clean* does not hold for them, as no program can know. Each kind has a reason of its own. What is kept in two
places is in none of them, though no check may compare the two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.damages import Damage, Rows
from judge.stores import Row

FROM_OUTSIDE = frozenset({"StartOrchestration", "ExternalRaised", "QueueMessage", "CancelInstance"})
"""Kinds of messages that clients send: nothing else says that they were sent, until an execution takes them."""
DOCUMENTS = {"history": "event_data", "orchestrator_queue": "work_item", "worker_queue": "work_item"}


@dataclass(frozen=True)
class Edit:
    """One document that was edited: its kind, the names of the fields that are otherwise now, and the rows around."""

    table: str
    row: Row
    kind: str
    fields: frozenset[str]
    was: Mapping[str, Any]
    now: Mapping[str, Any]
    rows: Rows

    def only(self, *fields: str) -> bool:
        """Whether nothing but these fields was edited, and all of them are still such as the engine reads."""
        kept = all(name in self.now and type(self.now[name]) is type(self.was[name]) for name in self.fields)
        return kept and self.fields <= {*fields}

    @property
    def answers(self) -> bool:
        """Whether the answer to what the event asked for is in history."""
        return any(
            json.loads(one["event_data"]).get("source_event_id") == self.row["event_id"]
            for one in self.rows["history"]
            if (one["instance_id"], one["execution_id"]) == (self.row["instance_id"], self.row["execution_id"])
        )


def _is_event(one: Edit, kind: str, *fields: str) -> bool:
    return one.table == "history" and one.kind == kind and one.only(*fields)


def _is_message(one: Edit, kind: str, *fields: str) -> bool:
    return one.table == "orchestrator_queue" and one.kind == kind and one.only(*fields)


def _is_root(one: Edit) -> bool:
    return one.was.get("parent_instance") is None and one.row.get("execution_id", 1) == 1


def _is_superseded(one: Edit) -> bool:
    """Whether a later event of the execution sets the same again."""
    return any(
        (row["instance_id"], row["execution_id"]) == (one.row["instance_id"], one.row["execution_id"])
        and row["event_id"] > one.row["event_id"]
        and json.loads(row["event_data"])["type"] == one.kind
        for row in one.rows["history"]
    )


EDITS: Mapping[str, Callable[[Edit], bool]] = {
    "what a root was begun with is in its start alone": lambda one: (
        _is_event(one, "OrchestrationStarted", "input") and _is_root(one)
    ),
    "what an activity answered is in the event alone, once the message is gone": lambda one: (
        _is_event(one, "ActivityCompleted", "result") or _is_event(one, "ActivityFailed", "details")
    ),
    "what an activity was asked is in the event alone, once it has answered": lambda one: (
        _is_event(one, "ActivityScheduled", "input", "name", "tag", "session_id") and one.answers
    ),
    "what came from outside is in the event alone, once the message is gone": lambda one: (
        _is_event(one, "ExternalEvent", "data", "name")
        or _is_event(one, "ExternalEventPersistent", "data", "name")
        or _is_event(one, "OrchestrationCancelRequested", "reason")
    ),
    "for which events an execution waits is in the event alone": lambda one: (
        _is_event(one, "ExternalSubscribed", "name") or _is_event(one, "ExternalSubscribedPersistent", "name")
    ),
    "a status that was followed by another one is in the event alone": lambda one: (
        _is_event(one, "CustomStatusUpdated", "status") and _is_superseded(one)
    ),
    "what a client sends is in the message alone, until an execution takes it": lambda one: (
        _is_message(one, "ExternalRaised", "data", "name")
        or _is_message(one, "QueueMessage", "data", "name")
        or _is_message(one, "CancelInstance", "reason")
        or (_is_message(one, "StartOrchestration", "input", "orchestration", "version") and _is_root(one))
    ),
    "what an activity has answered is in the message alone, until an execution takes it": lambda one: (
        _is_message(one, "ActivityCompleted", "result") or _is_message(one, "ActivityFailed", "details")
    ),
}

SENT = "that a client has sent something is told by the message alone, until an execution takes it"
PRUNED = "a key of an execution that is pruned is in the row alone"
BELIEVED = "of an event and a row that differ the event is believed"
# The judge takes nothing of holystone's that older versions lack.
DAY_MS = 86_400_000
LEASED = "how long a dispatcher or a worker may hold what it took is a setting of the engine, and nowhere in the store"


def without_evidence(damages: Sequence[Damage], rows: Rows) -> str | None:
    """The reason why nothing shows that a store was damaged, where all of its damages are of that kind."""
    reasons = [_no_evidence(one, rows) for one in damages]
    return reasons[0] if reasons and all(reasons) else None


def _no_evidence(damage: Damage, rows: Rows) -> str | None:
    if damage.kind.startswith("json"):
        edit = _edit(damage, rows)
        return None if edit is None else next((reason for reason, holds in EDITS.items() if holds(edit)), None)
    if damage.kind == "value" and damage.field == "locked_until":
        return LEASED if _is_lease(damage) else None
    if damage.table == "orchestrator_queue" and damage.kind in ("row remove", "row remove some", "row double"):
        return SENT if all(map(_is_from_outside, _touched(damage, rows))) else None
    return None


def keys_told(rows: Rows) -> dict[str, set[str]]:
    """The keys that history tells, of each instance of which executions are pruned: the rows alone tell the others."""
    told: dict[str, set[str]] = {}
    numbers: dict[str, set[int]] = {}
    for row in rows["history"]:
        numbers.setdefault(row["instance_id"], set()).add(row["execution_id"])
        if (key := json.loads(row["event_data"]).get("key")) is not None:
            told.setdefault(row["instance_id"], set()).add(key)
    return {instance: told.get(instance, set()) for instance, some in numbers.items() if min(some) > 1}


def is_believed(damage: Damage, rows: Rows) -> bool:
    """Whether an event was edited that a row is held to: of the two the event is believed, whichever was altered.

    A repair that rests on such an event has the row say what the event says now. It is the mission, and no program can
    know better: it is the only damage for which the law *safe* does not hold.
    """
    edit = _edit(damage, rows) if damage.kind.startswith("json") else None
    return edit is not None and _is_event(edit, "KeyValueSet", "value", "last_updated_at_ms")


def _is_lease(damage: Damage) -> bool:
    """Whether a lock ends within the day that Q011 takes for the longest lease."""
    _, (until, *_) = damage.statements[0]
    return type(until) is int and 0 < until - time.time() * 1000 <= DAY_MS


def _is_from_outside(row: Row) -> bool:
    document = json.loads(row["work_item"])
    return bool({*document} <= FROM_OUTSIDE and next(iter(document.values())).get("parent_instance") is None)


def _touched(damage: Damage, rows: Rows) -> list[Row]:
    """The rows of the damage: of a queue by their number or, where there are several, of their instance."""
    _, values = damage.statements[0]
    found = rows[damage.table]
    if damage.kind == "row remove some":
        return [row for row in found if row["instance_id"] == damage.instance]
    if damage.kind == "row double":
        return [row for row in found if row["work_item"] in values]
    return [row for row in found if row["id"] in values]


def _edit(damage: Damage, rows: Rows) -> Edit | None:
    """What an edited document was and is, None where it is none any more, or of another kind."""
    statement, values = damage.statements[0]
    assert statement.startswith("UPDATE"), statement
    text, *key = values
    names = [part.split(" = ")[0] for part in statement.split(" WHERE ")[1].split(" AND ")]
    row = next(row for row in rows[damage.table] if [row[name] for name in names] == key)
    try:
        was, now = (json.loads(one, object_pairs_hook=_once) for one in (row[DOCUMENTS[damage.table]], text))
    except (TypeError, ValueError):
        return None
    if damage.table == "history":
        kind, fields = was["type"], (was, now)
        same = isinstance(now, dict) and now.get("type") == kind
    else:
        [kind] = was
        same = isinstance(now, dict) and [*now] == [kind] and isinstance(now[kind], dict)
        fields = (was[kind], now[kind]) if same else (was, {})
    if not same:
        return None
    changed = {name for name in fields[0].keys() | fields[1].keys() if fields[0].get(name) != fields[1].get(name)}
    return Edit(damage.table, row, kind, frozenset(changed), *fields, rows)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice")
    return found
