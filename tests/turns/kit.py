"""A runtime in a nutshell: makes the events and messages of turns, as an engine's would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holystone.clock import now_ms
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem, WorkLease
from holystone.store.turns.sessions import SessionFetchConfig
from holystone.store.turns.tags import TagFilter
from holystone.store.turns.turn import Activity

LOCK_MS = 30_000
ENGINE = "0.1.28"
"""The version that events claim: an execution is only handed to engines that are no older than its first event."""

PLAIN: Mapping[str, Any] = {}
"""An activity without tag and session."""

News = tuple[str, Mapping[str, Any]]
"""What happens in a turn: the type of an event, and its payload."""


@dataclass
class Kit:
    """Takes turns on one store, as an engine of the version `engine` would."""

    store: Store
    engine: str = ENGINE

    # Messages

    def starting(self, instance_id: str, name: str = "Order", **fields: Any) -> WorkItem:
        """Return the message that starts an instance."""
        given: dict[str, Any] = {"input": "{}", "version": None, "parent_instance": None, "parent_id": None, **fields}
        return WorkItem.new("StartOrchestration", instance=instance_id, orchestration=name, execution_id=1, **given)

    def start(self, instance_id: str, name: str = "Order", **fields: Any) -> None:
        """Queue the start of an instance."""
        self.store.enqueue_for_orchestrator(self.starting(instance_id, name, **fields))

    def send(self, kind: str, *, delay_ms: int | None = None, **fields: Any) -> None:
        """Queue a message for an orchestration."""
        self.store.enqueue_for_orchestrator(WorkItem.new(kind, **fields), delay_ms)

    def poke(self, instance_id: str, data: str = "1", delay_ms: int | None = None) -> None:
        """Queue a message that gives an instance another turn."""
        self.send("ExternalRaised", instance=instance_id, name="go", data=data, delay_ms=delay_ms)

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

    def told(self, parent: str, number: int, output: str = "1") -> WorkItem:
        """Return the message by which a child of the first execution tells its parent that it has completed."""
        of: dict[str, Any] = {"parent_instance": parent, "parent_execution_id": 1, "parent_id": number}
        return WorkItem.new("SubOrchCompleted", **of, result=output)

    def completion(self, instance_id: str, number: int = 2, result: str = "7") -> WorkItem:
        """Return the message that tells an orchestration of an activity's result."""
        return WorkItem.new("ActivityCompleted", instance=instance_id, execution_id=1, id=number, result=result)

    # Events

    def event(self, instance_id: str, event_id: int, type: str, execution_id: int = 1, **payload: Any) -> Event:
        """Return an event that happens now."""
        return Event.new(
            type,
            event_id=event_id,
            instance_id=instance_id,
            execution_id=execution_id,
            timestamp_ms=now_ms(),
            duroxide_version=self.engine,
            **payload,
        )

    def started(self, instance_id: str, execution_id: int = 1, name: str = "Order", **payload: Any) -> Event:
        """Return the first event of an execution."""
        given: dict[str, Any] = {
            "version": "1.0.0",
            "input": "{}",
            "parent_instance": None,
            "parent_id": None,
            **payload,
        }
        return self.event(instance_id, 1, "OrchestrationStarted", execution_id, name=name, **given)

    # Fetching

    def fetch(self, lock_ms: int = LOCK_MS) -> OrchestrationItem:
        """Return the next turn, of which there must be one."""
        item = self.store.fetch_orchestration_item(lock_ms)
        assert item is not None
        return item

    def work(
        self, lock_ms: int = LOCK_MS, *, session: SessionFetchConfig | None = None, tags: TagFilter | None = None
    ) -> WorkLease:
        """Return the next activity, of which there must be one."""
        lease = self.store.fetch_work_item(lock_ms, session=session, tags=tags)
        assert lease is not None
        return lease

    @property
    def has_turn(self) -> bool:
        """Whether there is a turn to take; if so, it is taken."""
        return self.store.fetch_orchestration_item(LOCK_MS) is not None

    @property
    def has_work(self) -> bool:
        """Whether there is an activity to run; if so, it is taken."""
        return self.store.fetch_work_item(LOCK_MS) is not None

    # Whole turns

    def begin(
        self,
        instance_id: str,
        *more: Event,
        messages: Sequence[WorkItem] = (),
        activities: Sequence[WorkItem] = (),
        **fields: Any,
    ) -> None:
        """Start an instance and ack its first turn, with more events after the first one."""
        self.start(instance_id, **fields)
        item = self.fetch()
        self.store.ack_orchestration_item(
            item.lock_token,
            item.execution_id,
            history_delta=[self.started(instance_id, **fields), *more],
            worker_items=activities,
            orchestrator_items=messages,
        )

    def employ(self, instance_id: str, *activities: Mapping[str, Any]) -> None:
        """Start an instance whose first turn schedules activities, numbered 2, 3 and so on; a plain one by default.

        Of each activity its `tag` and `session_id` may be given.
        """
        self.start(instance_id)
        token = self.fetch().lock_token
        events, items = self._scheduling(instance_id, 2, activities or [PLAIN])
        self.store.ack_orchestration_item(
            token, 1, history_delta=[self.started(instance_id), *events], worker_items=items
        )

    def schedule(self, instance_id: str, *activities: Mapping[str, Any]) -> None:
        """Schedule activities in another turn of the instance, as `employ` does in the first."""
        self.poke(instance_id)
        item = self.fetch()
        events, items = self._scheduling(instance_id, item.history[-1].event_id + 1, activities)
        self.store.ack_orchestration_item(item.lock_token, 1, history_delta=events, worker_items=items)

    def _scheduling(
        self, instance_id: str, first: int, activities: Sequence[Mapping[str, Any]]
    ) -> tuple[list[Event], list[WorkItem]]:
        numbered = list(enumerate(activities, first))
        scheduled: Mapping[str, Any] = {"name": "Charge", "input": "{}"}
        events = [self.event(instance_id, n, "ActivityScheduled", **scheduled, **fields) for n, fields in numbered]
        return events, [self.activity(instance_id, n, **fields) for n, fields in numbered]

    def finish(self, instance_id: str, output: str = "1", **fields: Any) -> None:
        """Start an instance and end it in its first turn; a child tells its parent, which has to be there."""
        ended = self.event(instance_id, 2, "OrchestrationCompleted", output=output)
        parent = fields.get("parent_instance")
        told = [] if parent is None else [self.told(parent, fields["parent_id"], output)]
        self.begin(instance_id, ended, messages=told, **fields)
        if parent is not None:
            self.take_late(parent)

    def turn(
        self,
        instance_id: str,
        *news: News,
        messages: Sequence[WorkItem] = (),
        activities: Sequence[WorkItem] = (),
        cancelled: Sequence[Activity] = (),
    ) -> None:
        """Wake an instance, and ack a turn in which `news` happen; their events get the next ids."""
        self.poke(instance_id)
        item = self.fetch()
        assert item.instance_id == instance_id
        number = item.history[-1].event_id + 1
        self.store.ack_orchestration_item(
            item.lock_token,
            item.execution_id,
            history_delta=[
                self.event(instance_id, number + nth, type, item.execution_id, **payload)
                for nth, (type, payload) in enumerate(news)
            ],
            worker_items=activities,
            orchestrator_items=messages,
            cancelled_activities=cancelled,
        )

    def take_late(self, instance_id: str) -> None:
        """Ack messages of an instance that makes nothing of them: it did not ask, or has ended."""
        item = self.fetch()
        assert item.instance_id == instance_id
        self.store.ack_orchestration_item(item.lock_token, item.execution_id)

    def give_up(self, instance_id: str, *activities: int) -> None:
        """Give up activities of the first execution, in a turn of its own."""
        requests: list[News] = [
            ("ActivityCancelRequested", {"source_event_id": number, "reason": "dropped_future"})
            for number in activities
        ]
        self.turn(instance_id, *requests, cancelled=[(instance_id, 1, number) for number in activities])

    def complete(self, instance_id: str, output: str = "1") -> None:
        """End a running instance."""
        self.turn(instance_id, ("OrchestrationCompleted", {"output": output}))

    def continue_as_new(self, instance_id: str) -> None:
        """End the current execution and begin the next one."""
        again = WorkItem.new("ContinueAsNew", instance=instance_id, orchestration="Order", input="{}", version=None)
        self.turn(instance_id, ("OrchestrationContinuedAsNew", {"input": "{}"}), messages=[again])
        item = self.fetch()
        following = item.execution_id + 1
        self.store.ack_orchestration_item(
            item.lock_token, following, history_delta=[self.started(instance_id, following)]
        )
