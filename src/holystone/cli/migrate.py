"""`holystone migrate`: the schema of holystone's own tables."""

import click

from holystone.cli.exits import Exit
from holystone.cli.options import format_option, open_store, target_options


@click.group
def migrate() -> None:
    """Show and upgrade the schema; the engine's own tables are left to the engine."""


@migrate.command
@target_options
@format_option("text", "json")
def status(target: str, schema: str | None, format_: str) -> int:
    """Show the engine's newest migration, and which of holystone's revisions are pending."""
    import json

    from holystone.migrate import status as read_status
    from holystone.render.words import command

    store = open_store(target, schema, read_only=True)
    found = read_status(store)
    if format_ == "json":
        click.echo(
            json.dumps(
                {
                    "schema": 1,
                    "engine_migration": found.engine_migration,
                    "toolkit_revision": found.toolkit_revision,
                    "pending": list(found.pending),
                }
            )
        )
        return Exit.OK
    click.echo(f"engine migration   {found.engine_migration or 'none recorded'}")
    click.echo(f"toolkit revision   {found.toolkit_revision or 'none'}")
    click.echo(f"pending            {', '.join(found.pending) or 'none'}")
    if found.pending:
        click.echo(f"Next: {command(store, 'migrate upgrade')}")
    return Exit.OK


@migrate.command
@target_options
def upgrade(target: str, schema: str | None) -> int:
    """Make or upgrade holystone's own tables; touches none of the engine's."""
    from holystone.migrate import upgrade as run_upgrade

    store = open_store(target, schema, read_only=False)
    revisions = run_upgrade(store)
    click.echo(f"Ran {', '.join(revisions)}." if revisions else "Nothing to do: the newest revision is there.")
    return Exit.OK
