"""Acking a turn: all that it did, in one transaction, or nothing."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, delete, insert, update
from sqlalchemy.exc import IntegrityError

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import RUNNING
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.duroxide.tables import VERSION_COLUMNS, executions, history, instances, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.errors import StoreUnavailableError, TurnError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement, NoRowError, Step
from holystone.store.open_store import OpenStore
from holystone.store.turns import kv, queues
from holystone.store.turns.lease import Standing
from holystone.store.turns.locks import DELETE_MESSAGES, commit_held, release
from holystone.store.turns.outgoing import needed, without_forgotten
from holystone.store.turns.remembered import history_of, remembered, unchanged
from holystone.store.turns.standing import locked, read_history
from holystone.store.turns.turn import Ack, Activity, History, Turn
from holystone.store.turns.validation import needs_history, validate


def ack(store: OpenStore, taken: Standing | None, lock_token: str, execution_id: int, given: Ack) -> None:
    """Write a turn and release its instance: see `Turns.ack_orchestration_item`.

    Where its fetch is remembered it is judged by what was `taken`, and written if all is as it was. Where it is not, or
    something has changed since, or the turn is to be refused, it is judged by what the store says now.
    """
    if taken is not None and taken.is_of(execution_id) and _is_written(store, taken, lock_token, execution_id, given):
        return
    wanted = needed(given.delta, given.orchestrator_items)
    with store.turn() as connection:
        now = now_ms()
        turn, messages, earlier = locked(store, connection, lock_token, execution_id, given.delta, wanted, now)
        before = read_history(store, connection, turn) if needs_history(turn, messages, given.delta) else None
        steps = _steps(store, turn, given, messages, earlier, before, now)
        # Where somebody has taken the lock over meanwhile, nothing of the turn remains.
        commit_held(store, connection, [*steps, *_end(lock_token)], "turn", lock_token)


def _is_written(store: OpenStore, taken: Standing, lock_token: str, execution_id: int, given: Ack) -> bool:
    """Write the turn where what was taken allows it, and is still so; return whether that was done."""
    now = now_ms()
    turn, messages, earlier = remembered(taken, execution_id, needed(given.delta, given.orchestrator_items))
    before = history_of(taken) if needs_history(turn, messages, given.delta) else None
    try:
        steps = _steps(store, turn, given, messages, earlier, before, now)
    except TurnError:
        return False
    try:
        with store.turn() as connection:
            guards = unchanged(store, taken, lock_token, execution_id, now_ms())
            store.flavour.commit_pipeline(connection, [*guards, *steps, *_end(lock_token)])
    except NoRowError:
        return False
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, IntegrityError):
            return False  # an engine whose lock had ended wrote its turn all the same, after the guard had looked
        raise
    return True


def _end(lock_token: str) -> list[Step]:
    """Return how to take the messages of a turn away, and to release its instance."""
    return [(DELETE_MESSAGES, {"token": lock_token}), *release(lock_token)]


def _steps(
    store: OpenStore,
    turn: Turn,
    given: Ack,
    messages: Sequence[WorkItem],
    earlier: Mapping[int, Event | None],
    before: History | None,
    now: int,
) -> list[BoundStatement]:
    """Return how to write a turn, but for the release of its instance; TurnError where it is to be refused."""
    flavour, delta = store.flavour, given.delta
    written = validate(turn, given, messages, earlier, before, flavour.times.latest_ms)
    keys = kv.record(store, turn.instance_id, delta, now)
    if written.status is not None and (keys or turn.has_keys):
        keys += kv.merge(store, turn.instance_id, turn.execution_id)
    readable = [event for event in earlier.values() if event is not None]
    sent = without_forgotten(readable, delta, given.orchestrator_items)
    return [
        *_instance(flavour, turn, written, delta, now),
        *_execution(flavour, turn, written, now),
        *_events(flavour, turn, delta, now),
        *keys,
        *queues.for_worker(flavour, given.worker_items, now),
        *_cancelled(given.cancelled_activities),
        *queues.for_orchestrator(flavour, sent, now),
    ]


def _of_execution(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.instance_id == bindparam("instance"), table.c.execution_id == bindparam("execution"))


_NEW_INSTANCE = insert(instances).inline()
_NEW_EXECUTION = insert(executions).inline()
_NEW_EVENTS = insert(history).inline()
_INSTANCE = update(instances).where(instances.c.instance_id == bindparam("instance"))
_EXECUTION = update(executions).where(_of_execution(executions))


def _instance(
    flavour: Flavour, turn: Turn, metadata: ExecutionMetadata, delta: Sequence[Event], now: int
) -> list[BoundStatement]:
    """Return how to write the instance's row."""
    name, version = metadata.orchestration_name, metadata.orchestration_version
    values: dict[str, object] = {}
    if name is not None and version is not None:
        values = {"orchestration_name": name, "orchestration_version": version}
    # The last update of the turn counts; each turn with one raises the version by one.
    statuses = [event.payload.get("status") for event in delta if event.type == "CustomStatusUpdated"]
    if turn.current_execution_id is None:
        moment = flavour.created_at(now)
        values |= {
            "instance_id": turn.instance_id,
            "current_execution_id": turn.execution_id,
            "parent_instance_id": metadata.parent_instance_id,
            "created_at": moment,
            "updated_at": moment,
        }
        if statuses:
            values |= {"custom_status": statuses[-1], "custom_status_version": 1}
        return [(_NEW_INSTANCE, values)]
    if turn.current_execution_id < turn.execution_id:
        values["current_execution_id"] = turn.execution_id
    if statuses:
        values |= {"custom_status": statuses[-1], "custom_status_version": (turn.custom_status_version or 0) + 1}
    if flavour.turns_update_instances:
        values["updated_at"] = flavour.created_at(now)
    return [(_INSTANCE, {"instance": turn.instance_id, **values})] if values else []


def _execution(flavour: Flavour, turn: Turn, metadata: ExecutionMetadata, now: int) -> list[BoundStatement]:
    """Return how to write the execution's row."""
    values: dict[str, object] = {}
    if metadata.pinned_version is not None:
        values.update(zip(VERSION_COLUMNS, metadata.pinned_version, strict=True))
    if metadata.status is not None:
        timed = metadata.status in flavour.statuses_with_completed_at
        values |= {
            "status": metadata.status,
            "output": metadata.output,
            "completed_at": flavour.completed_at(now) if timed else None,
        }
    if turn.status is None:
        row = {"instance_id": turn.instance_id, "execution_id": turn.execution_id, "status": RUNNING}
        return [(_NEW_EXECUTION, row | {"started_at": flavour.created_at(now)} | values)]
    key = {"instance": turn.instance_id, "execution": turn.execution_id}
    return [(_EXECUTION, key | values)] if values else []


def _events(flavour: Flavour, turn: Turn, delta: Sequence[Event], now: int) -> list[BoundStatement]:
    """Return how to append the events."""
    rows = [
        {
            "instance_id": turn.instance_id,
            "execution_id": turn.execution_id,
            "event_id": event.event_id,
            "event_type": flavour.event_type_column(event.type),
            "event_data": event.to_json(),
            "created_at": flavour.created_at(now),
        }
        for event in delta
    ]
    return [(_NEW_EVENTS, rows)] if rows else []


_CANCELLED = delete(worker_queue).where(
    worker_queue.c.instance_id == bindparam("instance"),
    worker_queue.c.execution_id == bindparam("execution"),
    worker_queue.c.activity_id == bindparam("activity"),
)


def _cancelled(activities: Sequence[Activity]) -> list[BoundStatement]:
    """Return how to take activities out of the queue."""
    names = ("instance", "execution", "activity")
    keys = [dict(zip(names, one, strict=True)) for one in activities]
    return [(_CANCELLED, keys)] if keys else []
