"""Acking a turn: all that it did, in one transaction, or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import CONTINUE, RUNNING, START, TERMINAL
from holystone.duroxide.metadata import ExecutionMetadata
from holystone.duroxide.tables import executions, history, instances, worker_queue
from holystone.duroxide.work_item import WorkItem
from holystone.errors import ExecutionEndedError, InvalidTurnError, RecordError, UnknownInstanceError
from holystone.flavours import Flavour
from holystone.flavours.statements import BoundStatement
from holystone.store.open_store import OpenStore
from holystone.store.turns import kv, queues
from holystone.store.turns.delta import (
    agreed,
    gives_up,
    require_cancelled,
    require_named,
    require_sound,
    require_sources,
    require_start,
)
from holystone.store.turns.locks import DELETE_LOCK, DELETE_MESSAGES, require_one
from holystone.store.turns.outgoing import needed, require_cancels, require_messages, require_told
from holystone.store.turns.standing import Turn, locked
from holystone.store.turns.taken import require_answers, require_begun, require_received, unanswered

Activity = tuple[str, int, int]
"""Instance id, execution id, and the id of the event that scheduled it."""


def ack(
    store: OpenStore,
    lock_token: str,
    execution_id: int,
    *,
    history_delta: Sequence[Event],
    worker_items: Sequence[WorkItem],
    orchestrator_items: Sequence[WorkItem],
    metadata: ExecutionMetadata | None,
    cancelled_activities: Sequence[Activity],
) -> None:
    """Write a turn and release its instance: see `Turns.ack_orchestration_item`."""
    flavour = store.flavour
    with store.turn() as connection:
        now = now_ms()
        wanted = needed(history_delta, orchestrator_items)
        turn, messages, earlier = locked(store, connection, lock_token, execution_id, history_delta, wanted, now)
        of = f"The turn of {turn.instance_id!r}, execution {execution_id},"
        written = agreed(metadata, history_delta, of)
        if turn.current_execution_id is None:
            _require_start(turn, history_delta, written)
        require_sound(turn.instance_id, execution_id, history_delta)
        _require_place(store, connection, turn, history_delta)
        _require_appendable(turn, history_delta)
        require_start(turn.instance_id, execution_id, history_delta)
        require_named(of, metadata, history_delta, turn.orchestration_name, turn.orchestration_version)
        require_messages(of, history_delta, worker_items, orchestrator_items)
        if not gives_up(history_delta):
            _require_accord(turn, history_delta, earlier, messages, orchestrator_items)
        require_cancelled(turn.instance_id, execution_id, history_delta, cancelled_activities)
        _require_use(store, connection, turn, messages, history_delta)
        keys = kv.record(store, turn.instance_id, history_delta, now)
        if written.status is not None and (keys or turn.has_keys):
            keys += kv.merge(store, turn.instance_id, execution_id)
        steps = [
            *_instance(flavour, turn, written, history_delta, now),
            *_execution(flavour, turn, written, now),
            *_events(flavour, turn, history_delta, now),
            *keys,
            *queues.for_worker(flavour, worker_items, now),
            *_cancelled(cancelled_activities),
            *queues.for_orchestrator(flavour, orchestrator_items, now),
            (DELETE_MESSAGES, {"token": lock_token}),
            # Last of all: where somebody has taken the lock over meanwhile, nothing of the turn remains.
            (DELETE_LOCK, {"token": lock_token}),
        ]
        require_one(flavour.execute_pipeline(connection, steps)[-1].rowcount, "turn", lock_token)


def _require_place(store: OpenStore, connection: Connection, turn: Turn, delta: Sequence[Event]) -> None:
    """Raise where the turn's execution is neither the current one nor the one to begin, or begins without an event."""
    current = turn.current_execution_id
    following = 1 if current is None else current + 1
    if turn.execution_id not in (current, following):
        stands = "which has yet to begin" if current is None else f"whose current execution is {current}"
        raise InvalidTurnError(f"{turn}, {stands}, cannot have a turn.")
    if current is not None and turn.execution_id == following:
        ends = store.prepared(_end_types)
        (found,) = store.flavour.execute_pipeline(
            connection, [(ends, {"instance": turn.instance_id, "execution": current})]
        )
        if [row.type for row in found.rows] != [CONTINUE]:
            raise InvalidTurnError(f"{turn} cannot begin: execution {current} has not ended with {CONTINUE}.")
    if turn.status is None and not delta:
        raise InvalidTurnError(f"{turn} cannot begin without an event.")


def _require_accord(
    turn: Turn,
    delta: Sequence[Event],
    earlier: Mapping[int, Event | None],
    messages: Sequence[WorkItem],
    orchestrator_items: Sequence[WorkItem],
) -> None:
    """Raise where the events do not go with those before them, or with what the turn takes and tells others."""
    of = f"The turn of {turn.instance_id!r}, execution {turn.execution_id},"
    readable = {number: event for number, event in earlier.items() if event is not None}
    require_sources(turn.instance_id, turn.execution_id, delta, earlier)
    require_received(of, turn.execution_id, messages, delta)
    start = readable.get(1, delta[0] if delta and delta[0].type == START else None)
    require_told(of, start, delta, orchestrator_items, messages)
    require_cancels(of, readable, delta, orchestrator_items)


def _require_use(
    store: OpenStore, connection: Connection, turn: Turn, messages: Sequence[WorkItem], delta: Sequence[Event]
) -> None:
    """Raise where the turn takes messages away that the store still needs."""
    of = f"The turn of {turn.instance_id!r}, execution {turn.execution_id},"
    current = turn.current_execution_id
    begins = current is not None and turn.execution_id > current
    if begins or any(message.kind == "ContinueAsNew" for message in messages):
        if not begins and current is not None and _has_ended(store, connection, turn):
            return
        require_begun(of, messages, delta, begins=begins)
    left = [] if begins else unanswered(turn.execution_id, messages, delta)
    if left:
        key = {"instance": turn.instance_id, "execution": turn.execution_id}
        (found,) = store.flavour.execute_pipeline(connection, [(_HISTORY, key)])
        if (events := _events_of(found.rows)) is not None and not any(event.type in TERMINAL for event in events):
            require_answers(of, left, events)


def _has_ended(store: OpenStore, connection: Connection, turn: Turn) -> bool:
    """Return whether the turn's execution has ended for good, so that all that comes is dropped."""
    key = {"instance": turn.instance_id, "execution": turn.execution_id}
    (found,) = store.flavour.execute_pipeline(connection, [(store.prepared(_end_types), key)])
    return any(row.type != CONTINUE for row in found.rows)


def _events_of(rows: Sequence[Any]) -> list[Event] | None:
    """Return the events of a history, None where one cannot be read: the engine takes no turn on it then."""
    try:
        return [Event.from_json(row.event_data) for row in rows]
    except RecordError:
        return None


def _end_types(flavour: Flavour) -> Select[Any]:
    """Select the types of an execution's terminal events."""
    type = flavour.event_type(history.c.event_data)
    return select(type.label("type")).where(_of_execution(history), type.in_(sorted(TERMINAL)))


def _require_appendable(turn: Turn, delta: Sequence[Event]) -> None:
    """Raise where the execution has ended, by its history, or where its last event is not followed by the new ones."""
    if not delta:
        return
    if turn.end_id is not None:
        raise ExecutionEndedError(
            f"{turn} has ended with event {turn.end_id}; nothing can be appended to it.",
            "Ack late messages of an ended execution with an empty delta.",
        )
    first, newest_id = delta[0].event_id, turn.newest_id
    if newest_id is None and first != 1:
        raise InvalidTurnError(f"{turn} has no event yet; event {first} cannot be its first.")
    if newest_id is not None and first != newest_id + 1 and not (gives_up(delta) and first > newest_id):
        raise InvalidTurnError(
            f"{turn} goes as far as the event with the id {newest_id} already; event {first} cannot be appended to it."
        )


def _of_execution(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.instance_id == bindparam("instance"), table.c.execution_id == bindparam("execution"))


_HISTORY = select(history.c.event_data).where(_of_execution(history)).order_by(history.c.event_id)
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


def _require_start(turn: Turn, delta: Sequence[Event], metadata: ExecutionMetadata) -> None:
    """Raise where a turn would leave an execution without an instance, or an instance without a history."""
    named = None not in (metadata.orchestration_name, metadata.orchestration_version)
    if not named or not any(event.type == START for event in delta):
        raise UnknownInstanceError(
            f"There is no instance {turn.instance_id!r}, and the turn of its execution {turn.execution_id} does not "
            "start one.",
            "Begin the first turn of an instance with OrchestrationStarted: nothing was written.",
        )


def _execution(flavour: Flavour, turn: Turn, metadata: ExecutionMetadata, now: int) -> list[BoundStatement]:
    """Return how to write the execution's row."""
    values: dict[str, object] = {}
    if metadata.pinned_version is not None:
        parts = ("duroxide_version_major", "duroxide_version_minor", "duroxide_version_patch")
        values.update(zip(parts, metadata.pinned_version, strict=True))
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
