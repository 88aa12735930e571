"""Fetching a turn: find an instance with messages that nobody works on, lock it, and read what the turn needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from holystone.clock import now_ms
from holystone.duroxide.event import Event
from holystone.duroxide.event_types import EVENT_TYPES
from holystone.duroxide.tables import orchestrator_queue
from holystone.duroxide.work_item import STARTS, WORK_ITEM_SHAPES, WorkItem
from holystone.errors import RecordError, UnreadableMessageError
from holystone.flavours.statements import BoundStatement, NoRowError
from holystone.store.open_store import OpenStore
from holystone.store.turns import kv
from holystone.store.turns.lease import OrchestrationItem, Standing
from holystone.store.turns.locks import DELETE_LOCK, DELETE_MESSAGES, NOT_COUNTED, RELEASED, new_token
from holystone.store.turns.next_turn import (
    CURRENT_HISTORY,
    DROPPED,
    Version,
    lock,
    next_instance,
    packed,
    stamp,
    waiting,
)
from holystone.store.turns.passing import Experience, places, room_for

UNKNOWN_VERSION = "unknown"
"""What stands for the version of an orchestration that has not been resolved yet."""
Versions = tuple[Version, Version]
"""The lowest and the highest engine version whose executions a caller can replay."""


def fetch(
    store: OpenStore, experience: Experience[str], lock_timeout_ms: int, supported: Versions | None
) -> tuple[OrchestrationItem, Standing | None] | None:
    """Return the next turn to take: see `Turns.fetch_orchestration_item`; and what its ack can be judged by.

    Where the last one found nothing, this one looks before it takes, for a look costs least and keeps nobody waiting.
    """
    passed_over = list(experience.doubtful)
    looks = not experience.found
    while True:
        seen = None
        if looks:
            look = partial(_look, store, supported, passed_over)
            seen = experience.ask((supported, *passed_over), look)
        if looks and seen is None:
            experience.found = False
            if _is_left(store, experience, supported):
                passed_over = [one for one in passed_over if one in experience.doubtful]
                continue
            return None
        looks = True
        taken = _take(store, lock_timeout_ms, supported, passed_over)
        if isinstance(taken, tuple):
            experience.found = True
            return taken
        if taken is not None:
            experience.doubt(taken)
            passed_over.append(taken)
        elif seen is not None:
            passed_over.append(seen)  # somebody else is just taking it


def _wanted(store: OpenStore, supported: Versions | None, passed_over: Sequence[str]) -> dict[str, Any]:
    now = now_ms()
    wanted: dict[str, Any] = {"now": now, "moment": store.flavour.queue_time(now), **places(passed_over)}
    if supported is not None:
        wanted |= {"lowest": packed(*supported[0]), "highest": packed(*supported[1])}
    return wanted


def _look(store: OpenStore, supported: Versions | None, passed_over: Sequence[str]) -> str | None:
    """Return the instance whose turn is next, None where there is none; nothing is written, nor locked."""
    statement = store.prepared(next_instance, supported is not None, room_for(passed_over))
    with store.outside_transactions() as connection:
        (found,) = store.flavour.commit_pipeline(connection, [(statement, _wanted(store, supported, passed_over))])
    return found.rows[0].instance_id if found.rows else None


def _is_left(store: OpenStore, experience: Experience[str], supported: Versions | None) -> bool:
    """Return whether there is a turn among those that were passed over: one is forgotten that need not be any more.

    UnreadableMessageError for the first that has a message which cannot be read. Nothing is written.
    """
    doubtful = list(experience.doubtful)
    if not doubtful:
        return False
    statement, wanted = store.prepared(waiting, supported is not None), _wanted(store, supported, [])
    steps: list[BoundStatement] = [(statement, wanted | {"instance": one}) for one in doubtful]
    with store.outside_transactions() as connection:
        found = store.flavour.commit_pipeline(connection, steps)
    unreadable: UnreadableMessageError | None = None
    for instance_id, one in zip(doubtful, found, strict=True):
        try:
            messages = [_message(row, instance_id) for row in one.rows]
        except UnreadableMessageError as error:
            unreadable = unreadable or error
            continue
        if not messages or one.rows[0].has_begun or _can_begin(messages):
            experience.trust(instance_id)
            if messages:
                return True
    if unreadable is not None:
        raise unreadable
    return False


def _can_begin(messages: Sequence[WorkItem]) -> bool:
    return any(message.kind in STARTS for message in messages) or all(message.kind == DROPPED for message in messages)


def _take(
    store: OpenStore, lock_timeout_ms: int, supported: Versions | None, passed_over: Sequence[str]
) -> tuple[OrchestrationItem, Standing | None] | str | None:
    """Hold and lock the next instance, and return its turn; None where there is none, or somebody was quicker.

    Where that is none to hand out all of it is given back, and its id is returned.
    """
    token = new_token()
    try:
        with store.turn() as connection:
            wanted = _wanted(store, supported, passed_over)
            steps = _taking(store, token, wanted, wanted["now"] + lock_timeout_ms, supported, passed_over)
            stamped, _, known = store.flavour.commit_pipeline(connection, steps)
    except NoRowError:
        return None
    if not stamped.rows:
        return None
    rows = sorted(stamped.rows, key=lambda row: row.id)
    instance_id: str = rows[0].instance_id
    try:
        messages = [_message(row, instance_id) for row in rows]
    except UnreadableMessageError:
        context, is_dropped = None, False
    else:
        context = _context(known.rows, instance_id, messages)
        is_dropped = all(message.kind == DROPPED for message in messages)
    if context is None:
        _give_back(store, token, is_dropped=is_dropped)
        return instance_id
    item = OrchestrationItem(
        instance_id=instance_id,
        execution_id=context.execution_id,
        orchestration_name=context.name,
        orchestration_version=context.version,
        history=context.history,
        messages=messages,
        lock_token=token,
        attempt_count=max(row.attempt_count for row in rows),
        kv=kv.kv_before_execution(store, instance_id) if context.has_keys else {},
        history_error=context.history_error,
    )
    if context.history_error is not None:
        return item, None
    return item, _standing(instance_id, known.rows, context.history, messages)


def _taking(
    store: OpenStore,
    token: str,
    wanted: dict[str, Any],
    until: int,
    supported: Versions | None,
    passed_over: Sequence[str],
) -> list[BoundStatement]:
    marks = wanted | {"token": token}
    if store.flavour.messages_carry_expiry:
        marks["expiry"] = until
    return [
        # In this order, in which an engine's late ack writes to them, too.
        (store.prepared(stamp, supported is not None, room_for(passed_over)), marks),
        (store.prepared(lock), {"token": token, "until": until, "now": wanted["now"]}),
        (CURRENT_HISTORY, {"token": token}),
    ]


def _standing(
    instance_id: str, known: Sequence[Any], history: Sequence[Event], messages: Sequence[WorkItem]
) -> Standing:
    row = known[0] if known else None
    return Standing(
        instance_id=instance_id,
        current_execution_id=row and row.current_execution_id,
        orchestration_name=row and row.orchestration_name,
        orchestration_version=row and row.orchestration_version,
        custom_status_version=row and row.custom_status_version,
        status=row and row.status,
        has_changed_keys=bool(row and row.has_changed_keys),
        history=tuple(history),
        messages=tuple(messages),
    )


def _give_back(store: OpenStore, token: str, *, is_dropped: bool) -> None:
    """Undo that a turn was taken; messages that are not kept are taken away instead."""
    named: dict[str, object] = {"token": token}
    messages: BoundStatement = (DELETE_MESSAGES, named) if is_dropped else (NOT_COUNTED, {**named, **RELEASED})
    with store.turn() as connection:
        store.flavour.commit_pipeline(connection, [messages, (DELETE_LOCK, named)])


def _message(row: Any, instance_id: str) -> WorkItem:
    try:
        message = WorkItem.from_json(row.work_item)
    except RecordError as error:
        raise UnreadableMessageError(orchestrator_queue.name, row.id, instance_id, error.why) from error
    if message.kind not in WORK_ITEM_SHAPES:
        why = f"it is a {message.kind}, which is not known here"
        raise UnreadableMessageError(orchestrator_queue.name, row.id, instance_id, why)
    return message


@dataclass(frozen=True)
class _Context:
    execution_id: int
    name: str
    version: str
    history: Sequence[Event] = ()
    has_keys: bool = False
    history_error: str | None = None


def _context(rows: Sequence[Any], instance_id: str, messages: Sequence[WorkItem]) -> _Context | None:
    """Return what is known of the instance from its row, or else from the message that starts it."""
    if rows:
        return _known(instance_id, rows)
    for message in messages:
        if message.kind in STARTS:
            fields = message.fields
            return _Context(1, fields["orchestration"], fields.get("version") or UNKNOWN_VERSION)
    return None


def _known(instance_id: str, rows: Sequence[Any]) -> _Context:
    row = rows[0]
    execution_id, version = row.current_execution_id, row.orchestration_version or UNKNOWN_VERSION
    known = partial(_Context, execution_id, row.orchestration_name, version, has_keys=bool(row.has_keys))
    try:
        events = [
            read_event(instance_id, execution_id, row.event_id, row.event_data)
            for row in rows
            if row.event_id is not None
        ]
    except RecordError as error:
        return known(history_error=error.message)
    unknown = next((event for event in events if event.type not in EVENT_TYPES), None)
    if unknown is not None:  # as the engine: a newer one may be able to go on with it
        said = f"event {unknown.event_id} is a {unknown.type}, which is not known here"
        return known(history_error=f"In {instance_id!r}, execution {execution_id}, {said}.")
    return known(history=events)


def read_event(instance_id: str, execution_id: int, event_id: int, event_data: object) -> Event:
    """Return the event that a row of history holds; RecordError names the row where it holds none."""
    row = f"Event {event_id} of {instance_id!r}, execution {execution_id},"
    if not isinstance(event_data, str):  # SQLite keeps anything in any column
        raise RecordError(f"{row} cannot be read: it is no text.")
    try:
        return Event.from_json(event_data)
    except RecordError as error:
        raise RecordError(f"{row} cannot be read: {error.why}.", error.why) from error
