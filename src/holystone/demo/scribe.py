"""Writes executions and their histories as the engine would, into a store's tables.

Made for demonstrations and test cases: it knows what rows look like, and nothing of turns and locks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, update

from holystone.duroxide.compact_json import write
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUED_AS_NEW, RUNNING, START
from holystone.duroxide.outcome import STILL_RUNNING, Outcome, terminal_outcome
from holystone.duroxide.tables import executions, history, instances, orchestrator_queue, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.flavours import Flavour

ENGINE_VERSION = "0.1.32"
BEGUN_MS = 1_760_000_000_000
"""When the first execution of a scribe starts: 9 October 2025, in ms since the epoch."""
EVENT_MS = 100
"""From one event of a history to the next."""
FIRST_ROW_ID = 1_000
"""Of the queue rows that a scribe writes: those that the database numbers itself come before."""

Payload = tuple[str, Mapping[str, Any]]
"""An event's type, and what it carries."""


def started(name: str = "Order", input: str = "{}", parent: str | None = None) -> Payload:
    parent_id = None if parent is None else 2
    fields = {"name": name, "version": "1.0.0", "input": input, "parent_instance": parent, "parent_id": parent_id}
    return START, fields


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

    def __init__(self, connection: Connection, flavour: Flavour, *, row_id: int = FIRST_ROW_ID) -> None:
        self.connection = connection
        self.flavour = flavour
        self._clock_ms = BEGUN_MS
        self._row_id = row_id
        self._next: dict[str, int] = {}

    def execution(self, instance_id: str, *payloads: Payload, execution_id: int = 1) -> int:
        """Write an execution with its history, its instance and the messages that will take it on.

        Returns its last event's time in ms. What an activity or a timer has yet to say, and the execution that
        comes next, waits in the queues; children are up to the caller.
        """
        outcome = STILL_RUNNING
        self._clock_ms += 3_600_000
        started_ms = now_ms = self._clock_ms
        happened = []
        for event_id, payload in enumerate(payloads, 1):
            now_ms = started_ms + event_id * EVENT_MS
            happened.append(self.event(instance_id, execution_id, event_id, payload, now_ms))
            outcome = terminal_outcome(happened[-1].fields) or outcome
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
        self._queue(instance_id, happened, outcome)
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

    def message(self, instance_id: str, work_item: Mapping[str, Any], visible_ms: int | None = None) -> int:
        """Put a message for an instance in the queue, and return the row's id.

        It is visible since the scribe's last execution began, or at a time in ms.
        """
        self._row_id += 1
        self.add(
            orchestrator_queue,
            id=self._row_id,
            instance_id=instance_id,
            work_item=write(work_item),
            visible_at=self.flavour.queue_time(self._clock_ms if visible_ms is None else visible_ms),
            created_at=self.flavour.created_at(self._clock_ms),
        )
        return self._row_id

    def activity(self, event: Event) -> int:
        """Put an activity in the queue of the workers, by the event that scheduled it; return the row's id."""
        self._row_id += 1
        fields = {**event.payload, "instance": event.instance_id, "execution_id": event.execution_id}
        self.add(
            worker_queue,
            id=self._row_id,
            work_item=WorkItem.new("ActivityExecute", id=event.event_id, **fields).to_json(),
            visible_at=self.flavour.queue_time(event.timestamp_ms),
            created_at=self.flavour.created_at(event.timestamp_ms),
            instance_id=event.instance_id,
            execution_id=event.execution_id,
            activity_id=event.event_id,
            session_id=event.payload.get("session_id"),
            tag=event.payload.get("tag"),
        )
        return self._row_id

    def add(self, table: Table, **values: Any) -> None:
        """Insert a row as it stands."""
        self.connection.execute(insert(table).values(values))

    def change(self, table: Table, key: Mapping[str, Any], /, **values: Any) -> None:
        """Overwrite columns of the rows with this key, as no engine would."""
        self.connection.execute(update(table).filter_by(**key).values(values))

    def remove(self, table: Table, key: Mapping[str, Any], /) -> None:
        """Delete the rows with this key."""
        self.connection.execute(delete(table).filter_by(**key))

    def _instance(self, instance_id: str, execution_id: int, payloads: tuple[Payload, ...]) -> None:
        start = payloads[0][1] if payloads else {}
        values = {
            "orchestration_name": start.get("name", "Order"),
            "orchestration_version": start.get("version", "1.0.0"),
            "current_execution_id": execution_id,
        }
        statuses = [fields["status"] for kind, fields in payloads if kind == "CustomStatusUpdated"]
        if statuses:
            values |= {"custom_status": statuses[-1], "custom_status_version": len(statuses)}
        if execution_id > 1:
            self.change(instances, {"instance_id": instance_id}, **values)
            return
        self.add(
            instances,
            instance_id=instance_id,
            created_at=self.flavour.created_at(self._clock_ms),
            updated_at=self.flavour.created_at(self._clock_ms),
            parent_instance_id=start.get("parent_instance"),
            **values,
        )

    def _queue(self, instance_id: str, happened: Sequence[Event], outcome: Outcome) -> None:
        """Write the messages that an execution which stands so waits for."""
        if instance_id in self._next:
            self.remove(orchestrator_queue, {"id": self._next.pop(instance_id)})
        if outcome.status == CONTINUED_AS_NEW:
            fields = {
                "instance": happened[0].instance_id,
                "orchestration": happened[0].payload.get("name", "Order"),
                "input": outcome.output,
                "version": None,
            }
            again = WorkItem.new("ContinueAsNew", **fields)
            self._next[instance_id] = self.message(instance_id, {again.kind: again.fields})
        if outcome.status != RUNNING:
            return
        answered = {event.source_event_id for event in happened}
        for event in happened:
            if event.event_id in answered:
                continue
            if event.type == "ActivityScheduled":
                self.activity(event)
            elif event.type == "TimerCreated":
                fires_ms = event.payload["fire_at_ms"]
                of = {"instance": event.instance_id, "execution_id": event.execution_id}
                fired = {**of, "id": event.event_id, "fire_at_ms": fires_ms}
                self.message(instance_id, {"TimerFired": fired}, fires_ms)

    def _completed_at(self, outcome: Outcome) -> Any:
        if outcome.ended_at_ms is None or outcome.status not in self.flavour.statuses_with_completed_at:
            return None
        # The engine takes the time once more at ack, a moment after the event's own.
        return self.flavour.completed_at(outcome.ended_at_ms + 3)
