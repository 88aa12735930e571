"""A diagnosis, as a model: JSON, its published schema and the text come from it.

The names and their meanings are stable: others' scripts read them. Moments are ms since the epoch, in UTC. Texts that
are long are cut, and end in `…` then.
"""

from typing import Any

from msgspec import Struct, to_builtins
from msgspec.json import schema

from holystone.json_schema import published


class Cause(Struct, kw_only=True):
    """One thing that keeps the instance where it is, or takes it on.

    `kind` is what it is: event, queue, timer, activity, child, message, turn; lost, what can never come; lock, pin and
    blockade, which keep it from being taken up. `wakes` is whether the instance goes on when it comes; None where that
    cannot be told. `by` is who does it: client, dispatcher, worker, child. `due_ms` is the moment from which on it can
    come, None where it can at any time. `table` and `row_id` name the row that holds it, `event_id` the event that
    asked for it. `attempts` is how often a message or an activity was taken.
    """

    kind: str
    sentence: str
    wakes: bool | None
    by: str | None = None
    name: str | None = None
    since_ms: int | None = None
    due_ms: int | None = None
    execution_id: int | None = None
    event_id: int | None = None
    attempts: int | None = None
    table: str | None = None
    row_id: Any = None
    child: str | None = None


class Unseen(Struct):
    """What could not be read, why, and what to do about it."""

    what: str
    reason: str
    next_step: str


class Instance(Struct, kw_only=True):
    """The instance's row."""

    orchestration_name: str | None
    orchestration_version: str | None
    current_execution_id: Any
    created_ms: int | None
    updated_ms: int | None
    custom_status: str | None


class Execution(Struct, kw_only=True):
    """One execution by its row, and the status that its history tells, None where that was not asked or tells none."""

    execution_id: Any
    status: Any
    status_of_history: str | None
    output: str | None
    started_ms: int | None
    completed_ms: int | None
    engine_version: str | None


class HistoryEvent(Struct, kw_only=True):
    """One event of the current execution; `fault` says why the engine cannot read it, and there is no type then."""

    event_id: Any
    type: str | None
    source_event_id: int | None
    timestamp_ms: int | None
    payload: dict[str, Any]
    fault: str | None


class Message(Struct, kw_only=True):
    """One row of orchestrator_queue; `due_ms` is when the engine may take it, None for never."""

    row_id: Any
    kind: str | None
    fault: str | None
    due_ms: int | None
    created_ms: int | None
    attempts: Any
    fields: dict[str, Any]


class Activity(Struct, kw_only=True):
    """One row of worker_queue; `due_ms` is when a worker may take it, None for never."""

    row_id: Any
    name: str | None
    execution_id: Any
    event_id: Any
    fault: str | None
    due_ms: int | None
    created_ms: int | None
    locked_until_ms: Any
    is_locked: bool
    attempts: Any
    session_id: str | None
    tag: str | None


class Session(Struct, kw_only=True):
    """The session of an activity: which worker has it, and until when."""

    session_id: str
    worker_id: str
    locked_until_ms: Any
    last_activity_ms: Any


class Lock(Struct, kw_only=True):
    """The instance's lock: a dispatcher is in a turn of it, or was."""

    locked_until_ms: Any
    locked_at_ms: Any
    is_held: bool


class Relative(Struct, kw_only=True):
    """The parent, or a child; `status` is what its history tells, None where there is no such instance."""

    instance_id: str
    status: str | None
    sentence: str | None


class Key(Struct, kw_only=True):
    """A key of the key-value store as its execution sees it."""

    key: str
    value: str | None
    updated_ms: int | None


class Node(Struct, kw_only=True):
    """A node of pg_durable's graph."""

    id: str
    type: str
    status: str | None
    result_name: str | None
    query: str | None


class PgDurable(Struct, kw_only=True):
    """What pg_durable has of the instance."""

    instance_id: str
    label: str | None
    status: str | None
    root_node: str | None
    submitted_by: str | None
    nodes: list[Node]


class Counts(Struct, kw_only=True):
    """How many rows there are of each kind, of which the lists have the last ones."""

    executions: int
    events: int
    messages: int
    activities: int
    children: int
    keys: int


class Diagnosis(Struct, kw_only=True):
    """Everything about one instance.

    `state` is one of ended, turn (a dispatcher is at work on it), due (a message waits for a dispatcher), waiting,
    stuck (no message will ever wake it), blocked (nothing that comes is taken up), unreadable, not-started, orphaned
    (rows without an instance), unknown.
    """

    schema: int
    target: str
    store_schema: str | None
    flavour: str
    instance_id: str
    now_ms: int
    state: str
    sentence: str
    notes: list[str]
    causes: list[Cause]
    unseen: list[Unseen]
    instance: Instance | None
    parent: Relative | None
    lock: Lock | None
    counts: Counts
    executions: list[Execution]
    events: list[HistoryEvent]
    messages: list[Message]
    activities: list[Activity]
    sessions: list[Session]
    children: list[Relative]
    keys: list[Key]
    pg_durable: PgDurable | None

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as the JSON object that `why --format json` prints."""
        document: dict[str, Any] = to_builtins(self)
        return document


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a diagnosis."""
    return published(schema(Diagnosis))
