"""Holds a store, and does with it what the engine in another process asks for: python -m provider.server, from tests/.

Each line on the Unix socket is a JSON object with an operation and its arguments, and is answered with one line.
Events and messages are texts in both directions, for a store keeps them so.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from sqlalchemy import delete, func, select, update

from holystone.duroxide.event_types import EVENT_TYPES, START
from holystone.duroxide.tables import history, metadata, orchestrator_queue
from holystone.errors import HolystoneError, LockLostError, StoreUnavailableError, UnknownInstanceError
from holystone.store import (
    Event,
    ExecutionMetadata,
    InstanceFilter,
    SessionFetchConfig,
    Store,
    TagFilter,
    WorkItem,
)
from holystone.store.turns import ack, liveness, pruning
from holystone.store.turns.fetch import UNKNOWN_VERSION
from holystone.store.turns.lease import OrchestrationItem
from holystone.store.turns.turn import Ack, Turn

Arguments = dict[str, Any]
Version = tuple[int, int, int]


ENGINES_WORDS: Mapping[type[HolystoneError], str] = {
    LockLostError: "invalid lock_token",
    UnknownInstanceError: "not found",
}
"""What the engine's own stores say, and its suite looks for."""


class Operations:
    """What can be asked of a store; the arguments are those of the methods of the same names, as JSON has them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fetches = count(1)
        self._taken: dict[str, OrchestrationItem] = {}
        """The turns that are being taken, as a dispatcher has them while it works, but for each tenth."""

    def fetch_orchestration_item(self, lock_timeout_ms: int, supported: Sequence[Sequence[Version]] | None) -> Any:
        # The engine's own stores go by the first range alone; with none they hand out nothing.
        if supported is not None and not supported:
            return None
        lowest_and_highest = None if supported is None else (_version(supported[0][0]), _version(supported[0][1]))
        item = self._store.fetch_orchestration_item(lock_timeout_ms, lowest_and_highest)
        if item is None:
            return None
        if next(self._fetches) % 10:
            self._taken[item.lock_token] = item
        return {
            **vars(item),
            "history": [event.to_json() for event in item.history],
            "messages": [message.to_json() for message in item.messages],
        }

    def ack_orchestration_item(
        self,
        lock_token: str,
        execution_id: int,
        history_delta: Sequence[str],
        worker_items: Sequence[str],
        orchestrator_items: Sequence[str],
        metadata: Arguments,
        cancelled_activities: Sequence[tuple[str, int, int]],
    ) -> None:
        pinned = metadata["pinned_version"]
        self._store.ack_orchestration_item(
            lock_token,
            execution_id,
            history_delta=[Event.from_json(text) for text in history_delta],
            worker_items=[WorkItem.from_json(text) for text in worker_items],
            orchestrator_items=[WorkItem.from_json(text) for text in orchestrator_items],
            metadata=ExecutionMetadata(**{**metadata, "pinned_version": pinned and _version(pinned)}),
            cancelled_activities=[(instance, execution, event) for instance, execution, event in cancelled_activities],
        )
        self._taken.pop(lock_token, None)

    def read_history(self, instance_id: str, execution_id: int | None = None) -> list[str]:
        return [event.to_json() for event in self._store.read_history(instance_id, execution_id)]

    def enqueue_for_orchestrator(self, work_item: str, delay_ms: int | None) -> None:
        self._store.enqueue_for_orchestrator(WorkItem.from_json(work_item), delay_ms)

    def enqueue_for_worker(self, work_item: str) -> None:
        self._store.enqueue_for_worker(WorkItem.from_json(work_item))

    def fetch_work_item(self, lock_timeout_ms: int, session: Arguments | None, tags: Arguments) -> Any:
        of_sessions = None if session is None else SessionFetchConfig(**session)
        wanted: TagFilter = getattr(TagFilter, tags["kind"])(*tags["names"])
        lease = self._store.fetch_work_item(lock_timeout_ms, session=of_sessions, tags=wanted)
        return None if lease is None else {**vars(lease), "item": lease.item.to_json()}

    def ack_work_item(self, lock_token: str, completion: str | None) -> None:
        self._store.ack_work_item(lock_token, None if completion is None else WorkItem.from_json(completion))

    def delete_instance_bulk(self, filter: Arguments) -> Any:
        return asdict(self._store.delete_instance_bulk(InstanceFilter(**filter)))

    def prune_executions_bulk(self, filter: Arguments, **options: int | None) -> Any:
        return asdict(self._store.prune_executions_bulk(InstanceFilter(**filter), **options))

    # What the validation suite does to a store behind its back

    def clear(self) -> None:
        with self._store.turn() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))

    def corrupt_history(self, instance_id: str) -> None:
        with self._store.turn() as connection:
            of_instance = history.c.instance_id == instance_id
            connection.execute(update(history).where(of_instance).values(event_data="no JSON"))

    def max_attempt_count(self, instance_id: str) -> int:
        counted = select(func.max(orchestrator_queue.c.attempt_count))
        with self._store.snapshot() as connection:
            found: int = connection.execute(counted.where(orchestrator_queue.c.instance_id == instance_id)).scalar_one()
        return found

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a method of the store that takes and returns what JSON has as well."""
        method = getattr(self._store, name)

        def call(**arguments: Any) -> Any:
            result = method(**arguments)
            return asdict(result) if hasattr(result, "__dataclass_fields__") else result

        return call


def _version(numbers: Sequence[int]) -> Version:
    major, minor, patch = numbers
    return major, minor, patch


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    operations: Operations


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # a process that ends waits for no answer
            for line in self.rfile:
                self.wfile.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")

    def _answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        operation = getattr(self.server.operations, question["operation"])
        try:
            return {"result": operation(**question["arguments"])}
        except HolystoneError as error:
            said = f"{ENGINES_WORDS.get(type(error), 'refused')}: {error.message}"
            return {"error": {"message": said, "retryable": isinstance(error, StoreUnavailableError)}}
        except Exception as error:
            traceback.print_exc()  # which the tests look for: a store crashes at nothing
            return {"error": {"message": f"crashed: {error!r}", "retryable": False}}


def believe() -> None:
    """Have the store write any turn, and go by the rows alone as to what has ended."""
    patch.object(ack, "validate", _believed).start()
    patch.object(liveness, "_ENDS", sorted(EVENT_TYPES)).start()
    patch.object(pruning, "ended_by_history", lambda _store, _connection, _instance_id, numbers: set(numbers)).start()


def _believed(turn: Turn, given: Ack, *_others: object) -> ExecutionMetadata:
    """Return what the caller says, and for a new instance the name that its row needs."""
    wanted = given.metadata or ExecutionMetadata()
    if turn.current_execution_id is not None:
        return wanted
    start = next((event.payload for event in given.delta if event.type == START), {})
    return replace(
        wanted,
        orchestration_name=wanted.orchestration_name or start.get("name", UNKNOWN_VERSION),
        orchestration_version=wanted.orchestration_version or start.get("version", UNKNOWN_VERSION),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("target")
    parser.add_argument("--schema")
    parser.add_argument("--believing", action="store_true", help="write turns that no engine takes as well")
    asked = parser.parse_args()
    with Server(asked.socket, Handler) as server:
        server.operations = Operations(Store.open(asked.target, asked.schema))
        if asked.believing:
            believe()
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
