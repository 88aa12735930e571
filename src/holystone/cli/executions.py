"""`holystone executions`: executions by status, name and age, and one of them in full."""

import os
from typing import TYPE_CHECKING, Any

import click

from holystone.cli.completions import complete_instance
from holystone.cli.durations import duration
from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    format_option,
    named_target,
    output_to,
    target_in_environment,
    target_options,
)
from holystone.cli.selection import instance_option
from holystone.errors import HolystoneError

if TYPE_CHECKING:
    from holystone.store.histories import Histories

SHOWN = 50
"""Executions listed unless the user says how many."""


@click.group(short_help="Look at executions, and at their histories.")
def executions() -> None:
    """Look at executions: what their rows say, beside what their histories say."""


@executions.command("list", short_help="List executions by their rows.")
@target_options
@click.option("--status", metavar="STATUS", help="Only those whose row has this status.")
@click.option("--name", metavar="NAME", help="Only those of the orchestration of this name.")
@click.option(
    "--older-than",
    metavar="DURATION",
    type=duration("s"),
    help="Only those that began longer ago, such as 90s, 2h or 7d.",
)
@instance_option
@click.option(
    "--limit", metavar="N", type=click.IntRange(1, 10**15), default=SHOWN, show_default=True, help="At most N."
)
@format_option("text", "json")
def list_(
    target: str,
    schema: str | None,
    status: str | None,
    name: str | None,
    older_than: float | None,
    instance: str | None,
    limit: int,
    format_: str,
) -> int:
    """List executions by their rows; where the history says otherwise, both are shown."""
    from holystone.render.executions import list_json, list_text
    from holystone.scan.lookup import listed
    from holystone.store.histories import Histories

    store = Histories.open(named_target(target, schema), read_only=True)
    status = None if status is None else _known_status(store, status)
    if instance is not None and not store.list_executions(instances=instance, limit=1):
        raise HolystoneError(
            f"No instance in {store.target} matches {instance!r}.", "Leave --instance out to see what there is."
        )
    if name is not None and not store.list_executions(name=name, limit=1):
        raise HolystoneError(
            f"No execution in {store.target} is of an orchestration {name!r}.", "Leave --name out to see what there is."
        )
    which: dict[str, Any] = {"status": status, "name": name, "older_than_seconds": older_than, "instances": instance}
    with output_to(None) as out:
        if format_ == "json":
            list_json(store, listed(store, **which, limit=limit), out)
        else:
            list_text(store, listed(store, **which, limit=limit + 1, with_outputs=False), limit, out)
    return Exit.OK


def _known_status(store: "Histories", given: str) -> str:
    """Return the status as it is written; UsageError where neither the engine nor any row has it."""
    from holystone.duroxide.event_types import STATUSES

    known = {status.lower(): status for status in STATUSES}
    if given.lower() in known:
        return known[given.lower()]
    if not store.list_executions(status=given, limit=1):
        raise click.BadParameter(
            f"no execution has the status {given!r}; the engine's are {', '.join(STATUSES)}.", param_hint="--status"
        )
    return given


@executions.command(short_help="Show an instance's executions and their histories.")
@target_options
@click.argument("instance", metavar="INSTANCE", required=False, shell_complete=complete_instance)
@click.argument("execution", metavar="[EXECUTION]", required=False)
@click.option("--full", is_flag=True, help="Show outputs and events whole, however long they are.")
@format_option("text", "json")
def show(target: str, schema: str | None, instance: str | None, execution: str | None, full: bool, format_: str) -> int:
    """Show an instance's executions with their histories; only EXECUTION where it is given."""
    from holystone.render.executions import show_json, show_text
    from holystone.render.terminal import command
    from holystone.scan.lookup import listed
    from holystone.store.histories import Histories

    target, instance_id, number = _what_to_show(target, instance, execution)
    store = Histories.open(named_target(target, schema), read_only=True)
    found = list(listed(store, instance_id=instance_id, execution_id=number))
    if not found:
        what = f"{instance_id!r}" if number is None else f"execution {number} of {instance_id!r}"
        raise HolystoneError(f"{store.target} has no {what}.", command(store, "executions list"))
    with output_to(None) as out:
        if format_ == "json":
            show_json(store, found, out)
        else:
            show_text(store, found, out, full=full)
    return Exit.OK


def _what_to_show(target: str, instance: str | None, execution: str | None) -> tuple[str, str, int | None]:
    """Return TARGET, INSTANCE and EXECUTION; what the command line leaves out of them, the environment may name."""
    named = target_in_environment()
    if instance is None and named is None:
        raise click.UsageError("Missing argument 'INSTANCE'.")
    if instance is None or (execution is None and named is not None and _is_number(instance) and not _is_there(target)):
        # All words are one place further on than where click has put them.
        assert named is not None
        target, instance, execution = named, target, instance
    if execution is not None and not _is_number(execution):
        raise click.BadParameter(f"{execution!r} is no number of an execution.", param_hint="EXECUTION")
    return target, instance, None if execution is None else int(execution)


def _is_there(target: str) -> bool:
    """Return whether a word names a store, and not an instance of the one that the environment names."""
    from holystone.flavours.target import names_server

    return names_server(target) or os.path.exists(target)


def _is_number(word: str) -> bool:
    return word.isdecimal() and word.isascii() and 0 < int(word) < 2**63
