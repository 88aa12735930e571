"""What the activities of pg_durable's orchestrations wrote to its tables, by the history that scheduled them.

Sources in microsoft/pg_durable: src/activities/ and src/orchestrations/execute_function_graph.rs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from holystone.duroxide.event_types import START
from holystone.pg_durable.graph import Graph, read_graph

ORCHESTRATION = "pg_durable::orchestration::execute-function-graph"
"""The orchestration of an instance; its subtrees run as children, whose ids have `::` in them."""
SATELLITE_PREFIX = "pgdf-"
"""How the ids of instances begin that another database of the server has started."""
LOAD_GRAPH = "pg_durable::activity::load-function-graph"
_PROBE = "pg_durable::activity::probe-function-graph-transaction-v1"
STATUS = "pg_durable::activity::update-instance-status"
NODE_STATUS = "pg_durable::activity::update-node-status"
_NODE_WRITTEN = "Node status updated"
"""The result of a write of a node's status that was made; another one says that a newer write had been before it."""

Event = Mapping[str, Any]


class Call(Struct, frozen=True):
    """An activity that was scheduled: its input, and its result, None where it has not come or is an error.

    `ended_ms` is when it was told to the orchestration that it had ended, None where it was not yet.
    """

    name: str
    input: Any
    scheduled_ms: int
    ended_ms: int | None = None
    result: str | None = None


def calls(events: Sequence[Event], name: str | None = None) -> Iterator[Call]:
    """Yield the activities of a history in the order in which they were scheduled; those of one name where asked."""
    ends = {event.get("source_event_id"): event for event in events if event["type"] in _ENDS}
    for event in events:
        if event["type"] == "ActivityScheduled" and name in (None, event["name"]):
            end = ends.get(event["event_id"])
            ended_ms, result = (None, None) if end is None else (end["timestamp_ms"], end.get("result"))
            yield Call(event["name"], event["input"], event["timestamp_ms"], ended_ms, result)


_ENDS = ("ActivityCompleted", "ActivityFailed")


def parsed(text: Any) -> Mapping[str, Any]:
    """Return the object that a JSON text holds; an empty one where it holds none."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_usable(event: Event) -> bool:
    """Return whether an event that was read as JSON alone has what `node_states` asks of one."""
    numbers = (event.get("event_id"), event.get("timestamp_ms"))
    texts = [event.get("name"), event.get("input")] if event.get("type") == "ActivityScheduled" else []
    return all(type(one) is int for one in numbers) and all(isinstance(one, str) for one in (event.get("type"), *texts))


class Progress(Struct, frozen=True):
    """How far an execution of an instance has come, by its events.

    `wrote` is the status that the last write asked for, at `wrote_ms`; it may be under way still. `has_run` is whether
    the one that says running is done, `cancel_requested` whether the engine has been told to cancel.
    """

    graph: Graph | None = None
    loaded: bool = False
    label: str | None = None
    wrote: str | None = None
    wrote_ms: int | None = None
    has_run: bool = False
    cancel_requested: bool = False


def progress_of(events: Sequence[Event]) -> Progress:
    """Return how far an execution has come whose events these are, in their order."""
    start = next((event for event in events if event["type"] == START), None)
    given = parsed(None if start is None else start["input"])
    graph = read_graph(given.get("graph"))
    loaded = graph is not None or (start is not None and start["execution_id"] > 1)
    writes: list[tuple[str, Call]] = []
    for call in calls(events):
        if call.name == LOAD_GRAPH and call.result is not None:
            graph, loaded = read_graph(call.result) or graph, True
        elif call.name == _PROBE and parsed(call.result).get("state") == "ready":
            loaded = True
        elif call.name == STATUS and isinstance(status := parsed(call.input).get("status"), str):
            writes.append((status, call))
    label = given.get("label")
    return Progress(
        graph,
        loaded,
        label if isinstance(label, str) else None,
        writes[-1][0] if writes else None,
        (writes[-1][1].ended_ms or writes[-1][1].scheduled_ms) if writes else None,
        any(status == "running" and call.result is not None for status, call in writes),
        any(event["type"] == "OrchestrationCancelRequested" for event in events),
    )


class NodeState(Struct):
    """What the writes that were made have left in a node's row; `result` is as the JSON is read.

    `in_doubt` is whether a write may have been made or not: it was under way when the history ended.
    """

    status: str = "pending"
    result: Any = None
    execution_id: str | None = None
    written_ms: int | None = None
    in_doubt: bool = False


@dataclass(frozen=True)
class _Write:
    node: str
    call: Call
    values: Mapping[str, Any] = field(hash=False)


def node_states(histories: Iterable[Sequence[Event]], instance_id: str) -> Mapping[str, NodeState]:
    """Return how the rows of an instance's nodes should be, by their ids, of those that were ever written to.

    `histories` are those of all executions of its orchestration and of the children.
    """
    writes: list[_Write] = []
    for events in histories:
        for call in calls(events, NODE_STATUS):
            values = parsed(call.input)
            if values.get("instance_id") == instance_id and isinstance(values.get("node_id"), str):
                writes.append(_Write(values["node_id"], call, values))
    states: dict[str, NodeState] = {}
    for write in sorted(writes, key=lambda write: write.call.ended_ms or write.call.scheduled_ms):
        state = states.setdefault(write.node, NodeState())
        if write.call.ended_ms is None:
            state.in_doubt = True
        elif write.call.result == _NODE_WRITTEN:
            _apply(state, write)
    return states


def _apply(state: NodeState, write: _Write) -> None:
    """Have a write set what `update_node_status` sets: a result stays where an end comes without one."""
    state.status, state.written_ms = str(write.values.get("status")), write.call.ended_ms
    result = write.values.get("result")
    if isinstance(result, str):
        state.result = read_result(result)
    elif state.status not in ("completed", "failed"):
        state.result = None
    if isinstance(write.values.get("execution_id"), str):
        state.execution_id = write.values["execution_id"]


def read_result(text: str) -> Any:
    """Return the result that an activity was given: the value of the JSON, or the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
