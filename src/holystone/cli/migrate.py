"""`holystone migrate`: the schema of a store, and new stores."""

import click

from holystone.cli.exits import Exit
from holystone.cli.options import format_option, named_target, open_store, target_options


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
    """Make or upgrade holystone's own tables; where there is no file TARGET, make a store there.

    Touches none of the engine's tables in a store that is there. A new store is as the engine makes it.
    """
    from holystone.migrate import create
    from holystone.migrate import upgrade as run_upgrade
    from holystone.render.words import one_line
    from holystone.store import Store
    from holystone.store.flavours import flavour_of

    place = named_target(target, schema)
    if flavour_of(place).is_vacant():
        store = create(place)
        click.echo(one_line(f"Made the store {place} (engine migration {store.engine_migration})."))
        return Exit.OK
    revisions = run_upgrade(Store.open(place))
    click.echo(f"Ran {', '.join(revisions)}." if revisions else "Nothing to do: the newest revision is there.")
    return Exit.OK
