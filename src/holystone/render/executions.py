"""Executions as a list, and one instance in full: the rows beside what the histories say."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import click

from holystone.errors import RecordError
from holystone.json_pieces import Writer
from holystone.printable import one_line, shown, value
from holystone.render.messages import echo
from holystone.render.terminal import command, counted
from holystone.render.timestamps import moment_or_value
from holystone.scan.lookup import Listed
from holystone.store.histories import ExecutionRow, Histories

_SHORT = 200
"""Characters of an event that are shown, unless the user asks for all."""


def list_text(store: Histories, executions: Iterable[Listed], limit: int, out: TextIO) -> None:
    """Write a line an execution, and whether there are more than `limit`."""
    number, differs, more = 0, False, False
    for row, told in executions:
        if number == limit:
            more = True
            break
        number += 1
        differs = differs or _differs(row, told)
        echo(f"{_name(row)}  {_status(row, told)}  {_times(store, row)}", file=out)
    echo(f"{counted(number, 'execution')}{', and more: --limit N' if more else ''}.", file=out)
    if differs:
        echo(f"Some statuses are not what their histories say. Next: {command(store, 'check')}", file=out)


def list_json(store: Histories, executions: Iterable[Listed], out: TextIO) -> None:
    """Write the executions as one object."""
    Writer(indent=1).write({"schema": 1, "executions": (_object(store, *one) for one in executions)}, out)
    out.write("\n")


def show_text(store: Histories, executions: Iterable[Listed], out: TextIO, *, full: bool = False) -> None:
    """Write each execution of an instance with its history, an event a line; `full` ones whole."""
    for row, told in executions:
        echo(click.style(_name(row), bold=True), file=out)
        echo(f"  status        {_status(row, told)}", file=out)
        echo(f"  orchestration {value(row.name)}", file=out)
        echo(f"  times         {_times(store, row)}", file=out)
        output = row.output if full and isinstance(row.output, str) else None
        echo(f"  output        {value(row.output) if output is None else one_line(output, None)}", file=out)
        for line in _history(store, row, None if full else _SHORT):
            echo(f"  {line}", file=out)


def show_json(store: Histories, executions: Iterable[Listed], out: TextIO) -> None:
    """Write the executions with their events as one object."""
    Writer(indent=1).write({"schema": 1, "executions": (_whole(store, *one) for one in executions)}, out)
    out.write("\n")


def _whole(store: Histories, row: ExecutionRow, told: str | None) -> dict[str, Any]:
    one = _object(store, row, told)
    try:
        one["events"] = [event.fields for event in store.read_history(row.instance_id, row.execution_id)]
    except RecordError as error:
        one["events"], one["history_error"] = None, error.message
    return one


def _name(row: ExecutionRow) -> str:
    return f"{value(row.instance_id)} execution {value(row.execution_id)}"


def _history(store: Histories, row: ExecutionRow, limit: int | None) -> list[str]:
    try:
        events = store.read_history(row.instance_id, row.execution_id)
    except RecordError as error:
        return [f"history cannot be read: {shown(error.message, 200)}"]
    return [
        f"event {value(event.event_id):<6} {moment_or_value(event.timestamp_ms)}  {value(event.type)}"
        f"  {one_line(_payload(event.payload), limit)}"
        for event in events
    ]


def _payload(payload: Mapping[str, Any]) -> str:
    """Return an event's own members as JSON; those that hold JSON themselves are not escaped once more."""
    return " ".join(f"{name}={_as_told(part)}" for name, part in payload.items() if part is not None)


def _as_told(part: Any) -> str:
    return part if isinstance(part, str) and part and not part.isspace() else json.dumps(part)


def _object(store: Histories, row: ExecutionRow, told: str | None) -> dict[str, Any]:
    one = {name: store.flavour.to_json(thing) for name, thing in vars(row).items()}
    return {**one, "status_of_history": told}


def _differs(row: ExecutionRow, told: str | None) -> bool:
    return told not in (None, row.status)


def _status(row: ExecutionRow, told: str | None) -> str:
    return f"{value(row.status)}, its history says {told}" if _differs(row, told) else value(row.status)


def _times(store: Histories, row: ExecutionRow) -> str:
    began, ended = (_moment(store, moment) for moment in (row.started_at, row.completed_at))
    return f"began {began}" if row.completed_at is None else f"began {began}, ended {ended}"


def _moment(store: Histories, moment: Any) -> str:
    """Return a moment in UTC, or what the column holds where that is none."""
    ms = store.flavour.to_ms(moment)
    return value(store.flavour.to_json(moment)) if ms is None else moment_or_value(ms)
