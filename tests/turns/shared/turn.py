"""One turn as the engine's runtime takes it: messages become events, and what the code does becomes more of both.

Sources: replay_engine.rs, execution.rs, state_helpers.rs and dispatchers/orchestration.rs below src/runtime in
microsoft/duroxide.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from holystone.clock import now_ms
from holystone.store import Event, Store, WorkItem
from holystone.store.turns.lease import OrchestrationItem
from turns.kit import ENGINE

DEFAULT_VERSION = "1.0.0"
SUBSCRIPTIONS = {"ExternalSubscribed": "ExternalEvent", "ExternalSubscribedPersistent": "ExternalEventPersistent"}
"""What waits for an event -> what brings it."""
COMPLETIONS = {
    "ActivityCompleted": ("id", "ActivityScheduled"),
    "ActivityFailed": ("id", "ActivityScheduled"),
    "TimerFired": ("id", "TimerCreated"),
    "SubOrchCompleted": ("parent_id", "SubOrchestrationScheduled"),
    "SubOrchFailed": ("parent_id", "SubOrchestrationScheduled"),
}
"""Kind of a message -> the field that names the event which it completes, and that event's type."""
ENDED = ("OrchestrationCompleted", "OrchestrationFailed", "OrchestrationContinuedAsNew")


def cancelled(reason: str) -> dict[str, Any]:
    """Return the details of a failure that is a cancellation."""
    return {"Application": {"kind": {"Cancelled": {"reason": reason}}, "message": "", "retryable": False}}


class Turn:
    """What one turn makes of the messages that were fetched: collected here, written by `ack`.

    `over` means that the instance has ended, so that the messages are too late and nothing can be done.
    """

    def __init__(self, item: OrchestrationItem) -> None:
        self.item = item
        self.instance_id = item.instance_id
        self.execution_id = item.execution_id
        self.events = list(item.history)
        self.worker_items: list[WorkItem] = []
        self.orchestrator_items: list[WorkItem] = []
        self.cancelled_activities: list[tuple[str, int, int]] = []
        self._detached: list[WorkItem] = []
        again = next((message for message in item.messages if message.kind == "ContinueAsNew"), None)
        ends = [event.type for event in self.events if event.type in ENDED]
        self.over = bool(ends) and (again is None or ends != ["OrchestrationContinuedAsNew"])
        self._known = len(self.events)
        if self.over:
            return
        if again is not None:
            self.execution_id += 1
            self.events, self._known = [], 0
        if not self.events:
            start = again or next(message for message in item.messages if message.kind == "StartOrchestration")
            self._begin(start)
            for name, data in start.fields.get("carry_forward_events", ()):
                self.add("ExternalEventPersistent", name=name, data=data)
        for message in item.messages:
            self._receive(message)

    @property
    def delta(self) -> list[Event]:
        """The events that the turn adds."""
        return self.events[self._known :]

    @property
    def start(self) -> Event:
        """The first event of the execution."""
        return self.events[0]

    @property
    def cancel_reason(self) -> str | None:
        """Why the instance is to be cancelled, None where it is not."""
        asked = next((event for event in self.events if event.type == "OrchestrationCancelRequested"), None)
        return None if asked is None else str(asked.payload["reason"])

    def add(self, type: str, source: int | None = None, **payload: Any) -> int:
        """Append an event and return its id."""
        event_id = len(self.events) + 1
        self.events.append(
            Event.new(
                type,
                event_id=event_id,
                source_event_id=source,
                instance_id=self.instance_id,
                execution_id=self.execution_id,
                timestamp_ms=now_ms(),
                duroxide_version=ENGINE,
                **payload,
            )
        )
        return event_id

    def ack(self, store: Store) -> None:
        """Write the turn."""
        store.ack_orchestration_item(
            self.item.lock_token,
            self.execution_id,
            history_delta=self.delta,
            worker_items=self.worker_items,
            orchestrator_items=self.orchestrator_items,
            cancelled_activities=self.cancelled_activities,
        )

    # What the code of an orchestration can ask for. Each returns the id of its event.

    def schedule_activity(self, name: str, input: str, *, tag: str | None = None) -> int:
        """Have an activity run."""
        routed: dict[str, Any] = {} if tag is None else {"tag": tag}
        number = self.add("ActivityScheduled", name=name, input=input, **routed)
        self.worker_items.append(
            WorkItem.new("ActivityExecute", **self._owned, id=number, name=name, input=input, **routed)
        )
        return number

    def create_timer(self, delay_ms: int) -> int:
        """Be woken after a delay."""
        fire_at_ms = now_ms() + delay_ms
        number = self.add("TimerCreated", fire_at_ms=fire_at_ms)
        self.orchestrator_items.append(WorkItem.new("TimerFired", **self._owned, id=number, fire_at_ms=fire_at_ms))
        return number

    def start_child(self, name: str, input: str, instance: str | None = None) -> int:
        """Start a sub-orchestration, under an id of its own or one that is derived from this instance's."""
        counted = len(self.events) + 1
        which = counted if self.execution_id == 1 else f"{self.execution_id}_{counted}"
        named = instance or f"sub::{which}"
        number = self.add("SubOrchestrationScheduled", name=name, instance=named, input=input)
        self.orchestrator_items.append(
            _started(
                self._full_id(named),
                name,
                input,
                parent_instance=self.instance_id,
                parent_id=number,
                parent_execution_id=self.execution_id,
            )
        )
        return number

    def start_detached(self, name: str, input: str, instance: str) -> int:
        """Start another orchestration, which is nobody's child."""
        self._detached.append(_started(instance, name, input, parent_instance=None, parent_id=None))
        return self.add("OrchestrationChained", name=name, instance=instance, input=input)

    # How a turn ends.

    def go_on(self) -> None:
        """End the turn, not the orchestration."""
        self.orchestrator_items += self._detached

    def complete(self, output: str) -> None:
        """End the orchestration with a result."""
        self._drop_what_was_asked_for()
        self.orchestrator_items += self._detached
        self._cancel_subscriptions()
        self.add("OrchestrationCompleted", output=output)
        self._tell_parent("SubOrchCompleted", result=output)
        self._cancel_activities("completed")

    def fail(self, details: Any) -> None:
        """End the orchestration with a failure."""
        self._drop_what_was_asked_for()
        self.orchestrator_items += self._detached
        self._cancel_subscriptions()
        self.add("OrchestrationFailed", details=details)
        self._tell_parent("SubOrchFailed", details=details)
        self._cancel_activities("failed")

    def cancel(self, reason: str) -> None:
        """End the orchestration because somebody wants it so, and its children with it.

        With those children, too, that this very turn would have started and so never starts, as the engine does.
        """
        self._drop_what_was_asked_for()
        children = self._outstanding("SubOrchestrationScheduled")
        self._cancel_subscriptions()
        self.add("OrchestrationFailed", details=cancelled(reason))
        for event in children:
            child = self._full_id(event.payload["instance"])
            self.orchestrator_items.append(WorkItem.new("CancelInstance", instance=child, reason="parent canceled"))
        self._tell_parent("SubOrchFailed", details=cancelled(reason))
        self._cancel_activities("failed")

    def continue_as_new(self, input: str, version: str | None = None) -> None:
        """End the execution and begin another one, which takes over what nobody has dequeued yet."""
        self._drop_what_was_asked_for()
        carried = self._unread_messages()
        self._cancel_subscriptions()
        self.add("OrchestrationContinuedAsNew", input=input)
        self.orchestrator_items.append(
            WorkItem.new(
                "ContinueAsNew",
                instance=self.instance_id,
                orchestration=self.start.payload["name"],
                input=input,
                version=version,
                carry_forward_events=carried,
                initial_custom_status=self._custom_status(),
                **{name: self.start.payload.get(name) for name in ("parent_instance", "parent_id")},
                parent_execution_id=self.start.payload.get("parent_execution_id"),
            )
        )
        self._cancel_activities("continued_as_new")

    # From messages to events.

    def _begin(self, message: WorkItem) -> None:
        fields = message.fields
        self.add(
            "OrchestrationStarted",
            name=fields["orchestration"],
            version=fields.get("version") or DEFAULT_VERSION,
            input=fields["input"],
            parent_instance=fields.get("parent_instance"),
            parent_id=fields.get("parent_id"),
            parent_execution_id=fields.get("parent_execution_id"),
            carry_forward_events=fields.get("carry_forward_events") or None,
            initial_custom_status=fields.get("initial_custom_status"),
        )

    def _receive(self, message: WorkItem) -> None:
        fields = message.fields
        match message.kind:
            case "ExternalRaised":
                self.add("ExternalEvent", name=fields["name"], data=fields["data"])
            case "QueueMessage":
                self.add("ExternalEventPersistent", name=fields["name"], data=fields["data"])
            case "CancelInstance":
                if self.cancel_reason is None:
                    self.add("OrchestrationCancelRequested", reason=fields["reason"])
            case kind if kind in COMPLETIONS:
                self._complete(message)

    def _complete(self, message: WorkItem) -> None:
        """Append the event of a completion, unless it is another execution's or has come before."""
        number, scheduled = COMPLETIONS[message.kind]
        source = message.fields[number]
        execution_id = message.fields.get("execution_id", message.fields.get("parent_execution_id"))
        if execution_id != self.execution_id or source not in {
            event.event_id for event in self._outstanding(scheduled)
        }:
            return
        kept = ("result", "details", "fire_at_ms")
        payload = {name: value for name, value in message.fields.items() if name in kept}
        self.add(message.kind.replace("SubOrch", "SubOrchestration"), source, **payload)

    # What is still open, and what becomes of it at the end.

    def _outstanding(self, scheduled: str) -> list[Event]:
        """Return the events of this type that nothing has completed yet."""
        done = {event.source_event_id for event in self.events}
        return [event for event in self.events if event.type == scheduled and event.event_id not in done]

    def _drop_what_was_asked_for(self) -> None:
        """At its end an orchestration starts nothing any more, but what it has detached."""
        self.worker_items.clear()
        self.orchestrator_items.clear()

    def _cancel_subscriptions(self) -> None:
        for waits, brings in SUBSCRIPTIONS.items():
            answered = set(answers(self.events, waits, brings))
            for event in [event for event in self.events if event.type == waits and event.event_id not in answered]:
                self.add(f"{waits}Cancelled", event.event_id, reason="orchestration_terminal")

    def _cancel_activities(self, end: str) -> None:
        for event in self._outstanding("ActivityScheduled"):
            self.add("ActivityCancelRequested", event.event_id, reason=f"orchestration_terminal_{end}")
            self.cancelled_activities.append((self.instance_id, self.execution_id, event.event_id))

    def _unread_messages(self) -> list[list[str]]:
        wanted = list(answers(self.events, "ExternalSubscribedPersistent", "ExternalEventPersistent").values())
        arrived = [event for event in self.events if event.type == "ExternalEventPersistent"]
        return [[event.payload["name"], event.payload["data"]] for event in arrived if event not in wanted]

    def _custom_status(self) -> str | None:
        status = self.start.payload.get("initial_custom_status")
        for event in self.events:
            if event.type == "CustomStatusUpdated":
                status = event.payload["status"]
        return status

    def _tell_parent(self, kind: str, **said: Any) -> None:
        start = self.start.payload
        if start.get("parent_instance") is not None:
            self.orchestrator_items.append(
                WorkItem.new(
                    kind,
                    parent_instance=start["parent_instance"],
                    parent_execution_id=start.get("parent_execution_id") or 1,
                    parent_id=start["parent_id"],
                    **said,
                )
            )

    def _full_id(self, named: str) -> str:
        return f"{self.instance_id}::{named}" if named.startswith("sub::") else named

    @property
    def _owned(self) -> dict[str, Any]:
        return {"instance": self.instance_id, "execution_id": self.execution_id}


def answers(events: list[Event], waits: str, brings: str) -> dict[int, Event]:
    """Return what each subscription got: its event's id -> the event that came for it.

    A message of a queue waits for whoever asks for it; any other event is lost on those who ask later.
    """
    waiting: dict[str, list[int]] = defaultdict(list)
    arrived: dict[str, list[Event]] = defaultdict(list)
    got: dict[int, Event] = {}
    for event in events:
        if event.type not in (waits, brings):
            continue
        name = event.payload["name"]
        if event.type == waits:
            waiting[name].append(event.event_id)
        elif waiting[name] or waits == "ExternalSubscribedPersistent":
            arrived[name].append(event)
        while waiting[name] and arrived[name]:
            got[waiting[name].pop(0)] = arrived[name].pop(0)
    return got


def _started(instance: str, name: str, input: str, **parent: Any) -> WorkItem:
    return WorkItem.new(
        "StartOrchestration",
        instance=instance,
        orchestration=name,
        input=input,
        version=None,
        execution_id=1,
        **parent,
    )
