"""Executions as a list, and one instance in full: the rows beside what the histories say."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click

from holystone.errors import RecordError
from holystone.render.words import command, counted, shown, value
from holystone.scan.relations.executions import ExecutionFacts
from holystone.store import Store
from holystone.store.status import ExecutionRow

Facts = Mapping[tuple[str, int], ExecutionFacts]


def list_text(store: Store, rows: Sequence[ExecutionRow], facts: Facts, out: TextIO, *, more: bool) -> None:
    """Write a line an execution; `more` says that the list was cut."""
    for row in rows:
        click.echo(f"{_name(row)}  {_status(row, facts)}  {_times(store, row)}", file=out)
    click.echo(f"{counted(len(rows), 'execution')}{', and more: --limit N' if more else ''}.", file=out)
    if any(_differs(row, facts) for row in rows):
        click.echo(f"Some statuses are not what their histories say. Next: {command(store, 'check')}", file=out)


def list_json(store: Store, rows: Sequence[ExecutionRow], facts: Facts, out: TextIO) -> None:
    """Write the executions as one object."""
    json.dump({"schema": 1, "executions": [_object(store, row, facts) for row in rows]}, out, indent=1)
    out.write("\n")


def show_text(store: Store, rows: Sequence[ExecutionRow], facts: Facts, out: TextIO) -> None:
    """Write each execution of an instance with its history, an event a line."""
    for row in rows:
        click.echo(click.style(_name(row), bold=True), file=out)
        click.echo(f"  status        {_status(row, facts)}", file=out)
        click.echo(f"  orchestration {value(row.name)}", file=out)
        click.echo(f"  times         {_times(store, row)}", file=out)
        click.echo(f"  output        {value(row.output)}", file=out)
        for line in _history(store, row):
            click.echo(f"  {line}", file=out)


def show_json(store: Store, rows: Sequence[ExecutionRow], facts: Facts, out: TextIO) -> None:
    """Write the executions with their events as one object."""
    found = []
    for row in rows:
        one = _object(store, row, facts)
        try:
            one["events"] = [event.fields for event in store.read_history(row.instance_id, row.execution_id)]
        except RecordError as error:
            one["events"], one["history_error"] = None, error.message
        found.append(one)
    json.dump({"schema": 1, "executions": found}, out, indent=1)
    out.write("\n")


def _name(row: ExecutionRow) -> str:
    return f"{value(row.instance_id)} execution {value(row.execution_id)}"


def _history(store: Store, row: ExecutionRow) -> list[str]:
    try:
        events = store.read_history(row.instance_id, row.execution_id)
    except RecordError as error:
        return [f"history cannot be read: {shown(error.message, 200)}"]
    return [
        f"event {value(event.event_id):<6} {value(event.type)}  {shown(json.dumps(event.payload), 60)}"
        for event in events
    ]


def _object(store: Store, row: ExecutionRow, facts: Facts) -> dict[str, Any]:
    one = {name: store.flavour.to_json(thing) for name, thing in vars(row).items()}
    return {**one, "status_of_history": _of_history(row, facts)}


def _of_history(row: ExecutionRow, facts: Facts) -> str | None:
    known = facts.get((row.instance_id, row.execution_id))
    return None if known is None or known.outcome is None else known.outcome.status


def _differs(row: ExecutionRow, facts: Facts) -> bool:
    return _of_history(row, facts) not in (None, row.status)


def _status(row: ExecutionRow, facts: Facts) -> str:
    if _differs(row, facts):
        return f"{value(row.status)}, its history says {_of_history(row, facts)}"
    return value(row.status)


def _times(store: Store, row: ExecutionRow) -> str:
    started, ended = store.flavour.to_json(row.started_at), store.flavour.to_json(row.completed_at)
    return f"began {value(started)}" if ended is None else f"began {value(started)}, ended {value(ended)}"
