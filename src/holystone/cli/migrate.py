"""`holystone migrate`: the schema of a store, and new stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    format_option,
    named_target,
    open_store,
    target_and_last,
    target_options,
    yes_option,
)
from holystone.cli.prompts import ask, require_terminal
from holystone.render.messages import block, listed, notice, say

if TYPE_CHECKING:
    from holystone.store.open_store import OpenStore


@click.group(short_help="Show and upgrade the schema.")
def migrate() -> None:
    """Show and upgrade the schema; the engine's own tables are left to the engine.

    A REVISION is a name such as t0002, or toolkit@head, toolkit@base for the newest and for none at all.
    """


@migrate.command(short_help="Show the schema, and which revisions are pending.")
@target_options
@format_option("text", "json")
@click.option("--check", is_flag=True, help="Exit with 1 where a revision should be run, or something of one is gone.")
def status(target: str, schema: str | None, format_: str, check: bool) -> int:
    """Show which schema the engine has made, and which of holystone's revisions are pending.

    With --check nothing is due in a store that was never upgraded or adopted.
    """
    from holystone.migrate import status as read_status
    from holystone.render.migrations import status_json, status_text

    store = open_store(target, schema, read_only=True)
    found = read_status(store)
    if format_ == "json":
        status_json(found)
    else:
        status_text(store, found)
    return Exit.FOUND if check and (found.due or found.lacking) else Exit.OK


@migrate.command(short_help="Make or upgrade holystone's own tables, or a store.")
@target_options
@click.option("--to", metavar="REVISION", help="Go that far, in the branch of that revision alone.")
@click.option(
    "--engine",
    is_flag=True,
    help="Bring the engine's tables to where the newest engine has them, too; on PostgreSQL the package duroxide does.",
)
def upgrade(target: str, schema: str | None, to: str | None, engine: bool) -> int:
    """Make or upgrade holystone's own tables; where TARGET is not there yet, make a store.

    Touches none of the engine's tables in a store that is there, but with --engine, or a revision of theirs: then
    they become what a newer engine makes of them, and older ones, which have to be stopped first, may not go on.
    A new store is as the engine makes it; on PostgreSQL the engine adds its functions, with --engine or when it first
    opens the store.
    """
    from holystone.errors import TakenError
    from holystone.flavours import flavour_of
    from holystone.migrate import restore
    from holystone.migrate import upgrade as run_upgrade
    from holystone.migrate.by_engine import require_engine
    from holystone.migrate.change import NEWEST, create, upgrade_engine
    from holystone.store.open_store import OpenStore
    from holystone.store.stores import spelt_alike

    place = named_target(target, schema)
    structure = flavour_of(place).structure
    if engine and structure.engine_completes:
        require_engine()
    if structure.is_vacant():
        try:
            store = create(place, to)
        except TakenError:
            if structure.is_vacant():
                raise
        else:
            if engine:
                store, _ = upgrade_engine(store)
            say(f"Made the store {place} (engine migration {store.engine_migration}).")
            for other in spelt_alike(place):
                notice(f"It is new and empty. {other} is spelt like it: where that was meant, remove this one.")
            if structure.engine_completes and not engine:
                say(f"Next: open it with the engine, which adds {structure.engine_completes}.")
            return Exit.OK
    store = OpenStore.open(place)
    with _told_when_stopped(store):
        restored = restore(store)
        if restored:
            say(f"Built again: {', '.join(restored)}.")
        done: list[str] = []
        if engine:
            store, done = upgrade_engine(store)
        revisions = [*done, *run_upgrade(store, to or NEWEST)]
    if revisions:
        say(f"Ran {', '.join(revisions)}.")
    if not revisions and not restored:
        say("Nothing to do: the newest revision is there." if to is None else f"Nothing to do: {to} is there.")
    return Exit.OK


@migrate.command(short_help="Take revisions back.")
@target_options
@click.argument("revision", metavar="REVISION", required=False)
@yes_option
def downgrade(target: str, schema: str | None, revision: str | None, yes: bool) -> int:
    """Take the revisions above REVISION back; refused where rows would be lost."""
    from holystone.migrate import downgrade as run_downgrade
    from holystone.migrate.change import path_of_downgrade

    target, revision = target_and_last(target, revision, "REVISION")
    if not yes:
        require_terminal()
    store = open_store(target, schema, read_only=False)
    path = path_of_downgrade(store, revision)
    if not path:
        say(f"Nothing to do: the store is at {revision}, or below.")
        return Exit.OK
    for name, about in path:
        notice(f"{name}  {about}")
    if not yes:
        ask("Take these back?")
    with _told_when_stopped(store):
        taken_back = run_downgrade(store, revision)
    say(f"Took back {', '.join(taken_back)}.")
    return Exit.OK


@migrate.command(short_help="Recognise a store that the engine made.")
@target_options
def adopt(target: str, schema: str | None) -> int:
    """Take a store that the engine made into care: recognise it, and add holystone's own tables.

    Touches none of the engine's tables. A store whose tables are none that the engine makes is refused, with what
    differs.
    """
    from holystone.errors import UnknownShapeError
    from holystone.migrate.adopt import adopt as run_adopt
    from holystone.render.terminal import command

    store = open_store(target, schema, read_only=False)
    try:
        with _told_when_stopped(store):
            adopted = run_adopt(store)
    except UnknownShapeError as error:
        listed(error.differences, err=True)
        raise
    say(f"Shape: {adopted.shape.name}.")
    listed(adopted.shape.additions, "Left alone: ")
    if adopted.revisions:
        say(f"Ran {', '.join(adopted.revisions)}.")
    say("Adopted." if adopted.is_new else "Nothing to do: it was adopted already.")
    say(f"Next: {command(store, 'check')}")
    return Exit.OK


@migrate.command(short_help="Print the SQL of an upgrade.")
@target_options
@click.option("--to", metavar="REVISION", help="Go that far.")
def sql(target: str, schema: str | None, to: str | None) -> int:
    """Print the SQL that `migrate upgrade` would run, for people who run it by hand. Changes nothing."""
    from holystone.flavours import flavour_of
    from holystone.migrate import script
    from holystone.printable import one_line

    place = named_target(target, schema)
    statements = script(place, to)
    if not statements:
        say("-- Nothing to do.")
        return Exit.OK
    say(f"-- To be run with: {one_line(flavour_of(place).structure.shell)}")
    block(statements)
    return Exit.OK


@contextmanager
def _told_when_stopped(store: "OpenStore") -> Iterator[None]:
    """Say how to see what was done, where the store fails meanwhile: each revision is done whole or not at all."""
    from holystone.errors import StoreUnavailableError
    from holystone.render.terminal import command

    try:
        yield
    except StoreUnavailableError:
        notice(f"What was done until then: {command(store, 'migrate status')}")
        raise
