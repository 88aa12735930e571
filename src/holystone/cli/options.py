"""Arguments and options that several commands share."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from holystone.store import Store
    from holystone.store.target import Target

Command = Callable[..., Any]


def target_options(command: Command) -> Command:
    """Add the argument TARGET and the option --schema."""
    command = click.option(
        "--schema",
        metavar="NAME",
        envvar="HOLYSTONE_SCHEMA",
        help="Schema of a PostgreSQL store (default public).",
    )(command)
    return click.argument("target", metavar="TARGET", envvar="HOLYSTONE_TARGET")(command)


def selection_options(command: Command) -> Command:
    """Add --select, --ignore, --level and --instance."""
    for option in (
        click.option("--instance", metavar="GLOB", help="Only instances whose id matches; * and ? are wild."),
        click.option(
            "--level",
            type=click.Choice(["quick", "standard", "deep"]),
            default="standard",
            show_default=True,
            help="How much to read.",
        ),
        click.option("--ignore", metavar="ID", multiple=True, callback=_ids, help="Leave these checks out."),
        click.option("--select", metavar="ID", multiple=True, callback=_ids, help="Run just these checks."),
    ):
        command = option(command)
    return command


def jobs_option(command: Command) -> Command:
    """Add --jobs."""
    return click.option(
        "--jobs",
        "-j",
        metavar="N",
        type=click.IntRange(min=1),
        default=min(2, os.cpu_count() or 1),
        show_default=True,
        help="Connections that read the store at the same time.",
    )(command)


def yes_option(command: Command) -> Command:
    """Add --yes."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add --format with these choices, the first of which is the default."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print it.",
    )


def _ids(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> list[str]:
    ids = [id for text in given for id in text.replace(",", " ").split()]
    if given and not ids:
        # A script's empty variable must not select everything.
        raise click.BadParameter("no id is given.", context, parameter)
    return ids


def named_target(target: str, schema: str | None) -> "Target":
    """Return the target that the command was given.

    A schema from the environment is passed over for a SQLite file, so that one environment serves both.
    """
    from holystone.store.target import parse_target

    source = click.get_current_context().get_parameter_source("schema")
    if source is ParameterSource.ENVIRONMENT and not target.startswith("postgres"):
        schema = None
    return parse_target(target, schema)


def open_store(target: str, schema: str | None, *, read_only: bool) -> "Store":
    """Open the store that the command was given."""
    from holystone.store import Store

    return Store.open(named_target(target, schema), read_only=read_only)


def target_in_environment() -> str | None:
    """Return what HOLYSTONE_TARGET names where TARGET took a word of the command line that may be another's."""
    if click.get_current_context().get_parameter_source("target") is ParameterSource.ENVIRONMENT:
        return None
    return os.environ.get("HOLYSTONE_TARGET") or None


@contextmanager
def output_to(file: str | None) -> Iterator[TextIO]:
    """Yield stdout, or a file that takes its name only when it is whole."""
    if file is None or file == "-":
        yield sys.stdout
        return
    from holystone.cli.files import whole_file

    with whole_file(file) as out:
        yield out
