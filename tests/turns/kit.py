"""A runtime in a nutshell: makes the events and messages of turns, as an engine's would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holystone.clock import now_ms
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem

LOCK_MS = 30_000
ENGINE = "0.1.28"
"""The version that events claim: an execution is only handed to engines that are no older than its first event."""


@dataclass
class Kit:
    """Takes turns on one store; ids of events are counted for each execution."""

    store: Store

    def start(self, instance_id: str, name: str = "Order", **fields: Any) -> None:
        """Queue the start of an instance."""
        given: dict[str, Any] = {"input": "{}", "version": None, "parent_instance": None, "parent_id": None, **fields}
        self.send("StartOrchestration", instance=instance_id, orchestration=name, execution_id=1, **given)

    def send(self, kind: str, *, delay_ms: int | None = None, **fields: Any) -> None:
        """Queue a message for an orchestration."""
        self.store.enqueue_for_orchestrator(WorkItem.new(kind, **fields), delay_ms)

    def fetch(self, lock_ms: int = LOCK_MS) -> OrchestrationItem:
        """Return the next turn, of which there must be one."""
        item = self.store.fetch_orchestration_item(lock_ms)
        assert item is not None
        return item

    def event(self, instance_id: str, event_id: int, type: str, execution_id: int = 1, **payload: Any) -> Event:
        """Return an event that happens now."""
        return Event.new(
            type,
            event_id=event_id,
            instance_id=instance_id,
            execution_id=execution_id,
            timestamp_ms=now_ms(),
            duroxide_version=ENGINE,
            **payload,
        )

    def started(self, instance_id: str, execution_id: int = 1, name: str = "Order", **payload: Any) -> Event:
        """Return the first event of an execution."""
        given: dict[str, Any] = {"input": "{}", "parent_instance": None, "parent_id": None, **payload}
        return self.event(instance_id, 1, "OrchestrationStarted", execution_id, name=name, version="1.0.0", **given)

    def begin(self, instance_id: str, *more: Event) -> None:
        """Start an instance and ack its first turn, with more events after the first one."""
        self.start(instance_id)
        item = self.fetch()
        self.store.ack_orchestration_item(
            item.lock_token, item.execution_id, history_delta=[self.started(instance_id), *more]
        )

    def finish(self, instance_id: str, output: str = "1") -> None:
        """Start an instance and end it in its first turn."""
        self.begin(instance_id, self.event(instance_id, 2, "OrchestrationCompleted", output=output))

    def activity(self, instance_id: str, number: int = 2, execution_id: int = 1, **fields: Any) -> WorkItem:
        """Return the message that has an activity run."""
        return WorkItem.new(
            "ActivityExecute",
            instance=instance_id,
            execution_id=execution_id,
            id=number,
            name="Charge",
            input="{}",
            **fields,
        )
