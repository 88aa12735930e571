"""`holystone why`: everything about one instance, and what it waits for; reads only."""

import click

from holystone.cli.completions import complete_instance
from holystone.cli.exit_codes import Exit
from holystone.cli.options import format_option, named_target, output_to, target_and_last, target_options

SHOWN = 20
"""Events listed unless the user says how many."""


@click.command(short_help="Say what an instance waits for, and who can wake it.")
@target_options
@click.argument("instance", metavar="INSTANCE", required=False, shell_complete=complete_instance)
@click.option(
    "--events",
    metavar="N",
    type=click.IntRange(0, 10**6),
    default=SHOWN,
    show_default=True,
    help="List the last N events; all are counted.",
)
@format_option("text", "json")
def why(target: str, schema: str | None, instance: str | None, events: int, format_: str) -> int:
    """Say why an instance is where it is: what it waits for, since when, and who can wake it.

    INSTANCE is an id to the letter; with pg_durable, that of its own instance. Then come its rows: history, queues,
    locks, children and keys. Exit status 2 where not all could be seen.
    """
    from holystone import api
    from holystone.render.messages import error
    from holystone.render.why import why_json, why_text
    from holystone.store.open_store import OpenStore

    target, instance_id = target_and_last(target, instance, "INSTANCE")
    store = OpenStore.open(named_target(target, schema), read_only=True)
    diagnosis = api.why(store, instance_id, events=events)
    with output_to(None) as out:
        if format_ == "json":
            why_json(diagnosis, out)
        else:
            why_text(store, diagnosis, out)
    for unseen in diagnosis.unseen:
        error(f"{unseen.what} could not be read: {unseen.reason}", unseen.next_step)
    return Exit.COULD_NOT_RUN if diagnosis.unseen else Exit.OK
