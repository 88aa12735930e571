"""The turn protocol on plain Python rows: what a store must hold and answer after each call.

Written from the engine's provider guide, and as plainly as can be: it shares no code with what it judges but the
records that go in and out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from holystone.clock import now_ms
from holystone.errors import DeletionError, ExecutionEndedError, LockLostError, UnknownInstanceError
from holystone.store import Event, WorkItem
from holystone.store.histories import InstanceStatus
from holystone.store.turns.lease import OrchestrationItem, WorkLease
from holystone.store.turns.locks import new_token
from holystone.store.turns.records import DeleteInstanceResult, PruneResult

Row = dict[str, Any]
Rows = dict[Any, Row]
STARTS = ("StartOrchestration", "ContinueAsNew")
ENDS = {
    "OrchestrationCompleted": "Completed",
    "OrchestrationFailed": "Failed",
    "OrchestrationContinuedAsNew": "ContinuedAsNew",
}


@dataclass
class Model:
    """A store that lives in this process."""

    instances: Rows = field(default_factory=dict)
    executions: Rows = field(default_factory=dict)
    history: Rows = field(default_factory=dict)
    orchestrator_queue: list[Row] = field(default_factory=list)
    worker_queue: list[Row] = field(default_factory=list)
    instance_locks: Rows = field(default_factory=dict)
    kv_store: Rows = field(default_factory=dict)
    kv_delta: Rows = field(default_factory=dict)

    @property
    def tokens(self) -> set[str]:
        """The tokens of all locks that are there, expired ones as well."""
        return {lock["lock_token"] for lock in (*self.instance_locks.values(), *self.worker_queue)}

    # Turns

    def fetch_orchestration_item(self, lock_timeout_ms: int) -> OrchestrationItem | None:
        for message in list(self.orchestrator_queue):
            instance_id = message["instance_id"]
            due = self._due(instance_id)
            kinds = [row["work_item"].kind for row in due]
            if message not in due or self._is_locked(instance_id):
                continue
            if instance_id in self.instances or any(kind in STARTS for kind in kinds):
                return self._lock(instance_id, due, lock_timeout_ms)
            if set(kinds) == {"QueueMessage"}:  # what comes before its instance is lost, if it comes to an event queue
                self.orchestrator_queue = [row for row in self.orchestrator_queue if row not in due]
        return None

    def ack_orchestration_item(
        self,
        lock_token: str,
        execution_id: int,
        *,
        history_delta: Sequence[Event],
        worker_items: Sequence[WorkItem],
        orchestrator_items: Sequence[WorkItem],
        cancelled_activities: Sequence[tuple[str, int, int]],
    ) -> None:
        instance_id = self._held(lock_token)
        which = (instance_id, execution_id)
        if history_delta and self._end(which) is not None:
            raise ExecutionEndedError("", "")
        for event in history_delta:
            self.history[*which, event.event_id] = {"event": event, "created_at": now_ms()}
        self._write_rows(which, history_delta)
        self._write_keys(instance_id, history_delta)
        if any(event.type in ENDS for event in history_delta):
            self._end_execution(which)
        for item in worker_items:
            self.enqueue_for_worker(item)
        gone = {("ActivityExecute", *activity) for activity in cancelled_activities}
        self.worker_queue = [row for row in self.worker_queue if _identity(row["work_item"]) not in gone]
        never_started = self._never_started(instance_id, history_delta)
        for item in orchestrator_items:
            if item.kind != "CancelInstance" or item.instance_id not in never_started:
                self.enqueue_for_orchestrator(item)
        self.orchestrator_queue = [row for row in self.orchestrator_queue if row["lock_token"] != lock_token]
        del self.instance_locks[instance_id]

    def _never_started(self, instance_id: str, delta: Sequence[Event]) -> set[str]:
        """Return the children that a turn schedules as it ends the execution: nobody starts them."""
        if not any(event.type in ENDS for event in delta):
            return set()
        names = [event.payload["instance"] for event in delta if event.type == "SubOrchestrationScheduled"]
        return {f"{instance_id}::{name}" if name.startswith("sub::") else name for name in names}

    def abandon_orchestration_item(
        self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False
    ) -> None:
        locked = [name for name, lock in self.instance_locks.items() if lock["lock_token"] == lock_token]
        if not locked:
            raise LockLostError("", "")
        del self.instance_locks[locked[0]]
        for row in self.orchestrator_queue:
            if row["lock_token"] == lock_token:
                row["lock_token"] = None
                row["attempt_count"] -= ignore_attempt
                if delay_ms is not None:
                    row["visible_at"] = now_ms() + delay_ms

    def renew_orchestration_item_lock(self, lock_token: str, extend_ms: int) -> None:
        self.instance_locks[self._held(lock_token)]["locked_until"] = now_ms() + extend_ms

    def enqueue_for_orchestrator(self, work_item: WorkItem, delay_ms: int | None = None) -> None:
        due = work_item.fields["fire_at_ms"] if work_item.kind == "TimerFired" else now_ms() + (delay_ms or 0)
        self.orchestrator_queue.append({"instance_id": work_item.instance_id, **_queued(work_item, due)})

    # Activities

    def enqueue_for_worker(self, work_item: WorkItem) -> None:
        self.worker_queue.append({"locked_until": None, **_queued(work_item, now_ms())})

    def fetch_work_item(self, lock_timeout_ms: int) -> WorkLease | None:
        for row in self.worker_queue:
            if row["visible_at"] <= now_ms() and (row["locked_until"] is None or row["locked_until"] <= now_ms()):
                row["attempt_count"] += 1
                row["lock_token"] = new_token()
                row["locked_until"] = now_ms() + lock_timeout_ms
                return WorkLease(row["work_item"], row["lock_token"], row["attempt_count"])
        return None

    def ack_work_item(self, lock_token: str, completion: WorkItem | None = None) -> None:
        self.worker_queue.remove(self._leased(lock_token))
        if completion is not None:
            self.enqueue_for_orchestrator(completion)

    def abandon_work_item(self, lock_token: str, delay_ms: int | None = None, ignore_attempt: bool = False) -> None:
        row = self._leased(lock_token, expired=True)
        row.update(lock_token=None, locked_until=None, visible_at=now_ms() + (delay_ms or 0))
        row["attempt_count"] -= ignore_attempt

    def renew_work_item_lock(self, lock_token: str, extend_ms: int) -> None:
        self._leased(lock_token)["locked_until"] = now_ms() + extend_ms

    # Removing

    def delete_instance(self, instance_id: str, *, force: bool) -> DeleteInstanceResult:
        if instance_id not in self.instances:
            raise UnknownInstanceError("", "")
        tree = self._tree(instance_id)
        if self.instances[instance_id]["parent_instance_id"] is not None:
            raise DeletionError("", "")
        if not force and any(self._is_alive(one) for one in tree):
            raise DeletionError("", "")
        gone = {*tree, *self._children_to_start(tree)}
        for rows in (self.instance_locks, self.kv_store, self.kv_delta):
            _remove(rows, gone)
        messages = len(self.orchestrator_queue) + len(self.worker_queue)
        self.orchestrator_queue = [row for row in self.orchestrator_queue if row["instance_id"] not in gone]
        self.worker_queue = [row for row in self.worker_queue if row["work_item"].instance_id not in gone]
        return DeleteInstanceResult(
            events_deleted=_remove(self.history, gone),
            executions_deleted=_remove(self.executions, gone),
            queue_messages_deleted=messages - len(self.orchestrator_queue) - len(self.worker_queue),
            instances_deleted=_remove(self.instances, gone),
        )

    def prune_executions(self, instance_id: str, *, keep_last: int | None) -> PruneResult:
        if instance_id not in self.instances:
            raise UnknownInstanceError("", "")
        numbers = sorted(number for one, number in self.executions if one == instance_id)
        old = numbers[: max(0, len(numbers) - max(1, keep_last or 0))]
        events = [key for key in self.history if key[0] == instance_id and key[1] in old]
        for number in old:
            del self.executions[instance_id, number]
        for key in events:
            del self.history[key]
        return PruneResult(1, len(old), len(events))

    # What can be asked

    def get_status(self, instance_id: str) -> InstanceStatus:
        newest = max((number for one, number in self.executions if one == instance_id), default=None)
        if newest is None:
            return InstanceStatus("NotFound")
        instance = self.instances[instance_id]
        status, output = self._end((instance_id, newest)) or ("Running", None)
        if status == "ContinuedAsNew":
            status, output = "Running", None
        return InstanceStatus(status, output, instance["custom_status"], instance["custom_status_version"])

    def list_executions(self, *, status: str | None) -> list[tuple[str, int, str, str, str | None]]:
        """Return instance, execution, name, status and output of the executions with a status, or of all."""
        return sorted(
            (*which, self.instances[which[0]]["orchestration_name"], row["status"], row["output"])
            for which, row in self.executions.items()
            if status in (None, row["status"])
        )

    # How it is done

    def _due(self, instance_id: str) -> list[Row]:
        queue = self.orchestrator_queue
        return [row for row in queue if row["instance_id"] == instance_id and row["visible_at"] <= now_ms()]

    def _is_locked(self, instance_id: str) -> bool:
        lock = self.instance_locks.get(instance_id)
        return lock is not None and lock["locked_until"] > now_ms()

    def _lock(self, instance_id: str, due: list[Row], timeout_ms: int) -> OrchestrationItem:
        token = new_token()
        self.instance_locks[instance_id] = {"lock_token": token, "locked_until": now_ms() + timeout_ms}
        for row in due:
            row["lock_token"] = token
            row["attempt_count"] += 1
        instance = self.instances.get(instance_id)
        start: Row = next((row["work_item"].fields for row in due if row["work_item"].kind in STARTS), {})
        execution_id = 1 if instance is None else instance["current_execution_id"]
        return OrchestrationItem(
            instance_id=instance_id,
            execution_id=execution_id,
            orchestration_name=start["orchestration"] if instance is None else instance["orchestration_name"],
            orchestration_version=(
                start["version"] or "unknown" if instance is None else instance["orchestration_version"]
            ),
            history=self._events((instance_id, execution_id)),
            messages=[row["work_item"] for row in due],
            lock_token=token,
            attempt_count=max(row["attempt_count"] for row in due),
            kv={
                key: (row["value"], row["last_updated_at_ms"])
                for (owner, key), row in self.kv_store.items()
                if owner == instance_id
            },
        )

    def _tree(self, root: str) -> list[str]:
        tree = [root]
        for parent in tree:
            tree += [one for one, row in self.instances.items() if row["parent_instance_id"] == parent]
        return tree

    def _is_alive(self, instance_id: str) -> bool:
        end = self._end((instance_id, self.instances[instance_id]["current_execution_id"]))
        return self._is_locked(instance_id) or end is None or end[0] == "ContinuedAsNew"

    def _children_to_start(self, parents: list[str]) -> set[str]:
        starts = [row["work_item"] for row in self.orchestrator_queue if row["work_item"].kind == "StartOrchestration"]
        children = {str(item.instance_id) for item in starts if item.fields["parent_instance"] in parents}
        return children - self.instances.keys()

    def _held(self, lock_token: str) -> str:
        for instance_id, lock in self.instance_locks.items():
            if lock["lock_token"] == lock_token and lock["locked_until"] > now_ms():
                return str(instance_id)
        raise LockLostError("", "")

    def _leased(self, lock_token: str, *, expired: bool = False) -> Row:
        for row in self.worker_queue:
            if row["lock_token"] == lock_token and (expired or row["locked_until"] > now_ms()):
                return row
        raise LockLostError("", "")

    def _events(self, which: tuple[str, int]) -> list[Event]:
        return [row["event"] for key, row in sorted(self.history.items()) if key[:2] == which]

    def _end(self, which: tuple[str, int]) -> tuple[str, str | None] | None:
        """Return the status and the output that an execution has ended with."""
        for event in self._events(which):
            said = event.payload
            match event.type:
                case "OrchestrationCompleted":
                    return "Completed", said["output"]
                case "OrchestrationContinuedAsNew":
                    return "ContinuedAsNew", said["input"]
                case "OrchestrationFailed":
                    failure = said["details"]["Application"]
                    cancelled = failure["kind"] != "OrchestrationFailed"
                    reason = f"canceled: {failure['kind']['Cancelled']['reason']}" if cancelled else failure["message"]
                    return "Failed", reason
        return None

    def _write_rows(self, which: tuple[str, int], delta: Sequence[Event]) -> None:
        instance_id, execution_id = which
        for event in delta:
            if event.type == "OrchestrationStarted":
                named = {
                    "orchestration_name": event.payload["name"],
                    "orchestration_version": event.payload["version"],
                }
                new = {"parent_instance_id": event.payload["parent_instance"], "created_at": now_ms()}
                fresh = {**named, **new, "custom_status": None, "custom_status_version": 0}
                self.instances.setdefault(instance_id, fresh).update(named, current_execution_id=execution_id)
                self.executions[which] = {
                    "status": "Running",
                    "output": None,
                    "started_at": now_ms(),
                    "completed_at": None,
                    "engine": event.duroxide_version,
                }
        updates = [event.payload["status"] for event in delta if event.type == "CustomStatusUpdated"]
        if updates:
            instance = self.instances[instance_id]
            instance["custom_status"] = updates[-1]
            instance["custom_status_version"] += 1

    def _write_keys(self, instance_id: str, delta: Iterable[Event]) -> None:
        for event in delta:
            said = event.payload
            if event.type == "KeyValueSet":
                value, at_ms = said["value"], said["last_updated_at_ms"]
                self.kv_delta[instance_id, said["key"]] = {"value": value, "last_updated_at_ms": at_ms}
            if event.type == "KeyValueCleared":
                self.kv_delta[instance_id, said["key"]] = {"value": None, "last_updated_at_ms": now_ms()}
            if event.type == "KeyValuesCleared":
                for owner, key in [*self.kv_store, *self.kv_delta]:
                    if owner == instance_id:
                        self.kv_delta[owner, key] = {"value": None, "last_updated_at_ms": now_ms()}

    def _end_execution(self, which: tuple[str, int]) -> None:
        end = self._end(which)
        assert end is not None
        self.executions[which].update(status=end[0], output=end[1], completed_at=now_ms())
        for owner, key in [one for one in self.kv_delta if one[0] == which[0]]:
            row = self.kv_delta.pop((owner, key))
            if row["value"] is None:
                self.kv_store.pop((owner, key), None)
            else:
                self.kv_store[owner, key] = row


def _queued(item: WorkItem, due: int) -> Row:
    return {"work_item": item, "visible_at": due, "lock_token": None, "attempt_count": 0}


def _identity(item: WorkItem) -> tuple[Any, ...]:
    return (item.kind, item.instance_id, item.fields["execution_id"], item.fields["id"])


def _remove(rows: Rows, instances: set[str]) -> int:
    """Remove the rows of these instances, and return how many there were."""
    gone = [key for key in rows if (key if isinstance(key, str) else key[0]) in instances]
    for key in gone:
        del rows[key]
    return len(gone)
