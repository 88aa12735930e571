"""Drive the real engine: build a store that holds every state an orchestration can be caught in.

A stand-alone script, so that it can run under any version of the engine and be killed in the middle. It
needs the standard library and `duroxide`; only the scenarios that edit rows by hand in PostgreSQL import
psycopg. Whatever a command has to say it prints as one JSON value on the last line of standard output.

`TARGET` is a path to a SQLite file, or a `postgresql://` URL that goes with `--schema`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import duroxide  # type: ignore[import-untyped, unused-ignore]

Json = Any
Turn = Generator[Any, Any, Json]
Orchestration = Callable[[Any, Json], Turn]

DAY_MS = 86_400_000
PATIENCE_MS = 20_000
MAX_ATTEMPTS = 10
# How many turns the scenarios of the phase `leaving` hold at the same time, at most.
HELD = 4
MISSING_VERSION = "9.9.9"

LOOKS_LIKE_EVENT = '{"event_id":99,"type":"OrchestrationCompleted","output":"forged"}'
LOOKS_LIKE_MESSAGE = '{"StartOrchestration":{"instance":"forged","orchestration":"Plain"}}'
AWKWARD_PAYLOADS: list[Json] = [
    LOOKS_LIKE_EVENT,
    json.dumps(LOOKS_LIKE_EVENT),
    json.dumps(json.dumps({"type": "OrchestrationFailed", "details": LOOKS_LIKE_MESSAGE})),
    {"type": "OrchestrationContinuedAsNew", "input": None, "event_data": {"type": "OrchestrationFailed"}},
    "'; DROP TABLE history; --",
    "quotes \" and ' and \\ and \n and \t",
    "percent %s %(name)s %% {braces}",
    "emoji 🧽 and ẞ and \u202e",
    "\ud83e",
    "\x00 and \x1f",
    [1.5, 10**30, -0.0, True, None, {}],
    "",
]
AWKWARD_IDS = [
    "it's",
    'say "yes"',
    "line\nbreak\r\ntab\t",
    "100%s %(name)s %%",
    "🧽 sponge and ẞ",
    "-leading-dash",
    "--schema=elsewhere",
    " spaces around ",
    "a::b::c",
    "::",
    "semi;colon",
    "back\\slash",
    "glob*?[a-z]_under_score",
    "NULL",
    "é composed",
    "e\u0301 decomposed",
    "Case",
    "case",
    "x" * 300,
]


# --- what orchestrations wait on inside this process


class Hold:
    """Keeps code inside a turn or an activity until the process ends or is told to leave."""

    def __init__(self) -> None:
        self.armed = False
        self.leaving = threading.Event()
        self._entered: dict[str, threading.Event] = {}

    def _entry(self, name: str) -> threading.Event:
        return self._entered.setdefault(name, threading.Event())

    def forever(self, name: str) -> None:
        """Never return, so that whatever runs here is in flight for good."""
        if self.armed:
            self._entry(name).set()
            threading.Event().wait()

    def until_leaving(self, name: str) -> None:
        """Return a moment after the runtime was told to shut down."""
        if self.armed:
            self._entry(name).set()
            self.leaving.wait()
            time.sleep(0.2)

    def await_entry(self, name: str) -> None:
        """Return once code is held under this name."""
        if not self._entry(name).wait(PATIENCE_MS / 1000):
            raise TimeoutError(f"nothing entered {name!r}")


HOLD = Hold()
SEEN: set[str] = set()


def first_time(key: str) -> bool:
    """Whether this process meets `key` for the first time: the way to be nondeterministic, or flaky."""
    if key in SEEN:
        return False
    SEEN.add(key)
    return True


# --- activities

Activity = Callable[[Any, Json], Json]
ACTIVITIES: dict[str, Activity] = {}


def activity(function: Activity) -> Activity:
    """Register an activity under its function's name in CamelCase."""
    ACTIVITIES[camel(function.__name__)] = function
    return function


def camel(name: str) -> str:
    """`fails_once` becomes `FailsOnce`."""
    return "".join(word.capitalize() for word in name.split("_"))


@activity
def double(context: Any, value: Json) -> Json:
    return {"doubled": value * 2}


@activity
def echo(context: Any, value: Json) -> Json:
    return value


@activity
def fail(context: Any, value: Json) -> Json:
    raise ValueError(value)


@activity
def fail_once(context: Any, value: Json) -> Json:
    if first_time(f"fail-once {context.instance_id}"):
        raise ValueError("the first attempt fails")
    return value


@activity
def linger(context: Any, value: Json) -> Json:
    time.sleep(value)
    return None


@activity
def hang(context: Any, value: Json) -> Json:
    HOLD.forever(context.instance_id)
    return value


# --- orchestrations

ORCHESTRATIONS: dict[tuple[str, str | None], Orchestration] = {}


def orchestration(function: Orchestration) -> Orchestration:
    """Register an orchestration under its function's name in CamelCase."""
    ORCHESTRATIONS[camel(function.__name__), None] = function
    return function


def versioned(name: str, version: str) -> Callable[[Orchestration], Orchestration]:
    """Register one version of an orchestration."""

    def register(function: Orchestration) -> Orchestration:
        ORCHESTRATIONS[name, version] = function
        return function

    return register


@orchestration
def plain(context: Any, value: Json) -> Turn:
    return {"received": value}
    yield


@orchestration
def work(context: Any, value: Json) -> Turn:
    return (yield context.schedule_activity("Double", value))


@orchestration
def echo_back(context: Any, value: Json) -> Turn:
    context.set_custom_status(json.dumps(value))
    context.trace_info("echo")
    return (yield context.schedule_activity("Echo", value))


@orchestration
def fan_out(context: Any, value: Json) -> Turn:
    return (yield context.all([context.schedule_activity("Double", number) for number in range(value)]))


@orchestration
def syscalls(context: Any, value: Json) -> Turn:
    yield context.utc_now()
    yield context.new_guid()
    yield context.get_kv_value_from_instance(context.instance_id, "absent")
    return None


@orchestration
def raise_error(context: Any, value: Json) -> Turn:
    yield context.schedule_activity("Echo", value)
    raise ValueError(value)


@orchestration
def raise_at_once(context: Any, value: Json) -> Turn:
    raise ValueError(value)
    yield


@orchestration
def activity_fails(context: Any, value: Json) -> Turn:
    return (yield context.schedule_activity("Fail", value))


@orchestration
def activity_failure_caught(context: Any, value: Json) -> Turn:
    try:
        yield context.schedule_activity("Fail", value)
    except Exception as error:
        return {"caught": str(error)}
    return None


@orchestration
def retry(context: Any, value: Json) -> Turn:
    policy = {"max_attempts": 3, "backoff": "linear"}
    return (yield context.schedule_activity_with_retry("FailOnce", value, policy))


@orchestration
def panic(context: Any, value: Json) -> Turn:
    yield context.schedule_activity("Echo", value)
    yield context.schedule_activity_with_retry("Echo", value, {"max_attempts": 0})
    return None


@orchestration
def wait_for_go(context: Any, value: Json) -> Turn:
    context.set_custom_status("waiting for go")
    return (yield context.wait_for_event("go"))


@orchestration
def work_then_wait(context: Any, value: Json) -> Turn:
    yield context.schedule_activity("Double", 1)
    yield context.schedule_timer(1)
    return (yield context.wait_for_event("go"))


@orchestration
def timer(context: Any, value: Json) -> Turn:
    yield context.schedule_timer(value)
    return "fired"


@orchestration
def parent(context: Any, value: Json) -> Turn:
    first = yield context.schedule_sub_orchestration("Work", 1)
    both = yield context.all(
        [
            context.schedule_sub_orchestration("Work", 2),
            context.schedule_sub_orchestration_with_id("Plain", f"{context.instance_id}-named-child", 3),
        ]
    )
    return [first, both]


@orchestration
def grandparent(context: Any, value: Json) -> Turn:
    return (yield context.schedule_sub_orchestration("Parent", value))


@orchestration
def parent_of_waiting(context: Any, value: Json) -> Turn:
    return (yield context.schedule_sub_orchestration("WaitForGo", value))


@orchestration
def parent_of_failing(context: Any, value: Json) -> Turn:
    try:
        yield context.schedule_sub_orchestration("RaiseError", "caught by the parent")
    except Exception as error:
        context.set_custom_status(str(error)[:20])
    return (yield context.schedule_sub_orchestration("RaiseError", "not caught"))


@orchestration
def parent_drops_child(context: Any, value: Json) -> Turn:
    return (
        yield context.race(
            context.schedule_sub_orchestration("WaitForGo", None),
            context.schedule_timer(100),
        )
    )


@orchestration
def parent_of_chain(context: Any, value: Json) -> Turn:
    return (yield context.schedule_sub_orchestration("Chain", {"number": 1, "last": 3}))


@orchestration
def starts_others(context: Any, value: Json) -> Turn:
    yield context.start_orchestration("Work", f"{context.instance_id}-finished", 4)
    yield context.start_orchestration("WaitForGo", f"{context.instance_id}-waiting", None)
    return "started two"


@orchestration
def relay(context: Any, value: Json) -> Turn:
    """Run `legs`, each a kind and what is given to it, in one execution after another, and collect their results."""
    legs, results = list(value["legs"]), list(value.get("results", ()))
    while legs:
        kind, given = legs.pop(0)
        match kind:
            case "activity":
                results.append((yield context.schedule_activity("Double", given)))
            case "again":
                yield context.continue_as_new({"legs": legs, "results": results})
            case "child":
                results.append((yield context.schedule_sub_orchestration("WaitForGo", given)))
            case "clear":
                context.clear_kv_value(given)
            case "clear all":
                context.clear_all_kv_values()
            case "event":
                results.append((yield context.wait_for_event(given)))
            case "key":
                context.set_kv_value(*given)
            case "queue":
                results.append((yield context.dequeue_event(given)))
            case "status":
                context.set_custom_status(given)
            case "status reset":
                context.reset_custom_status()
            case "tagged":
                results.append((yield context.schedule_activity("Double", given).with_tag("gpu")))
            case "timer":
                results.append((yield context.schedule_timer(given)))
    return results


@orchestration
def program(context: Any, value: Json) -> Turn:
    """Do what the steps in `value` say, each a list of its kind and what is given to it; see `play`."""
    for step in value:
        kind, given = step[0], step[1:]
        if kind == "key":
            context.set_kv_value(*given)
        elif kind == "clear key":
            context.clear_kv_value(*given)
        elif kind == "clear keys":
            context.clear_all_kv_values()
        elif kind == "status":
            context.set_custom_status(*given)
        elif kind == "reset status":
            context.reset_custom_status()
        elif kind == "raise":
            raise ValueError(*given)
        elif kind == "again":
            yield context.continue_as_new(*given)
        elif kind == "detached":
            yield context.start_orchestration("Program", f"{context.instance_id}-{given[0]}", given[1])
        else:
            try:
                yield awaited(context, step)
            except ValueError:
                raise
            except Exception as error:
                context.set_custom_status(str(error)[:30])
    return len(value)


def awaited(context: Any, step: Json) -> Any:
    """What a step of a program waits for."""
    match step:
        case ["activity", given]:
            return context.schedule_activity("Echo", given)
        case ["failing"]:
            return context.schedule_activity("Fail", "by design")
        case ["retry"]:
            return context.schedule_activity_with_retry("FailOnce", 1, {"max_attempts": 3, "backoff": "linear"})
        case ["lingering", seconds]:
            return context.schedule_activity("Linger", seconds)
        case ["in session", session]:
            return context.schedule_activity("Echo", 1, session_id=session)
        case ["tagged"]:
            return context.schedule_activity("Echo", 1).with_tag("gpu")
        case ["timer", ms]:
            return context.schedule_timer(ms)
        case ["event", name]:
            return context.wait_for_event(name)
        case ["letter", name]:
            return context.dequeue_event(name)
        case ["child", steps]:
            return context.schedule_sub_orchestration("Program", steps)
        case ["all", steps]:
            return context.all([awaited(context, one) for one in steps])
        case ["race", first, second]:
            return context.race(awaited(context, first), awaited(context, second))
    raise LookupError(step)


@orchestration
def chain(context: Any, value: Json) -> Turn:
    """Run `last` executions, each with an activity, a status and a value; wait in the last one if told to."""
    number = value["number"]
    yield context.schedule_activity("Double", number)
    context.set_custom_status(f"execution {number}")
    context.set_kv_value("number", str(number))
    context.set_kv_value(f"only in {number}", "kept")
    if number < value["last"]:
        yield context.continue_as_new({**value, "number": number + 1})
    if value.get("wait"):
        yield context.wait_for_event("go")
    return {"last": number}


@orchestration
def between(context: Any, value: Json) -> Turn:
    """Continue as new at the very moment the runtime shuts down."""
    if value == 1:
        context.set_custom_status("carried over")
        context.set_kv_value("carried", "over")
        HOLD.until_leaving(context.instance_id)
        yield context.continue_as_new(2)
    return (yield context.wait_for_event("go"))


@orchestration
def between_held(context: Any, value: Json) -> Turn:
    """Continue as new, and hang in the first turn of the next execution."""
    if value == 1:
        yield context.continue_as_new(2)
    HOLD.forever(context.instance_id)
    return value


@orchestration
def continues_as_missing(context: Any, value: Json) -> Turn:
    """Continue as new in a version that nobody registered."""
    context.set_custom_status("on the way out")
    yield context.continue_as_new_versioned(value, MISSING_VERSION)
    return None


@versioned("Upgraded", "1.0.0")
def upgraded_one(context: Any, value: Json) -> Turn:
    yield context.continue_as_new_versioned(value, "2.0.0")
    return None


@versioned("Upgraded", "2.0.0")
def upgraded_two(context: Any, value: Json) -> Turn:
    yield context.schedule_activity("Echo", value)
    return "upgraded"


@orchestration
def hang_in_turn(context: Any, value: Json) -> Turn:
    """Hang in the first turn, or in the turn after the event."""
    context.set_custom_status("first turn")
    context.set_kv_value("turn", "first")
    if value == "later":
        yield context.wait_for_event("go")
        context.set_custom_status("later turn")
        context.set_kv_value("turn", "later")
    HOLD.forever(context.instance_id)
    return value


@orchestration
def hang_in_activity(context: Any, value: Json) -> Turn:
    if isinstance(value, dict):
        return (yield context.schedule_activity("Hang", value, session_id=value["session"]))
    return (yield context.schedule_activity("Hang", value))


@orchestration
def missing_activity(context: Any, value: Json) -> Turn:
    return (yield context.schedule_activity("NobodyRegisteredThis", value))


@orchestration
def tagged(context: Any, value: Json) -> Turn:
    return (yield context.schedule_activity("Echo", value).with_tag("gpu"))


@orchestration
def session(context: Any, value: Json) -> Turn:
    yield context.schedule_activity("Echo", 1, session_id=f"session of {context.instance_id}")
    return (yield context.schedule_activity("Echo", 2, session_id=f"session of {context.instance_id}"))


@orchestration
def race_won_by_timer(context: Any, value: Json) -> Turn:
    """The loser is what `value` says; where `ends` is false the orchestration goes on waiting."""
    loser = {
        "activity": lambda: context.schedule_activity("Linger", 0.3),
        "event": lambda: context.wait_for_event("never"),
        "queue": lambda: context.dequeue_event("never"),
        "tagged": lambda: context.schedule_activity("Echo", None).with_tag("gpu"),
    }[value["loser"]]()
    yield context.race(loser, context.schedule_timer(20))
    if not value["ends"]:
        yield context.wait_for_event("go")
    return "the timer won"


@orchestration
def race_won_by_event(context: Any, value: Json) -> Turn:
    """The losing timer stays in the queue, long after the orchestration has ended."""
    return (yield context.race(context.wait_for_event("go"), context.schedule_timer(30 * DAY_MS)))


@orchestration
def drops_all_kinds(context: Any, value: Json) -> Turn:
    """Lose a race against a timer with every kind of work; then complete, fail or continue as new."""
    if value == "again":
        return "the second execution ends at once"
    for loser in (
        context.schedule_activity("Echo", None).with_tag("gpu"),
        context.schedule_sub_orchestration("WaitForGo", None),
        context.wait_for_event("never"),
        context.dequeue_event("never"),
        context.schedule_timer(DAY_MS),
    ):
        yield context.race(loser, context.schedule_timer(20))
    if value == "failed":
        raise ValueError("all races lost")
    if value == "continued":
        yield context.continue_as_new("again")
    return "all races lost"


@orchestration
def waits_for_all_kinds(context: Any, value: Json) -> Turn:
    """Wait for every kind of work at once, so that an end from outside finds all of it outstanding."""
    if value == "nondeterministic" and HOLD.armed and not first_time(f"all-kinds {context.instance_id}"):
        yield context.schedule_activity("Echo", None)
    if value == "limit":
        context.set_custom_status("x" * (256 * 1024 + 1))
    yield context.all(
        [
            context.schedule_activity("Echo", None).with_tag("gpu"),
            context.schedule_sub_orchestration("WaitForGo", None),
            context.wait_for_event("never"),
            context.dequeue_event("never"),
            context.schedule_timer(DAY_MS),
            context.wait_for_event("go"),
        ]
    )
    return None


@orchestration
def dequeue_two(context: Any, value: Json) -> Turn:
    first = yield context.dequeue_event("letters")
    second = yield context.dequeue_event("letters")
    return [first, second]


@orchestration
def dequeue_and_continue(context: Any, value: Json) -> Turn:
    """Take one letter an execution; the letters that came too early are carried forward."""
    letter = yield context.dequeue_event("letters")
    if letter != "last":
        yield context.continue_as_new(value + 1)
    return {"executions": value}


@orchestration
def keys(context: Any, value: Json) -> Turn:
    """Set, overwrite and clear keys; clear them all; end or wait as `value` says."""
    for number in range(5):
        context.set_kv_value(f"key {number}", json.dumps({"type": "KeyValueSet", "number": number}))
    context.set_kv_value("kéy 🧽 '\"%\n", "vàlue 🧽 '\"%\n")
    context.set_kv_value("empty", "")
    yield context.schedule_activity("Echo", None)
    context.clear_kv_value("key 0")
    context.clear_kv_value("never set")
    context.set_kv_value("key 1", "overwritten")
    if value.get("clear_all"):
        context.clear_all_kv_values()
        context.set_kv_value("after", "clearing")
    yield context.schedule_activity("Echo", None)
    if value.get("again"):
        context.clear_kv_value("key 2")
        yield context.continue_as_new({**value, "again": False, "clear": ["key 3"]})
    for key in value.get("clear", ()):
        context.clear_kv_value(key)
    if value.get("wait"):
        yield context.wait_for_event("go")
    return context.get_kv_all_keys() and len(context.get_kv_all_keys())


@orchestration
def carried_keys(context: Any, value: Json) -> Turn:
    """Set keys in the first execution; in the second one overwrite one, clear one, and wait."""
    if value == 1:
        for key in ("kept", "overwritten", "cleared"):
            context.set_kv_value(key, "first")
        yield context.continue_as_new(2)
    context.set_kv_value("overwritten", "second")
    context.clear_kv_value("cleared")
    context.set_kv_value("new", "second")
    yield context.wait_for_event("go")
    context.clear_all_kv_values()
    return None


@orchestration
def remembers(context: Any, value: Json) -> Turn:
    """Set keys in two executions, wait, and tell what they hold after the event."""
    if value == 1:
        context.set_kv_value("kept", "first")
        context.set_kv_value("overwritten", "first")
        context.set_custom_status("first")
        yield context.continue_as_new(2)
    context.set_kv_value("overwritten", "second")
    yield context.wait_for_event("go")
    yield context.schedule_activity("Double", 7)
    return {key: context.get_kv_value(key) for key in ("kept", "overwritten")}


@orchestration
def statuses(context: Any, value: Json) -> Turn:
    """Set the custom status to each of `value` in turn, None meaning a reset; then wait."""
    for status in value:
        if status is None:
            context.reset_custom_status()
        else:
            context.set_custom_status(status)
        yield context.schedule_activity("Echo", status)
    return (yield context.wait_for_event("go"))


@orchestration
def carried_status(context: Any, value: Json) -> Turn:
    """Set a status in the first execution, which the next ones inherit; the third resets it if told to."""
    if value["number"] == 1:
        context.set_custom_status("from the first execution")
    if value["number"] == 3 and value["reset"]:
        context.reset_custom_status()
    if value["number"] < 4:
        yield context.continue_as_new({**value, "number": value["number"] + 1})
    return (yield context.wait_for_event("go"))


@orchestration
def too_much(context: Any, value: Json) -> Turn:
    """Break one of the engine's limits, in a turn that ends, goes on, or continues as new."""
    yield context.schedule_activity("Echo", None)
    if value["what"] == "status":
        context.set_custom_status("x" * (256 * 1024 + 1))
    elif value["what"] == "value":
        context.set_kv_value("big", "x" * (1024 * 1024))
    else:
        for number in range(500):
            context.set_kv_value(str(number), "")
    if value["then"] == "continue":
        yield context.continue_as_new(value)
    if value["then"] == "wait":
        yield context.wait_for_event("go")
    return "the limit is met by the end of the turn"


@orchestration
def parent_of_limited(context: Any, value: Json) -> Turn:
    return (yield context.schedule_sub_orchestration("TooMuch", {"what": "status", "then": "end"}))


@orchestration
def parent_of_missing(context: Any, value: Json) -> Turn:
    return (yield context.schedule_sub_orchestration("NobodyRegisteredThis", value))


@orchestration
def change_of_mind(context: Any, value: Json) -> Turn:
    """Take another road when replayed: the engine calls that nondeterministic."""
    if HOLD.armed and not first_time(f"change-of-mind {context.instance_id}"):
        yield context.schedule_activity("Echo", None)
    yield context.wait_for_event("go")
    return None


@orchestration
def no_text_in_postgresql(context: Any, value: Json) -> Turn:
    """Set a value that holds a NUL, which PostgreSQL's text cannot: in the first turn, or later, or in a next one."""
    if value == "later":
        yield context.schedule_activity("Echo", None)
    if value == "again":
        context.set_custom_status("of the first execution")
        yield context.continue_as_new("first")
    context.set_kv_value("nul", "a\x00b")
    yield context.schedule_activity("Echo", None)
    return "stored"


# --- stores, runtimes, and what scenarios do with them


def open_provider(target: str, schema: str | None) -> Any:
    """The engine's own provider for a target."""
    if not target.startswith("postgresql:"):
        return duroxide.SqliteProvider.open(target)
    if schema is None:
        return duroxide.PostgresProvider.connect(target)
    return duroxide.PostgresProvider.connect_with_schema(target, schema)


def make_runtime(provider: Any, dispatchers: int = 2, lease_ms: int | None = None, *, every_tag: bool = False) -> Any:
    """A runtime, not started yet, that knows every orchestration and activity of this file.

    Few dispatchers are the default: under contention SQLite turns the engine away as locked, and after a
    handful of attempts the engine fails the orchestration for good. `lease_ms` is how long its workers hold what they
    take, where that is to be other than the engine's own default. With `every_tag` they take activities of any tag.
    """
    options = duroxide.RuntimeOptions(
        orchestration_concurrency=dispatchers,
        worker_concurrency=dispatchers,
        dispatcher_poll_interval_ms=20,
        log_level="off",
        worker_node_id="holystone-tests",
        **({} if lease_ms is None else {"worker_lock_timeout_ms": lease_ms, "session_lock_timeout_ms": lease_ms}),
        **({"worker_tag_filter": duroxide.TagFilter.ANY} if every_tag else {}),
    )
    runtime = duroxide.Runtime(provider, options)
    for name, function in ACTIVITIES.items():
        runtime.register_activity(name, function)
    for (name, version), generator in ORCHESTRATIONS.items():
        if version is None:
            runtime.register_orchestration(name, generator)
        else:
            runtime.register_orchestration_versioned(name, version, generator)
    return runtime


class PatientClient:
    """The engine's client, except that a call is repeated while SQLite says that the store is locked."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*values: Any, **named: Any) -> Any:
            deadline = time.monotonic() + PATIENCE_MS / 1000
            while True:
                try:
                    return method(*values, **named)
                except RuntimeError as error:
                    if "is locked" not in str(error) or time.monotonic() > deadline:
                        raise
                time.sleep(0.02)

        return call


@dataclass
class Expected:
    """What the store should hold of one instance once the workload is done."""

    kind: str
    status: str
    live: bool
    executions: list[int]


@dataclass
class Bench:
    """A scenario's tools: a client of the store, and the record of what it left there."""

    target: str
    schema: str | None
    client: Any
    kind: str = ""
    expected: dict[str, Expected] = field(default_factory=dict)

    @property
    def postgresql(self) -> bool:
        """Whether the store is a PostgreSQL one."""
        return self.target.startswith("postgresql:")

    def named(self, kind: str) -> Bench:
        """The same bench, recording for another scenario."""
        return Bench(self.target, self.schema, self.client, kind, self.expected)

    def note(self, instance: str, status: str, *, live: bool = False, executions: int | list[int] = 1) -> None:
        """Record the state an instance is left in; a number of executions means 1 to that number."""
        numbers = list(range(1, executions + 1)) if isinstance(executions, int) else executions
        self.expected[instance] = Expected(self.kind, status, live, numbers)

    def note_running(self, instance: str, executions: int | list[int] = 1) -> None:
        """Record an instance that is left waiting for something."""
        self.note(instance, "Running", live=True, executions=executions)

    def start(self, instance: str, name: str, value: Json = None) -> str:
        """Start an orchestration and return its instance id."""
        self.client.start_orchestration(instance, name, value)
        return instance

    def finish(self, instance: str, status: str, executions: int | list[int] = 1) -> None:
        """Wait for the end of an instance, which must be as expected, and record it."""
        ended = self.settle(instance)
        if ended != status:
            raise AssertionError(f"{instance!r} is {ended}, not {status}")
        self.note(instance, status, executions=executions)

    def settle(self, instance: str) -> str:
        """Wait for the end of an instance, and return how it ended."""
        return str(self.client.wait_for_orchestration(instance, PATIENCE_MS).status)

    def run(self, instance: str, name: str, value: Json, status: str, executions: int = 1) -> None:
        """Start an orchestration, wait for its end, and record it."""
        self.start(instance, name, value)
        self.finish(instance, status, executions)

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Poll a condition until it holds."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(0.02)

    def children(self, instance: str) -> list[str]:
        """The sub-orchestrations of an instance, at whatever depth."""
        return [one for one in self.client.get_instance_tree(instance).all_ids if one != instance]

    def await_event(self, instance: str, kind: str, execution: int = 1, count: int = 1) -> None:
        """Wait until an execution's history holds `count` events of one kind."""
        self.wait_until(f"{kind} of {instance!r}", lambda: self.kinds(instance, execution).count(kind) >= count)

    def await_events(self, instance: str, execution: int, number: int) -> None:
        """Wait until an execution's history holds so many events."""
        self.wait_until(f"event {number} of {instance!r}", lambda: len(self.kinds(instance, execution)) >= number)

    def kinds(self, instance: str, execution: int) -> list[str]:
        """The kinds of the events that an execution has so far."""
        try:
            return [event.kind for event in self.client.read_execution_history(instance, execution)]
        except RuntimeError:
            return []

    def await_subscription(self, instance: str, execution: int = 1, count: int = 1) -> None:
        """Wait until an execution waits for an event."""
        self.await_event(instance, "ExternalSubscribed", execution, count)

    def edit(self, statement: str, *values: Any) -> list[Any]:
        """Run SQL behind the engine's back and return the rows it gives; placeholders are question marks."""
        if self.postgresql:
            import psycopg

            search_path = f"-csearch_path={self.schema}"
            with psycopg.connect(self.target, autocommit=True, options=search_path) as connection:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        # In a process of its own: two copies of SQLite in one process drop each other's file locks when
        # they close a file, and the store is corrupt soon after.
        given = json.dumps([self.target, statement, values])
        command = [sys.executable, "-c", EDIT]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
        return list(json.loads(done.stdout))


EDIT = """
import json, sqlite3, sys
target, statement, values = json.load(sys.stdin)
file = sqlite3.connect(target, timeout=20, isolation_level=None)
print(json.dumps(file.execute(statement, values).fetchall()))
"""


# --- scenarios


@dataclass(frozen=True)
class Scenario:
    """One part of a workload: when it runs, and whether it runs unless asked for by name."""

    name: str
    phase: str
    default: bool
    function: Callable[[Bench], None]


SCENARIOS: dict[str, Scenario] = {}
PHASES = ("running", "leaving", "stopped")


Build = Callable[[Bench], None]


def scenario(phase: str = "running", default: bool = True) -> Callable[[Build], Build]:
    """Register a scenario under its function's name, with dashes.

    Those of the phase `running` run at the same time under a live runtime. Those of `leaving` run one after
    the other once these are done, and may keep code in flight. Those of `stopped` run without a runtime.
    """

    def register(function: Build) -> Build:
        name = function.__name__.replace("_", "-")
        SCENARIOS[name] = Scenario(name, phase, default, function)
        return function

    return register


@scenario()
def completed(bench: Bench) -> None:
    bench.run("completed-plain", "Plain", {"number": 1}, "Completed")
    bench.run("completed-null", "Plain", None, "Completed")
    bench.run("completed-activity", "Work", 21, "Completed")
    bench.run("completed-fan-out", "FanOut", 12, "Completed")
    bench.run("completed-syscalls", "Syscalls", None, "Completed")
    bench.run("completed-big", "EchoBack", "x" * 100_000, "Completed")


@scenario()
def completed_started_again(bench: Bench) -> None:
    bench.run("completed-again", "Work", 1, "Completed")
    bench.run("completed-again", "Work", 2, "Completed")


@scenario()
def failed(bench: Bench) -> None:
    bench.run("failed-at-once", "RaiseAtOnce", "no", "Failed")
    bench.run("failed-later", "RaiseError", "not today", "Failed")
    bench.run("failed-activity", "ActivityFails", "broken", "Failed")
    bench.run("failed-looks-like-event", "ActivityFails", LOOKS_LIKE_EVENT, "Failed")
    bench.run("failed-caught", "ActivityFailureCaught", "broken", "Completed")
    bench.run("failed-then-retried", "Retry", 5, "Completed")


@scenario()
def panicked(bench: Bench) -> None:
    bench.run("panicked", "Panic", None, "Failed")


@scenario()
def cancelled(bench: Bench) -> None:
    for instance, reason in (("cancelled-reason", 'it\'s "over" 🧽'), ("cancelled-no-reason", None)):
        bench.start(instance, "WaitForGo")
        bench.await_subscription(instance)
        bench.client.cancel_instance(instance, reason)
        bench.finish(instance, "Failed")


@scenario()
def cancelled_at_once(bench: Bench) -> None:
    bench.start("cancelled-at-once", "WaitForGo")
    bench.client.cancel_instance("cancelled-at-once", "before it ran")
    bench.finish("cancelled-at-once", "Failed")


@scenario()
def cancelled_parent(bench: Bench) -> None:
    bench.start("cancelled-parent", "ParentOfWaiting")
    bench.await_subscription("cancelled-parent::sub::2")
    bench.client.cancel_instance("cancelled-parent", "with its child")
    bench.finish("cancelled-parent", "Failed")
    bench.finish("cancelled-parent::sub::2", "Failed")


@scenario()
def parents(bench: Bench) -> None:
    bench.start("grandparent", "Grandparent")
    bench.finish("grandparent", "Completed")
    bench.note("grandparent::sub::2", "Completed")
    for child in ("sub::2", "sub::4"):
        bench.note(f"grandparent::sub::2::{child}", "Completed")
    bench.note("grandparent::sub::2-named-child", "Completed")
    bench.run("parent-of-chain", "ParentOfChain", None, "Completed")
    bench.note("parent-of-chain::sub::2", "Completed", executions=3)


@scenario()
def parent_of_failures(bench: Bench) -> None:
    bench.run("parent-of-failures", "ParentOfFailing", None, "Failed")
    for child in bench.children("parent-of-failures"):
        bench.finish(child, "Failed")


@scenario()
def parent_waiting(bench: Bench) -> None:
    bench.start("parent-waiting", "ParentOfWaiting")
    bench.await_subscription("parent-waiting::sub::2")
    bench.note_running("parent-waiting")
    bench.note_running("parent-waiting::sub::2")


@scenario()
def parent_dropped_child(bench: Bench) -> None:
    bench.run("parent-dropped", "ParentDropsChild", None, "Completed")
    bench.finish("parent-dropped::sub::2", "Failed")


@scenario()
def detached(bench: Bench) -> None:
    bench.run("detached", "StartsOthers", None, "Completed")
    bench.await_subscription("detached-waiting")
    bench.finish("detached-finished", "Completed")
    bench.note_running("detached-waiting")


@scenario()
def chains(bench: Bench) -> None:
    bench.start("chain-waiting", "Chain", {"number": 1, "last": 3, "wait": True})
    bench.run("chain-finished", "Chain", {"number": 1, "last": 4}, "Completed", executions=4)
    bench.await_subscription("chain-waiting", execution=3)
    bench.note_running("chain-waiting", executions=3)


@scenario()
def chain_upgraded(bench: Bench) -> None:
    bench.client.start_orchestration_versioned("chain-upgraded", "Upgraded", None, "1.0.0")
    bench.finish("chain-upgraded", "Completed", 2)


@scenario()
def chain_cancelled(bench: Bench) -> None:
    bench.start("chain-cancelled", "Chain", {"number": 1, "last": 2, "wait": True})
    bench.await_subscription("chain-cancelled", execution=2)
    bench.client.cancel_instance("chain-cancelled", "in its second execution")
    bench.finish("chain-cancelled", "Failed", 2)


@scenario()
def between_backed_off(bench: Bench) -> None:
    bench.start("between-backed-off", "ContinuesAsMissing")
    bench.await_event("between-backed-off", "OrchestrationContinuedAsNew")
    bench.note("between-backed-off", "ContinuedAsNew", live=True)


@scenario()
def timers(bench: Bench) -> None:
    bench.start("timer-pending", "Timer", 30 * DAY_MS)
    bench.run("timer-fired", "Timer", 10, "Completed")
    bench.await_event("timer-pending", "TimerCreated")
    bench.note_running("timer-pending")


@scenario()
def waiting(bench: Bench) -> None:
    bench.start("waiting", "WaitForGo")
    bench.start("waiting-after-work", "WorkThenWait")
    bench.start("waiting-answered", "WaitForGo")
    for instance in ("waiting", "waiting-after-work", "waiting-answered"):
        bench.await_subscription(instance)
        bench.note_running(instance)
    bench.client.raise_event("waiting-answered", "nobody waits for this", None)
    bench.client.raise_event("waiting-answered", "go", {"answer": LOOKS_LIKE_EVENT})
    bench.finish("waiting-answered", "Completed")


@scenario()
def queues(bench: Bench) -> None:
    for instance in ("queue-done", "queue-half", "queue-empty"):
        bench.start(instance, "DequeueTwo")
        bench.await_event(instance, "QueueSubscribed")
        bench.note_running(instance)
    for letter in ("one", LOOKS_LIKE_MESSAGE):
        bench.client.enqueue_event("queue-done", "letters", letter)
    bench.client.enqueue_event("queue-half", "letters", "one")
    bench.client.enqueue_event("queue-half", "parcels", "nobody takes this")
    bench.await_event("queue-half", "QueueSubscribed", count=2)
    bench.await_event("queue-half", "QueueEventDelivered", count=2)
    bench.finish("queue-done", "Completed")


@scenario()
def queue_carried(bench: Bench) -> None:
    for instance, letters in (("queue-carried", ["a", "b", "c", "last"]), ("queue-carried-live", ["a", "b"])):
        bench.start(instance, "DequeueAndContinue", 1)
        bench.await_event(instance, "QueueSubscribed")
        for letter in letters:
            bench.client.enqueue_event(instance, "letters", letter)
    bench.finish("queue-carried", "Completed", 4)
    bench.await_event("queue-carried-live", "QueueSubscribed", execution=3)
    bench.note_running("queue-carried-live", 3)


@scenario()
def key_values(bench: Bench) -> None:
    bench.start("kv-live", "Keys", {"wait": True})
    bench.start("kv-live-cleared", "Keys", {"wait": True, "clear_all": True})
    bench.start("kv-carried", "CarriedKeys", 1)
    bench.start("kv-carried-cleared", "CarriedKeys", 1)
    bench.run("kv-finished", "Keys", {}, "Completed")
    bench.run("kv-finished-cleared", "Keys", {"clear_all": True}, "Completed")
    bench.run("kv-continued", "Keys", {"again": True}, "Completed", executions=2)
    waiting = {"kv-live": 1, "kv-live-cleared": 1, "kv-carried": 2, "kv-carried-cleared": 2}
    for instance, executions in waiting.items():
        bench.await_subscription(instance, executions)
        bench.note_running(instance, executions)
    bench.client.raise_event("kv-carried-cleared", "go", None)
    bench.finish("kv-carried-cleared", "Completed", 2)


@scenario()
def custom_statuses(bench: Bench) -> None:
    bench.start("status-set", "Statuses", ["one", "two", LOOKS_LIKE_EVENT])
    bench.start("status-reset", "Statuses", ["one", None])
    bench.start("status-set-again", "Statuses", ["one", None, "", "🧽"])
    bench.start("status-never", "Statuses", [])
    bench.start("status-carried", "CarriedStatus", {"number": 1, "reset": False})
    bench.start("status-carried-reset", "CarriedStatus", {"number": 1, "reset": True})
    for instance in ("status-set", "status-reset", "status-set-again", "status-never"):
        bench.await_subscription(instance)
        bench.note_running(instance)
    for instance in ("status-carried", "status-carried-reset"):
        bench.await_subscription(instance, execution=4)
        bench.note_running(instance, 4)


@scenario()
def nondeterministic(bench: Bench) -> None:
    bench.start("nondeterministic", "ChangeOfMind")
    bench.await_subscription("nondeterministic")
    bench.client.raise_event("nondeterministic", "go", None)
    bench.finish("nondeterministic", "Failed")


@scenario()
def unregistered(bench: Bench) -> None:
    bench.start("unregistered", "NobodyRegisteredThis")
    bench.client.start_orchestration_versioned("unregistered-version", "Upgraded", None, MISSING_VERSION)
    bench.start("unregistered-activity", "MissingActivity")
    bench.await_event("unregistered-activity", "ActivityScheduled")
    bench.note("unregistered", "not-started", live=True, executions=0)
    bench.note("unregistered-version", "not-started", live=True, executions=0)
    bench.note_running("unregistered-activity")


@scenario()
def routed(bench: Bench) -> None:
    bench.start("tagged", "Tagged")
    bench.run("session", "Session", None, "Completed")
    bench.await_event("tagged", "ActivityScheduled")
    bench.note_running("tagged")


@scenario()
def races(bench: Bench) -> None:
    losers = ("activity", "event", "queue", "tagged")
    for loser in losers:
        bench.start(f"race-lost-by-{loser}", "RaceWonByTimer", {"loser": loser, "ends": True})
        bench.start(f"race-lost-by-{loser}-live", "RaceWonByTimer", {"loser": loser, "ends": False})
    for loser in losers:
        bench.finish(f"race-lost-by-{loser}", "Completed")
        bench.await_subscription(f"race-lost-by-{loser}-live", count=2 if loser == "event" else 1)
        bench.note_running(f"race-lost-by-{loser}-live")


@scenario()
def race_lost_by_timer(bench: Bench) -> None:
    bench.start("race-lost-by-timer", "RaceWonByEvent")
    bench.await_subscription("race-lost-by-timer")
    bench.client.raise_event("race-lost-by-timer", "go", 1)
    bench.finish("race-lost-by-timer", "Completed")


@scenario()
def races_all_lost(bench: Bench) -> None:
    ends = {"completed": "Completed", "failed": "Failed", "continued": "Completed"}
    for end in ends:
        bench.start(f"races-{end}", "DropsAllKinds", end)
    for end, status in ends.items():
        bench.finish(f"races-{end}", status, 2 if end == "continued" else 1)
        for child in bench.children(f"races-{end}"):
            bench.finish(child, "Failed")


@scenario()
def work_outstanding(bench: Bench) -> None:
    """An execution that is ended from outside: the engine then writes events after the terminal one."""
    for end in ("live", "canceled", "nondeterministic", "limit"):
        bench.start(f"outstanding-{end}", "WaitsForAllKinds", end)
    for end in ("live", "canceled", "nondeterministic"):
        bench.await_subscription(f"outstanding-{end}", count=2)
        bench.await_subscription(f"outstanding-{end}::sub::3")
        bench.note_running(f"outstanding-{end}")
        bench.note_running(f"outstanding-{end}::sub::3")
    bench.client.cancel_instance("outstanding-canceled", "with work outstanding")
    bench.client.raise_event("outstanding-nondeterministic", "go", None)
    for end in ("canceled", "nondeterministic", "limit"):
        bench.finish(f"outstanding-{end}", "Failed")
    bench.finish("outstanding-canceled::sub::3", "Failed")


@scenario()
def limits(bench: Bench) -> None:
    for what in ("status", "value", "keys"):
        for then in ("end", "wait", "continue"):
            bench.start(f"limit-{what}-{then}", "TooMuch", {"what": what, "then": then})
    for what in ("status", "value", "keys"):
        for then in ("end", "wait", "continue"):
            bench.finish(f"limit-{what}-{then}", "Failed")


@scenario()
def infrastructure(bench: Bench) -> None:
    bench.run("infrastructure", "NoTextInPostgresql", "later", "Failed" if bench.postgresql else "Completed")


@scenario()
def pruned(bench: Bench) -> None:
    bench.start("pruned-live", "Chain", {"number": 1, "last": 5, "wait": True})
    bench.start("pruned-finished", "Chain", {"number": 1, "last": 5})
    bench.await_subscription("pruned-live", execution=5)
    bench.settle("pruned-finished")
    for instance, keep in (("pruned-live", 2), ("pruned-finished", 1)):
        bench.client.prune_executions(instance, duroxide.PruneOptions(keep_last=keep))
    bench.note_running("pruned-live", [4, 5])
    bench.note("pruned-finished", "Completed", executions=[5])


@scenario()
def deleted(bench: Bench) -> None:
    ids = ["deleted-forced", "deleted-finished", "deleted-bulk-1", "deleted-bulk-2", "deleted-parent"]
    bench.start("deleted-forced", "Chain", {"number": 1, "last": 2, "wait": True})
    bench.start("deleted-parent", "ParentOfWaiting")
    for instance in ids[1:4]:
        bench.start(instance, "Keys", {})
    for instance in ids[1:4]:
        bench.settle(instance)
    bench.await_subscription("deleted-forced", execution=2)
    bench.await_subscription("deleted-parent::sub::2")
    bench.client.delete_instance("deleted-forced", force=True)
    bench.client.delete_instance("deleted-parent", force=True)
    bench.client.delete_instance("deleted-finished")
    bench.client.delete_instance_bulk(duroxide.InstanceFilter(instance_ids=ids[2:4]))
    for instance in [*ids, "deleted-parent::sub::2"]:
        bench.note(instance, "deleted", executions=0)


@scenario()
def deleted_then_started_again(bench: Bench) -> None:
    bench.run("deleted-reused", "Chain", {"number": 1, "last": 3}, "Completed", executions=3)
    bench.client.delete_instance("deleted-reused")
    bench.run("deleted-reused", "Work", 3, "Completed")


@scenario()
def awkward_ids(bench: Bench) -> None:
    for instance in AWKWARD_IDS:
        bench.start(instance, "Chain", {"number": 1, "last": 2})
        bench.start(f"{instance} waiting", "ParentOfWaiting")
    for instance in AWKWARD_IDS:
        bench.finish(instance, "Completed", 2)
        bench.await_subscription(f"{instance} waiting::sub::2")
        bench.note_running(f"{instance} waiting")
        bench.note_running(f"{instance} waiting::sub::2")


@scenario()
def awkward_payloads(bench: Bench) -> None:
    for number, payload in enumerate(AWKWARD_PAYLOADS):
        bench.start(f"payload-{number}", "EchoBack", payload)
    for number in range(len(AWKWARD_PAYLOADS)):
        bench.finish(f"payload-{number}", "Completed")


@scenario("leaving")
def activity_in_flight(bench: Bench) -> None:
    session = {"session": "session of the activity in flight"}
    for instance, value in (("activity-in-flight", None), ("activity-in-flight-on-session", session)):
        bench.start(instance, "HangInActivity", value)
        HOLD.await_entry(instance)
        bench.note_running(instance)


@scenario("leaving")
def turn_in_flight(bench: Bench) -> None:
    bench.start("turn-in-flight-later", "HangInTurn", "later")
    bench.await_subscription("turn-in-flight-later")
    bench.client.raise_event("turn-in-flight-later", "go", None)
    bench.start("turn-in-flight-first", "HangInTurn", "first")
    for instance in ("turn-in-flight-first", "turn-in-flight-later"):
        HOLD.await_entry(instance)
    bench.note_running("turn-in-flight-later")
    bench.note("turn-in-flight-first", "not-started", live=True, executions=0)


@scenario("leaving")
def between_in_flight(bench: Bench) -> None:
    bench.start("between-in-flight", "BetweenHeld", 1)
    HOLD.await_entry("between-in-flight")
    bench.note("between-in-flight", "ContinuedAsNew", live=True)


@scenario("leaving")
def between_stopped(bench: Bench) -> None:
    bench.start("between-stopped", "Between", 1)
    HOLD.await_entry("between-stopped")
    bench.note("between-stopped", "ContinuedAsNew", live=True)


@scenario("leaving")
def messages_waiting(bench: Bench) -> None:
    for instance in ("message-waiting-event", "message-waiting-cancel"):
        bench.start(instance, "WaitForGo")
        bench.await_subscription(instance)
        bench.note_running(instance)
    bench.run("message-waiting-ended", "Plain", None, "Completed")


@scenario("stopped")
def messages_queued(bench: Bench) -> None:
    """Messages that nobody has taken yet, for the instances of `messages-waiting`."""
    if "message-waiting-event" not in bench.expected:
        return
    bench.client.raise_event("message-waiting-event", "go", LOOKS_LIKE_EVENT)
    bench.client.enqueue_event("message-waiting-event", "letters", "one")
    bench.client.cancel_instance("message-waiting-cancel", "not taken yet")
    bench.client.raise_event("message-waiting-ended", "go", "too late")
    bench.start("message-waiting-ended", "Plain", "started again")


@scenario("stopped")
def not_started(bench: Bench) -> None:
    bench.start("not-started", "Work", 1)
    bench.client.start_orchestration_versioned("not-started-version", "Upgraded", None, "2.0.0")
    bench.start("not-started-event", "WaitForGo")
    bench.client.raise_event("not-started-event", "go", "early")
    bench.start("not-started-cancelled", "WaitForGo")
    bench.client.cancel_instance("not-started-cancelled", "early")
    for instance in ("not-started", "not-started-version", "not-started-event", "not-started-cancelled"):
        bench.note(instance, "not-started", live=True, executions=0)


def exhaust_attempts(bench: Bench, table: str, instance: str) -> None:
    """Make the next attempt at an instance's messages one too many, as only patience would otherwise."""
    now = "now()" if bench.postgresql else str(int(time.time() * 1000))
    column = "work_item LIKE ?" if table == "worker_queue" else "instance_id = ?"
    value = f"%{instance}%" if table == "worker_queue" else instance
    statement = (
        f"UPDATE {table} SET attempt_count = {MAX_ATTEMPTS}, visible_at = {now}"
        f" WHERE {column} AND attempt_count > 0 AND visible_at > {now} RETURNING 1"
    )
    bench.wait_until(f"a first attempt at {instance!r}", lambda: bool(bench.edit(statement, value)))


@scenario(default=False)
def poisoned(bench: Bench) -> None:
    """Unreadable history (a row edited by hand), an unreadable message and an unregistered activity."""
    bench.start("poisoned-history", "WaitForGo")
    bench.await_subscription("poisoned-history")
    unknown = {"event_id": 2, "source_event_id": None, "instance_id": "poisoned-history", "execution_id": 1}
    unknown |= {"timestamp_ms": 1, "duroxide_version": "99.0.0", "type": "FromALaterEngine"}
    bench.edit(
        "UPDATE history SET event_data = ? WHERE instance_id = 'poisoned-history' AND event_id = 2",
        json.dumps(unknown, separators=(",", ":")),
    )
    bench.client.raise_event("poisoned-history", "go", None)
    exhaust_attempts(bench, "orchestrator_queue", "poisoned-history")
    bench.start("poisoned-message", "NobodyRegisteredThis")
    exhaust_attempts(bench, "orchestrator_queue", "poisoned-message")
    bench.start("poisoned-activity", "MissingActivity")
    exhaust_attempts(bench, "worker_queue", "poisoned-activity")
    bench.finish("poisoned-message", "Failed")
    bench.finish("poisoned-activity", "Failed")
    # Not `finish`: the status API cannot read this history any more.
    info = bench.client.get_instance_info
    bench.wait_until("poisoned-history", lambda: bool(info("poisoned-history").status == "Failed"))
    bench.note("poisoned-history", "Failed")


@scenario(default=False)
def ghost(bench: Bench) -> None:
    """An event raised to nobody: SQLite halts on it, PostgreSQL makes a row for it."""
    bench.client.raise_event("ghost", "go", None)
    if bench.postgresql:
        made = "SELECT 1 FROM executions WHERE instance_id = 'ghost'"
        bench.wait_until("the ghost", lambda: bool(bench.edit(made)))
    bench.note("ghost", "not-started", executions=1 if bench.postgresql else 0)


@scenario(default=False)
def ghost_failed(bench: Bench) -> None:
    """A first turn that PostgreSQL cannot store: a failed execution with one event, and no instance."""
    bench.start("ghost-failed", "NoTextInPostgresql", "first")
    ended = bench.settle("ghost-failed")
    bench.note("ghost-failed", "not-started" if bench.postgresql else ended)


@scenario(default=False)
def parent_never_told(bench: Bench) -> None:
    """A child that breaks a limit in the turn that ends it: its parent is not told, and waits for good."""
    bench.start("parent-never-told", "ParentOfLimited")
    bench.await_event("parent-never-told::sub::2", "OrchestrationFailed")
    bench.note("parent-never-told::sub::2", "Failed")
    bench.note("parent-never-told", "Running")


@scenario(default=False)
def chains_given_up(bench: Bench) -> None:
    """Executions that the engine fails before they begin: what comes next is unregistered, or cannot be stored."""
    bench.start("chain-poisoned", "ContinuesAsMissing")
    bench.await_event("chain-poisoned", "OrchestrationContinuedAsNew")
    exhaust_attempts(bench, "orchestrator_queue", "chain-poisoned")
    bench.start("chain-not-stored", "NoTextInPostgresql", "again")
    for instance in ("chain-poisoned", "chain-not-stored"):
        status = bench.settle(instance)
        bench.note(instance, status, executions=bench.client.list_executions(instance))


@scenario(default=False)
def deleted_before_its_child(bench: Bench) -> None:
    """A parent that is deleted while its child is still to be started: the child is failed without a parent."""
    parent = "deleted-early"
    bench.start(parent, "ParentOfMissing")
    bench.await_event(parent, "SubOrchestrationScheduled")
    bench.client.delete_instance(parent, force=True)
    bench.note(parent, "deleted", executions=0)
    exhaust_attempts(bench, "orchestrator_queue", f"{parent}::sub::2")
    if bench.postgresql:
        bench.finish(f"{parent}::sub::2", "Failed")


@scenario(default=False)
def halted(bench: Bench) -> None:
    """A store whose dispatcher can take no message any more, so that an orchestration never starts."""
    if bench.postgresql:
        bench.start("halted-cause", "WaitForGo")
        bench.await_subscription("halted-cause")
        bench.edit("UPDATE history SET event_data = 'not JSON' WHERE instance_id = 'halted-cause' AND event_id = 2")
        bench.note_running("halted-cause")
    else:
        bench.note("halted-cause", "not-started", executions=0)
    bench.client.raise_event("halted-cause", "go", None)
    time.sleep(0.5)
    bench.start("halted-victim", "Plain")
    time.sleep(1)
    bench.note("halted-victim", "not-started", executions=0)


# --- a small population for the judge: instances whose continuations are known


JUDGED_EVENTS: list[Json] = [
    *(
        ["event", instance, "go"]
        for instance in (
            "live-chain",
            "live-event",
            "live-fan",
            "live-keys",
            "live-parent::sub::2",
            "live-race",
            "live-relay",
            "live-session",
            "live-status",
        )
    ),
    ["letter", "live-queue", "letters"],
]
"""What happens outside afterwards: with it, and with runtimes that take every tag, all instances but one end."""


JUDGED_LEASE_MS = 5000
"""Locks of workers that died lapse this soon, so that a store need not lie about long before it is judged."""


@scenario(default=False)
def judged(bench: Bench) -> None:
    """Ended in each way, and waiting for each kind of thing."""
    bench.run("done-work", "Work", 21, "Completed")
    bench.run("done-failed", "ActivityFails", "broken", "Failed")
    bench.run("done-parent", "Program", [["child", [["activity", 1]]]], "Completed")
    bench.note("done-parent::sub::2", "Completed")
    bench.run("done-chain", "Chain", {"number": 1, "last": 3}, "Completed", executions=3)
    bench.run("done-pruned", "Chain", {"number": 1, "last": 3}, "Completed", executions=3)
    bench.client.prune_executions("done-pruned", duroxide.PruneOptions(keep_last=1))
    bench.note("done-pruned", "Completed", executions=[3])
    bench.start("done-cancelled", "WaitForGo")
    bench.await_subscription("done-cancelled")
    bench.client.cancel_instance("done-cancelled", "not wanted")
    bench.finish("done-cancelled", "Failed")
    relay = [["activity", 1], ["again", None], ["key", ["a", "b"]], ["activity", 2], ["event", "go"], ["activity", 3]]
    waiting: dict[str, tuple[str, Json, int]] = {
        "live-answered": ("WaitForGo", None, 1),
        "live-cancelled": ("WaitForGo", None, 1),
        "live-chain": ("Chain", {"number": 1, "last": 3, "wait": True}, 3),
        "live-event": ("WorkThenWait", None, 1),
        "live-either": ("RaceWonByEvent", None, 1),
        "live-fan": ("Program", [["all", [["tagged"], ["activity", 1], ["event", "go"]]], ["activity", 2]], 1),
        "live-keys": ("Remembers", 1, 2),
        "live-race": ("RaceWonByEvent", None, 1),
        "live-relay": ("Relay", {"legs": relay}, 2),
        "live-session": ("Program", [["in session", "s"], ["event", "go"], ["in session", "s"]], 1),
        "live-status": ("Statuses", ["one", "two"], 1),
    }
    for instance, (name, value, _) in waiting.items():
        bench.start(instance, name, value)
    bench.start("live-parent", "ParentOfWaiting")
    bench.start("live-queue", "DequeueTwo")
    bench.start("live-tagged", "Relay", {"legs": [["tagged", 1], ["activity", 2]]})
    bench.start("live-far", "Timer", 30 * DAY_MS)
    bench.client.enqueue_event("live-queue", "letters", "one")
    for instance, (_, _, executions) in waiting.items():
        bench.await_subscription(instance, executions)
        bench.note_running(instance, executions)
    bench.await_subscription("live-parent::sub::2")
    bench.await_event("live-queue", "QueueSubscribed", count=2)
    bench.await_event("live-fan", "ActivityCompleted")
    bench.await_event("live-tagged", "ActivityScheduled")
    bench.await_event("live-far", "TimerCreated")
    for instance in ("live-parent", "live-parent::sub::2", "live-queue", "live-tagged", "live-far"):
        bench.note_running(instance)


@scenario("leaving", default=False)
def judged_in_flight(bench: Bench) -> None:
    """Locked by a runtime that dies, or waiting for a timer that fires once it is dead."""
    bench.start("live-timer", "Relay", {"legs": [["activity", 1], ["timer", 4000], ["activity", 2]]})
    bench.await_event("live-timer", "TimerCreated")
    bench.note_running("live-timer")
    bench.start("held-activity", "HangInActivity", None)
    HOLD.await_entry("held-activity")
    bench.note_running("held-activity")
    bench.start("held-turn", "HangInTurn", "later")
    bench.await_subscription("held-turn")
    bench.client.raise_event("held-turn", "go", None)
    HOLD.await_entry("held-turn")
    bench.note_running("held-turn")
    bench.start("held-between", "BetweenHeld", 1)
    HOLD.await_entry("held-between")
    bench.note("held-between", "ContinuedAsNew", live=True)


@scenario("stopped", default=False)
def judged_queued(bench: Bench) -> None:
    """Messages that nobody has taken yet."""
    bench.client.raise_event("live-answered", "go", "answer")
    bench.client.cancel_instance("live-cancelled", "not taken yet")
    bench.client.raise_event("done-work", "go", "too late")
    bench.start("new-work", "Work", 1)
    bench.note("new-work", "not-started", live=True, executions=0)


# --- commands


def workload(target: str, schema: str | None, only: list[str]) -> Json:
    """Build the scenarios, all the default ones unless some are named, and leave the store as they stand."""
    chosen = [SCENARIOS[name] for name in only] or [one for one in SCENARIOS.values() if one.default]
    if SCENARIOS["messages-waiting"] in chosen and SCENARIOS["messages-queued"] not in chosen:
        chosen.append(SCENARIOS["messages-queued"])
    HOLD.armed = True
    provider = open_provider(target, schema)
    bench = Bench(target, schema or "public", PatientClient(duroxide.Client(provider)))
    by_phase = {phase: [one for one in chosen if one.phase == phase] for phase in PHASES}
    lease_ms = JUDGED_LEASE_MS if SCENARIOS["judged"] in chosen else None
    if by_phase["running"]:
        runtime = make_runtime(provider, lease_ms=lease_ms)
        runtime.start()
        run_together(bench, by_phase["running"])
        runtime.shutdown(100)
    if by_phase["leaving"]:
        runtime = make_runtime(provider, dispatchers=HELD + 1, lease_ms=lease_ms)
        runtime.start()
        run_in_turn(bench, by_phase["leaving"])
        leave(runtime)
    run_in_turn(bench, by_phase["stopped"])
    return {instance: vars(expected) for instance, expected in bench.expected.items()}


def leave(runtime: Any) -> None:
    """Tell the runtime to take no more messages, and wait for what is not held to end.

    The engine's own call may never return while turns are held, and need not: the process ends soon.
    """
    HOLD.leaving.set()
    threading.Thread(target=runtime.shutdown, args=(400,), daemon=True).start()
    time.sleep(0.6)


def run_together(bench: Bench, scenarios: list[Scenario]) -> None:
    """Run scenarios at the same time; the first error of any of them is raised once all have ended."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = {one.name: pool.submit(one.function, bench.named(one.name)) for one in scenarios}
    for name, future in futures.items():
        report(name, future.exception())


def run_in_turn(bench: Bench, scenarios: list[Scenario]) -> None:
    """Run scenarios one after the other."""
    for one in scenarios:
        try:
            one.function(bench.named(one.name))
        except Exception as error:
            report(one.name, error)


def report(name: str, error: BaseException | None) -> None:
    """Say which scenario failed, and fail."""
    if error is not None:
        raise RuntimeError(f"scenario {name}: {error}") from error


def run(target: str, schema: str | None, seconds: float) -> Json:
    """Let a runtime that knows all orchestrations work on the store for a while."""
    provider = open_provider(target, schema)
    runtime = make_runtime(provider)
    runtime.start()
    say({"ready": True})
    time.sleep(seconds)
    runtime.shutdown(1000)
    return {"seconds": seconds}


def run_until(target: str, schema: str | None, events: Json, start: Json) -> Json:
    """Start orchestrations, and let a runtime work until executions have so many events.

    `events` is a list of instance, execution and number of events; `start` of instance, name and input.
    """
    provider = open_provider(target, schema)
    bench = Bench(target, schema, PatientClient(duroxide.Client(provider)))
    runtime = make_runtime(provider)
    runtime.start()
    for instance, name, value in start:
        bench.start(instance, name, value)
    for instance, execution, number in events:
        bench.await_events(instance, execution, number)
    runtime.shutdown(1000)
    return {"started": len(start)}


def play(target: str, schema: str | None, script: Json) -> Json:
    """Let a runtime work while the acts of a script are played; leave the store as it stands at the end.

    An act is a list of its kind and what is given to it: `start` an instance with the steps of a program, `event`,
    `letter` and `cancel` for an instance, `prune` and `delete` one, `wait` so many ms, `restart` the runtime (and have
    it take `every tag`), and as the last one `die`, which ends the process in the midst of whatever it does.
    """
    provider = open_provider(target, schema)
    client = PatientClient(duroxide.Client(provider))
    # One of each kind on SQLite: more lock each other out until the engine fails an orchestration for good.
    dispatchers = 1 if schema is None else 2
    runtime = make_runtime(provider, dispatchers)
    runtime.start()
    for act in script:
        match act:
            case ["start", instance, steps]:
                client.start_orchestration(instance, "Program", steps)
            case ["event", instance, name]:
                client.raise_event(instance, name, {"by": "the script"})
            case ["letter", instance, name]:
                client.enqueue_event(instance, name, {"by": "the script"})
            case ["cancel", instance]:
                client.cancel_instance(instance, "by the script")
            case ["prune", instance, keep]:
                with suppress(RuntimeError):  # it may not have begun yet
                    client.prune_executions(instance, duroxide.PruneOptions(keep_last=keep))
            case ["delete", instance]:
                with suppress(RuntimeError):  # it may be running
                    client.delete_instance(instance, False)
            case ["wait", ms]:
                time.sleep(ms / 1000)
            case ["restart", *words]:
                runtime.shutdown(500)
                runtime = make_runtime(provider, dispatchers, every_tag="every tag" in words)
                runtime.start()
            case ["die"]:
                say({"acts": len(script)})
                os._exit(0)
            case _:
                raise LookupError(act)
    runtime.shutdown(1000)
    return {"acts": len(script)}


LOADS: list[tuple[str, Json]] = [
    ("Work", 1),
    ("Plain", {"number": 1}),
    ("Chain", {"number": 1, "last": 3}),
    ("RaiseError", "not today"),
    ("Keys", {"clear_all": True}),
    ("Parent", None),
    ("Timer", 5),
    ("DropsAllKinds", "completed"),
    ("EchoBack", LOOKS_LIKE_EVENT),
]


def load(target: str, schema: str | None, seconds: float) -> Json:
    """Keep orchestrations of all kinds starting and ending, at full speed, for a while."""
    provider = open_provider(target, schema)
    client = duroxide.Client(provider)
    runtime = make_runtime(provider)
    runtime.start()
    say({"ready": True})
    deadline = time.monotonic() + seconds
    started = [0] * 8

    def keep_starting(lane: int) -> None:
        while time.monotonic() < deadline:
            name, value = LOADS[started[lane] % len(LOADS)]
            instance = f"load-{os.getpid()}-{lane}-{started[lane]}"
            client.start_orchestration(instance, name, value)
            started[lane] += 1
            client.wait_for_orchestration(instance, PATIENCE_MS)

    with ThreadPoolExecutor(max_workers=len(started)) as pool:
        list(pool.map(keep_starting, range(len(started))))
    runtime.shutdown(1000)
    return {"seconds": seconds, "started": sum(started)}


def plain_data(value: Json) -> Json:
    """The engine's records as what JSON can hold: a record becomes its public attributes."""
    if value is None or isinstance(value, (str, int, float, dict)):
        return value
    if isinstance(value, list):
        return [plain_data(one) for one in value]
    return {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}


def statuses_of_all(client: Any) -> Json:
    """What the status API says of every instance, which it reads from history.

    `Unreadable` is our own word for an instance whose history it refuses to read.
    """
    found = {}
    for one in client.list_all_instances():
        try:
            found[one] = plain_data(client.get_status(one))
        except RuntimeError as error:
            found[one] = {"status": "Unreadable", "error": str(error)}
    return found


STATUSES = ("Running", "Completed", "Failed", "ContinuedAsNew")


def instance_columns(client: Any, instance: str) -> Json:
    """What the management API says of an instance and its executions, which it reads from columns."""
    numbers = client.list_executions(instance)
    executions = [plain_data(client.get_execution_info(instance, number)) for number in numbers]
    return {**plain_data(client.get_instance_info(instance)), "executions": executions}


@dataclass(frozen=True)
class Operation:
    """One of the engine's own management operations: the words and options it takes, and the call."""

    words: tuple[str, ...]
    options: tuple[str, ...]
    call: Callable[[Any, argparse.Namespace], Json]


ADMIN: dict[str, Operation] = {
    "delete-bulk": Operation(
        (),
        ("before", "limit", "ids"),
        lambda client, given: client.delete_instance_bulk(
            duroxide.InstanceFilter(instance_ids=given.ids, completed_before=given.before, limit=given.limit)
        ),
    ),
    "delete-instance": Operation(
        ("instance",), ("force",), lambda client, given: client.delete_instance(given.instance, given.force)
    ),
    "prune": Operation(
        ("instance",),
        ("keep", "before"),
        lambda client, given: client.prune_executions(
            given.instance, duroxide.PruneOptions(keep_last=given.keep, completed_before=given.before)
        ),
    ),
    "prune-bulk": Operation(
        (),
        ("keep", "before", "ids"),
        lambda client, given: client.prune_executions_bulk(
            duroxide.InstanceFilter(instance_ids=given.ids),
            duroxide.PruneOptions(keep_last=given.keep, completed_before=given.before),
        ),
    ),
    "tree": Operation(("instance",), (), lambda client, given: client.get_instance_tree(given.instance)),
    "status": Operation(("instance",), (), lambda client, given: client.get_status(given.instance)),
    "statuses": Operation((), (), lambda client, given: statuses_of_all(client)),
    "instance": Operation(("instance",), (), lambda client, given: instance_columns(client, given.instance)),
    "instances": Operation(
        (), (), lambda client, given: {one: instance_columns(client, one) for one in client.list_all_instances()}
    ),
    "history": Operation(
        ("instance", "execution"),
        (),
        lambda client, given: client.read_execution_history(given.instance, int(given.execution)),
    ),
    "by-status": Operation(
        (), (), lambda client, given: {status: client.list_instances_by_status(status) for status in STATUSES}
    ),
    "list-by-status": Operation(("status",), (), lambda client, given: client.list_instances_by_status(given.status)),
    "metrics": Operation((), (), lambda client, given: client.get_system_metrics()),
    "depths": Operation((), (), lambda client, given: client.get_queue_depths()),
    "kv": Operation(("instance", "key"), (), lambda client, given: client.get_kv_value(given.instance, given.key)),
}


def admin(target: str, schema: str | None, given: argparse.Namespace) -> Json:
    """Call one of the engine's own management operations."""
    return plain_data(ADMIN[given.operation].call(duroxide.Client(open_provider(target, schema)), given))


def raise_event(target: str, schema: str | None, instance: str, name: str, data: Json) -> Json:
    """Raise an event to an instance."""
    duroxide.Client(open_provider(target, schema)).raise_event(instance, name, data)
    return {"raised": name}


def enqueue_event(target: str, schema: str | None, instance: str, name: str, data: Json) -> Json:
    """Put a message into one of an instance's event queues."""
    duroxide.Client(open_provider(target, schema)).enqueue_event(instance, name, data)
    return {"enqueued": name}


def start(target: str, schema: str | None, instance: str, name: str, value: Json) -> Json:
    """Queue the start of an orchestration."""
    duroxide.Client(open_provider(target, schema)).start_orchestration(instance, name, value)
    return {"started": instance}


def cancel(target: str, schema: str | None, instance: str, reason: str) -> Json:
    """Ask for an instance to be cancelled."""
    duroxide.Client(open_provider(target, schema)).cancel_instance(instance, reason)
    return {"cancelled": instance}


def create(target: str, schema: str | None) -> Json:
    """Make an empty store."""
    open_provider(target, schema)
    return {"created": target}


# --- the command line


def parser() -> argparse.ArgumentParser:
    """The command line; a word that begins with a dash goes after `--`."""
    top = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, *words: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name)
        one.add_argument("target")
        one.add_argument("--schema")
        for word in words:
            one.add_argument(word)
        return one

    command("create")
    command("workload").add_argument("--only", type=lambda names: names.split(","), default=[])
    for name in ("run", "load"):
        command(name).add_argument("--seconds", type=float, required=True)
    until = command("run-until")
    until.add_argument("--events", type=json.loads, required=True)
    until.add_argument("--start", type=json.loads, default=[])
    for name in ("raise-event", "enqueue-event"):
        command(name, "instance", "name").add_argument("data", type=json.loads)
    command("start", "instance", "name").add_argument("value", type=json.loads)
    command("cancel", "instance", "reason")
    command("play").add_argument("script", type=json.loads)
    operations = command("admin").add_subparsers(dest="operation", required=True)
    for name, operation in ADMIN.items():
        one = operations.add_parser(name)
        for word in operation.words:
            one.add_argument(word)
        for option in operation.options:
            if option == "force":
                one.add_argument("--force", action="store_true")
            elif option == "ids":
                one.add_argument("--ids", type=json.loads)
            else:
                one.add_argument(f"--{option}", type=int)
    return top


def perform(given: argparse.Namespace) -> Json:
    """Run the command that was given."""
    store = (given.target, given.schema)
    match given.command:
        case "create":
            return create(*store)
        case "workload":
            return workload(*store, given.only)
        case "run":
            return run(*store, given.seconds)
        case "run-until":
            return run_until(*store, given.events, given.start)
        case "load":
            return load(*store, given.seconds)
        case "raise-event":
            return raise_event(*store, given.instance, given.name, given.data)
        case "enqueue-event":
            return enqueue_event(*store, given.instance, given.name, given.data)
        case "start":
            return start(*store, given.instance, given.name, given.value)
        case "play":
            return play(*store, given.script)
        case "cancel":
            return cancel(*store, given.instance, given.reason)
        case _:
            return admin(*store, given)


def say(value: Json) -> None:
    """Print one JSON value as a line of the true standard output."""
    os.write(OUTPUT, json.dumps(value).encode() + b"\n")


def main() -> None:
    """Perform one command, and end the process without letting anything in flight finish."""
    given = parser().parse_args()
    try:
        say(perform(given))
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    # The engine logs to standard output: keep that for our own JSON, and send its lines to standard error.
    OUTPUT = os.dup(1)
    os.dup2(2, 1)
    main()
