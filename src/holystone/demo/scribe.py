"""Writes executions and their histories as the engine would, into a store's tables.

Made for demonstrations and test cases: it knows what rows look like, and nothing of turns and locks.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, update

from holystone.store import Event, events
from holystone.store.compact_json import write
from holystone.store.events import STILL_RUNNING, Outcome
from holystone.store.flavours import Flavour
from holystone.store.tables import executions, history, instances, orchestrator_queue

ENGINE_VERSION = "0.1.32"
BEGUN_MS = 1_760_000_000_000
"""When the first execution of a scribe starts: 9 October 2025, in ms since the epoch."""
EVENT_MS = 100
"""From one event of a history to the next."""

Payload = tuple[str, Mapping[str, Any]]
"""An event's type, and what it carries."""


def started(name: str = "Order", input: str = "{}", parent: str | None = None) -> Payload:
    parent_id = None if parent is None else 2
    fields = {"name": name, "version": "1.0.0", "input": input, "parent_instance": parent, "parent_id": parent_id}
    return "OrchestrationStarted", fields


def scheduled(name: str = "Charge", input: str = "{}") -> Payload:
    return "ActivityScheduled", {"name": name, "input": input}


def activity_completed(result: str = '"ok"', source: int = 2) -> Payload:
    return "ActivityCompleted", {"source_event_id": source, "result": result}


def completed(output: str = '"done"') -> Payload:
    return "OrchestrationCompleted", {"output": output}


def continued(input: str = "{}") -> Payload:
    return "OrchestrationContinuedAsNew", {"input": input}


def failed(message: str = "card declined") -> Payload:
    return failed_with({"Application": {"kind": "OrchestrationFailed", "message": message, "retryable": False}})


def cancelled(reason: str = "by request") -> Payload:
    kind = {"Cancelled": {"reason": reason}}
    return failed_with({"Application": {"kind": kind, "message": "", "retryable": False}})


def failed_with(details: Mapping[str, Any]) -> Payload:
    return "OrchestrationFailed", {"details": details}


class Scribe:
    """Writes to one store through an open transaction; each execution begins an hour after the last one."""

    def __init__(self, connection: Connection, flavour: Flavour, *, row_id: int = 0) -> None:
        self.connection = connection
        self.flavour = flavour
        self._clock_ms = BEGUN_MS
        self._row_id = row_id

    def execution(self, instance_id: str, *payloads: Payload, execution_id: int = 1) -> int:
        """Write an execution with its history, and its instance; return its last event's time in ms."""
        outcome = STILL_RUNNING
        self._clock_ms += 3_600_000
        started_ms = now_ms = self._clock_ms
        for event_id, payload in enumerate(payloads, 1):
            now_ms = started_ms + event_id * EVENT_MS
            event = self.event(instance_id, execution_id, event_id, payload, now_ms)
            outcome = events.terminal_outcome(event.fields) or outcome
        self._instance(instance_id, execution_id, payloads)
        self.add(
            executions,
            instance_id=instance_id,
            execution_id=execution_id,
            status=outcome.status,
            output=outcome.output,
            started_at=self.flavour.created_at(started_ms),
            completed_at=self._completed_at(outcome),
        )
        return now_ms

    def event(self, instance_id: str, execution_id: int, event_id: int, payload: Payload, now_ms: int) -> Event:
        """Write one event, and return it."""
        kind, fields = payload
        event = Event.new(
            kind,
            event_id=event_id,
            instance_id=instance_id,
            execution_id=execution_id,
            timestamp_ms=now_ms,
            duroxide_version=ENGINE_VERSION,
            **fields,
        )
        self.add(
            history,
            instance_id=instance_id,
            execution_id=execution_id,
            event_id=event_id,
            event_type=self.flavour.event_type_column(kind),
            event_data=event.to_json(),
            created_at=self.flavour.created_at(now_ms),
        )
        return event

    def message(self, instance_id: str, work_item: Mapping[str, Any]) -> None:
        """Put a message for an instance in the queue, visible since the scribe's last execution began."""
        self._row_id += 1
        self.add(
            orchestrator_queue,
            id=self._row_id,
            instance_id=instance_id,
            work_item=write(work_item),
            visible_at=self.flavour.completed_at(self._clock_ms),
            created_at=self.flavour.created_at(self._clock_ms),
        )

    def add(self, table: Table, **values: Any) -> None:
        """Insert a row as it stands."""
        self.connection.execute(insert(table).values(values))

    def change(self, table: Table, key: Mapping[str, Any], **values: Any) -> None:
        """Overwrite columns of the rows with this key, as no engine would."""
        self.connection.execute(update(table).filter_by(**key).values(values))

    def remove(self, table: Table, key: Mapping[str, Any]) -> None:
        """Delete the rows with this key."""
        self.connection.execute(delete(table).filter_by(**key))

    def _instance(self, instance_id: str, execution_id: int, payloads: tuple[Payload, ...]) -> None:
        if execution_id > 1:
            self.change(instances, {"instance_id": instance_id}, current_execution_id=execution_id)
            return
        start = payloads[0][1] if payloads else {}
        self.add(
            instances,
            instance_id=instance_id,
            orchestration_name=start.get("name", "Order"),
            orchestration_version=start.get("version", "1.0.0"),
            current_execution_id=1,
            created_at=self.flavour.created_at(self._clock_ms),
            updated_at=self.flavour.created_at(self._clock_ms),
            parent_instance_id=start.get("parent_instance"),
        )

    def _completed_at(self, outcome: Outcome) -> Any:
        if outcome.ended_at_ms is None or outcome.status not in self.flavour.statuses_with_completed_at:
            return None
        # The engine takes the time once more at ack, a moment after the event's own.
        return self.flavour.completed_at(outcome.ended_at_ms + 3)
