"""A diagnosis: the sentence first, then the rows that it rests on; or the whole of it as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import click

from holystone.diagnosis.durations import from_now
from holystone.diagnosis.model import Activity, Cause, Diagnosis, Execution, HistoryEvent, Lock, Message, Session
from holystone.json_pieces import Writer
from holystone.printable import one_line, shown, value
from holystone.render.messages import echo
from holystone.render.terminal import command, counted, wrapped
from holystone.render.timestamps import moment_of_second
from holystone.store.open_store import OpenStore

_IN_DOUBT = ("stuck", "blocked", "unreadable", "orphaned", "unknown")
_COLOURS = {"ended": "green", **dict.fromkeys(_IN_DOUBT, "red")}
_PAYLOAD = 60
"""Characters of a payload that are shown."""
_CALENDAR_ENDS_MS = 253_402_300_800_000
"""The year 10,000, in ms."""


def why_json(diagnosis: Diagnosis, out: TextIO) -> None:
    """Write a diagnosis as one object."""
    Writer(indent=1).write(diagnosis.to_json(), out)
    out.write("\n")


def why_text(store: OpenStore, diagnosis: Diagnosis, out: TextIO) -> None:
    """Write the sentence, what else is to be known, and the rows."""
    echo(click.style(_title(diagnosis), bold=True), file=out)
    state = click.style(diagnosis.state, fg=_COLOURS.get(diagnosis.state, "cyan"))
    echo(f"  {state}", file=out)
    for sentence in (diagnosis.sentence, *diagnosis.notes):
        echo(wrapped(one_line(sentence), "  "), file=out)
    for heading, lines in _parts(diagnosis):
        if lines:
            echo(f"\n{click.style(heading, bold=True)}", file=out)
            for line in lines:
                echo(f"  {one_line(line)}", file=out)
    if diagnosis.state in _IN_DOUBT or diagnosis.notes or any(cause.wakes is False for cause in diagnosis.causes):
        echo(f"\nNext: {command(store, 'check', '--instance', diagnosis.instance_id)}", file=out)


def _title(diagnosis: Diagnosis) -> str:
    row = diagnosis.instance
    if row is None:
        return shown(diagnosis.instance_id)
    version = "" if row.orchestration_version is None else f" {shown(row.orchestration_version)}"
    execution = f"execution {value(row.current_execution_id)}"
    return f"{shown(diagnosis.instance_id)}  {value(row.orchestration_name)}{version}, {execution}"


def _parts(diagnosis: Diagnosis) -> Iterator[tuple[str, Sequence[str]]]:
    counts = diagnosis.counts
    yield _head("cause", len(diagnosis.causes)), [_cause(diagnosis, cause) for cause in diagnosis.causes]
    yield _head("execution", counts.executions), [_execution(one, diagnosis.now_ms) for one in diagnosis.executions]
    yield _listed("event", len(diagnosis.events), counts.events), [_event(one) for one in diagnosis.events]
    messages = [_message(one, diagnosis.now_ms) for one in diagnosis.messages]
    yield _listed("message", len(messages), counts.messages), messages
    activities = [_activity(one, diagnosis.now_ms) for one in diagnosis.activities]
    yield _listed("queued activity", len(activities), counts.activities), activities
    yield "session", [_session(one, diagnosis.now_ms) for one in diagnosis.sessions]
    yield "lock", [] if diagnosis.lock is None else [_lock(diagnosis.lock, diagnosis.now_ms)]
    parent = diagnosis.parent
    yield "parent", [] if parent is None else [f"{shown(parent.instance_id)}  {value(parent.status)}"]
    children = [f"{shown(one.instance_id)}  {value(one.status)}" for one in diagnosis.children]
    yield _listed("child", len(children), counts.children), children
    keys = [f"{shown(one.key)} = {value(one.value)}" for one in diagnosis.keys]
    yield _listed("key", len(keys), counts.keys), keys
    yield "pg_durable", [*_of_extension(diagnosis)]


def _head(noun: str, number: int) -> str:
    return counted(number, noun)


def _listed(noun: str, listed: int, number: int) -> str:
    plural = {"child": "children", "queued activity": "queued activities"}.get(noun, f"{noun}s")
    head = f"{number:,} {noun if number == 1 else plural}"
    return head if listed == number else f"{head}, the last {listed:,}"


def _cause(diagnosis: Diagnosis, cause: Cause) -> str:
    """Return a cause in a line; what the sentences above have told is not told again."""
    wakes = {True: "wakes it", False: "does not wake it", None: "cannot be told"}[cause.wakes]
    due = "" if cause.due_ms is None else f", from {_at(cause.due_ms, diagnosis.now_ms)}"
    row = "" if cause.row_id is None else f", row {value(cause.row_id)} of {cause.table}"
    event = "" if cause.event_id is None else f", event {cause.event_id}"
    told = any(cause.sentence in one for one in (diagnosis.sentence, *diagnosis.notes))
    return f"{cause.kind}: {wakes}{due}{event}{row}{'' if told else f'. {cause.sentence}'}"


def _execution(one: Execution, now_ms: int) -> str:
    differs = one.status_of_history not in (None, one.status)
    status = f"{value(one.status)}, its history says {one.status_of_history}" if differs else value(one.status)
    ended = "" if one.completed_ms is None else f", ended {_at(one.completed_ms, now_ms)}"
    output = "" if one.output is None else f", output {shown(one.output, _PAYLOAD)}"
    return f"{value(one.execution_id)}  {status}, began {_at(one.started_ms, now_ms)}{ended}{output}"


def _event(one: HistoryEvent) -> str:
    if one.type is None:
        return f"{value(one.event_id):<4} cannot be read: {shown(one.fault or '', 200)}"
    source = "" if one.source_event_id is None else f" of {one.source_event_id}"
    payload = " ".join(f"{name}={_in_short(part)}" for name, part in one.payload.items() if part is not None)
    when = "" if one.timestamp_ms is None else _moment(one.timestamp_ms)
    return f"{value(one.event_id):<4} {when}  {shown(one.type)}{source}  {payload}"


def _in_short(part: Any) -> str:
    return shown(part if isinstance(part, str) else json.dumps(part), _PAYLOAD)


def _message(one: Message, now_ms: int) -> str:
    kind = f"cannot be read: {shown(one.fault or '', 200)}" if one.kind is None else shown(one.kind)
    return f"row {value(one.row_id)}  {kind}, {_due(one.due_ms, now_ms)}, attempts {value(one.attempts)}"


def _activity(one: Activity, now_ms: int) -> str:
    name = f"cannot be read: {shown(one.fault or '', 200)}" if one.name is None else shown(one.name)
    lease = "" if one.locked_until_ms is None else f", lease until {_at(one.locked_until_ms, now_ms)}"
    more = "".join(f", {what} {shown(of)}" for what, of in (("session", one.session_id), ("tag", one.tag)) if of)
    event = f"event {value(one.event_id)}"
    when = _due(one.due_ms, now_ms)
    return f"row {value(one.row_id)}  {name}, {event}{lease}, {when}, attempts {value(one.attempts)}{more}"


def _session(one: Session, now_ms: int) -> str:
    return f"{shown(one.session_id)}  worker {shown(one.worker_id)}, until {_at(one.locked_until_ms, now_ms)}"


def _lock(lock: Lock, now_ms: int) -> str:
    end = "until" if lock.is_held else "ended"
    return f"taken {_at(lock.locked_at_ms, now_ms)}, {end} {_at(lock.locked_until_ms, now_ms)}"


def _of_extension(diagnosis: Diagnosis) -> Iterator[str]:
    df = diagnosis.pg_durable
    if df is None:
        return
    label = "" if df.label is None else f", label {shown(df.label)}"
    yield f"{shown(df.instance_id)}  {value(df.status)}{label}, by {value(df.submitted_by)}, root {value(df.root_node)}"
    for node in df.nodes:
        query = "" if node.query is None else f"  {shown(node.query, _PAYLOAD)}"
        yield f"node {shown(node.id)}  {shown(node.type)}, {value(node.status)}{query}"


def _due(due_ms: int | None, now_ms: int) -> str:
    return "never due" if due_ms is None else f"due {_at(due_ms, now_ms)}"


def _at(ms: object, now_ms: int) -> str:
    """Return a moment with how long ago it was, or in what time it comes; as it stands where no calendar has it."""
    if not isinstance(ms, int) or isinstance(ms, bool) or not 0 <= ms < _CALENDAR_ENDS_MS:
        return "NULL" if ms is None else shown(str(ms))
    return f"{_moment(ms)} ({from_now(ms, now_ms)})"


def _moment(ms: int) -> str:
    return moment_of_second(ms) if 0 <= ms < _CALENDAR_ENDS_MS else str(ms)
