"""Go on with a store that the driver made, on the newest Python package of the engine: run by `test_repaired.py`.

Usage: `python go_on.py TARGET [SCHEMA]`. A stand-alone script, for a process of its own. It knows the orchestrations of
`driver/src/orchestrations.rs` that wait for something, sends each its event, and prints one JSON object: instance ->
the status that the engine gives it in the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import duroxide  # type: ignore[import-untyped, unused-ignore]

Turn = Generator[Any, Any, Any]

PATIENCE_SECONDS = 60
TOLD = {
    "waiting": "waiting",
    "race-open": "race-open",
    "race-lost-and-waiting": "race-lost-and-waiting",
    "parent-waiting": "parent-waiting::sub::2",
    "chain-waiting": "chain-waiting",
    "chain-midway": "chain-midway",
    "status-waiting": "status-waiting",
    "keys-waiting": "keys-waiting",
}
"""Instance that waits -> the instance that is sent the event."""
BEHIND = ("activity-untold", "event-untold", "parent-untold", "turn-in-hand")
"""Instances that a message waits for, or a turn."""


def as_text(task: dict[str, Any], text: str) -> dict[str, Any]:
    """The task with an input that is no JSON, as Rust writes it."""
    return {**task, "input": text}


def wait(context: Any, _: Any) -> Turn:
    return (yield context.wait_for_event("go"))


def wait_then_fail(context: Any, _: Any) -> Turn:
    raise RuntimeError((yield context.wait_for_event("go")))


def wait_then_work(context: Any, name: Any) -> Turn:
    data = yield context.wait_for_event("go")
    return (yield as_text(context.schedule_activity(name), data))


def wait_then_chain(context: Any, left: Any) -> Turn:
    yield context.wait_for_event("go")
    if int(left) > 0:
        yield as_text(context.continue_as_new(), str(int(left) - 1))
    return "the end"


def race(context: Any, ms: Any) -> Turn:
    return (yield context.race(context.wait_for_event("go"), context.schedule_timer(int(ms))))


def race_then_wait(context: Any, ms: Any) -> Turn:
    yield context.race(context.wait_for_event("early"), context.schedule_timer(int(ms)))
    return (yield context.wait_for_event("go"))


def parent(context: Any, name: Any) -> Turn:
    return (yield as_text(context.schedule_sub_orchestration(name), "from above"))


def keys_then_wait(context: Any, left: Any) -> Turn:
    context.set_kv_value("left", str(left))
    context.set_kv_value(f"once {left}", "set")
    context.clear_kv_value("never")
    yield as_text(context.schedule_activity("Double"), "1")
    return (yield context.wait_for_event("go"))


def block(context: Any, _: Any) -> Turn:
    return "let go"
    yield


ORCHESTRATIONS: dict[str, Callable[[Any, Any], Turn]] = {
    "Wait": wait,
    "WaitThenFail": wait_then_fail,
    "WaitThenWork": wait_then_work,
    "WaitThenChain": wait_then_chain,
    "Race": race,
    "RaceThenWait": race_then_wait,
    "Parent": parent,
    # These two wait in the last execution of their chains alone.
    "ChainThenWait": wait,
    "StatusThenWait": wait,
    "KeysThenWait": keys_then_wait,
    "Block": block,
}


def main(target: str, schema: str | None) -> None:
    if schema is None:
        provider = duroxide.SqliteProvider.open(target)
    else:
        provider = duroxide.PostgresProvider.connect_with_schema(target, schema)
    options = duroxide.RuntimeOptions(orchestration_concurrency=1, worker_concurrency=2, log_level="off")
    runtime = duroxide.Runtime(provider, options)
    for name in ("Double", "Nap"):
        runtime.register_activity(name, lambda _, given: given)
    for name, function in ORCHESTRATIONS.items():
        runtime.register_orchestration(name, function)
    runtime.start()
    client = duroxide.Client(provider)
    there = [one for one in (*TOLD, *BEHIND) if client.get_status(one).status != "NotFound"]
    end = time.monotonic() + PATIENCE_SECONDS
    states = dict.fromkeys(there, "Running")
    while "Running" in states.values() and time.monotonic() < end:
        # An event that comes before anybody waits for it is lost.
        for instance in TOLD.keys() & states.keys():
            if states[instance] == "Running":
                client.raise_event(TOLD[instance], "go", "gone")
        time.sleep(0.3)
        states = {one: client.get_status(one).status for one in there}
    print(json.dumps(states), flush=True)
    runtime.shutdown(100)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
