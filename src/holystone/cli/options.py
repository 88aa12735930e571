"""Arguments and options that several commands share."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from holystone.cli.completions import complete_file
from holystone.cli.context import TARGET
from holystone.cli.durations import duration

if TYPE_CHECKING:
    from holystone.flavours.target import Target
    from holystone.store.open_store import OpenStore
    from holystone.store.run_time import RunTime

Command = Callable[..., Any]

_LONGEST_TIMEOUT_SECONDS = 24 * 86_400
"""The most whole days that PostgreSQL takes, which counts it in ms: the range of `statement_timeout` in its manual."""
_MOST_JOBS = 64
"""Each is a thread, or a process, and a connection."""


def target_options(command: Command) -> Command:
    """Add the argument TARGET and the option --schema."""
    return click.argument("target", metavar="TARGET", envvar="HOLYSTONE_TARGET", shell_complete=complete_file)(
        schema_option(command)
    )


def targets_options(command: Command) -> Command:
    """Add the argument TARGET..., of which there may be several, and the option --schema."""
    argument = click.argument("targets", metavar="TARGET...", nargs=-1, callback=_targets, shell_complete=complete_file)
    return argument(schema_option(command))


def schema_option(command: Command) -> Command:
    """Add the option --schema."""
    return click.option(
        "--schema",
        metavar="NAME",
        envvar="HOLYSTONE_SCHEMA",
        show_envvar=True,
        help="Schema of a PostgreSQL store (default public, or that of the only store).",
    )(command)


def _targets(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> Sequence[str]:
    """Return the targets, or the one that the environment names; click would take that one apart at blanks."""
    if not given and (named := os.environ.get("HOLYSTONE_TARGET")):
        return [named]
    if not given:
        raise click.MissingParameter(ctx=context, param=parameter)
    return given


def jobs_option(command: Command) -> Command:
    """Add --jobs."""
    return click.option(
        "--jobs",
        "-j",
        metavar="N",
        type=click.IntRange(1, _MOST_JOBS),
        default=min(2, os.cpu_count() or 1),
        show_default="2, where there are as many processors",
        help="Connections that read the store at the same time.",
    )(command)


def timeout_option(command: Command) -> Command:
    """Add --statement-timeout."""
    return click.option(
        "--statement-timeout",
        metavar="DURATION",
        type=duration("s", _LONGEST_TIMEOUT_SECONDS, parts=True),
        help="Give a check up whose statement takes longer, such as 90s or 5m.",
    )(command)


def output_option(help: str) -> Callable[[Command], Command]:
    """Add --output."""
    return click.option("--output", "-o", metavar="FILE", shell_complete=complete_file, help=help)


def baseline_option(command: Command) -> Command:
    """Add --baseline."""
    return click.option(
        "--baseline",
        metavar="FILE",
        shell_complete=complete_file,
        help="Leave out the findings of an earlier report, of check --format json.",
    )(command)


def fail_on_option(*others: str, help: str) -> Callable[[Command], Command]:
    """Add --fail-on with the severities, and other choices if any."""
    return click.option(
        "--fail-on",
        type=click.Choice(["critical", "error", "warning", "info", *others]),
        default="error",
        show_default=True,
        help=help,
    )


def run_time_option(command: Command) -> Command:
    """Add --run-time."""
    return click.option(
        "--run-time",
        metavar="DURATION",
        type=duration("s", _LONGEST_TIMEOUT_SECONDS, parts=True),
        help="End the snapshot after that, such as 90s or 10m; what is not looked at by then is incomplete.",
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


def named_target(target: str, schema: str | None) -> "Target":
    """Return the target that the command was given.

    A schema from the environment is passed over for a SQLite file, so that one environment serves both.
    """
    import logging

    from holystone.flavours.target import names_server, parse_target

    # Without a handler, what SQLAlchemy logs of a connection that was cut off goes to standard error, with a traceback.
    if not (log := logging.getLogger("sqlalchemy")).handlers:
        log.addHandler(logging.NullHandler())
    context = click.get_current_context()
    source = context.get_parameter_source("schema")
    if source is ParameterSource.ENVIRONMENT and not names_server(target):
        schema = None
    _require_first(context, target)
    context.meta[TARGET] = place = parse_target(target, schema)
    return place


def _require_first(context: click.Context, target: str) -> None:
    """Raise UsageError where the word that should be TARGET names nothing, and another one of the line a store."""
    from holystone.flavours.target import is_url
    from holystone.printable import shown

    if is_url(target) or os.path.exists(target):
        return
    arguments = [one.name for one in context.command.params if isinstance(one, click.Argument)]
    words = [context.params.get(name or "") for name in arguments]
    if any(isinstance(word, str) and word != target and (is_url(word) or os.path.isfile(word)) for word in words):
        order = f"{context.command_path} TARGET {shown(target)}"
        raise click.UsageError(f"{shown(target)} is no store, and TARGET comes first: {order}")


def open_store(
    target: str,
    schema: str | None,
    *,
    read_only: bool,
    statement_timeout: float | None = None,
    run_time: "RunTime | None" = None,
) -> "OpenStore":
    """Open the store that the command was given."""
    from holystone.store.open_store import OpenStore

    store = OpenStore.open(named_target(target, schema), read_only=read_only, run_time=run_time)
    store.statement_timeout = statement_timeout
    return store


def target_in_environment() -> str | None:
    """Return what HOLYSTONE_TARGET names where TARGET took a word of the command line that may be another's."""
    if click.get_current_context().get_parameter_source("target") is ParameterSource.ENVIRONMENT:
        return None
    return os.environ.get("HOLYSTONE_TARGET") or None


def target_and_last(target: str, last: str | None, metavar: str) -> tuple[str, str]:
    """Return TARGET and the argument behind it, which is the only word where the environment names TARGET.

    UsageError where there is no such argument.
    """
    if last is not None:
        return target, last
    named = target_in_environment()
    if named is None:
        raise click.UsageError(f"Missing argument '{metavar}'.")
    return named, target


@contextmanager
def output_to(file: str | None, stdout: TextIO | None = None) -> Iterator[TextIO]:
    """Yield stdout, or a file that takes its name only when it is whole."""
    if file is None or file == "-":
        yield stdout or sys.stdout
        return
    from holystone.cli.files import whole_file

    with whole_file(file) as out:
        yield out
