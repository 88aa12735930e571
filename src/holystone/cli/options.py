"""Arguments and options that several commands share."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from holystone.cli.completions import complete_check, complete_file, complete_instance
from holystone.cli.config_here import config_here
from holystone.cli.durations import duration

if TYPE_CHECKING:
    from holystone.flavours.target import Target
    from holystone.scan.catalogue import Selection
    from holystone.store.open_store import OpenStore

Command = Callable[..., Any]

CENTURY_SECONDS = 100 * 366 * 86_400
"""The longest time that an option takes: more of it is a slip, and no database takes any number."""
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


def selection_options(command: Command) -> Command:
    """Add --select, --ignore, --level, --instance, --race-window and --config; the command gets them as `selection`."""

    @wraps(command)
    def with_selection(
        *args: Any,
        select: list[str],
        ignore: "Ignored",
        level: str,
        instance: str | None,
        config: str | None,
        race_window: float,
        **others: Any,
    ) -> Any:
        if config is None and others.get("plan_file") is None:  # a plan that was made is beyond it
            config = _config_here()
        selection = selection_of(select, ignore, level, instance, config, int(race_window))
        return command(*args, selection=selection, **others)

    chosen: Command = with_selection
    for option in (
        click.option(
            "--config",
            metavar="FILE",
            envvar="HOLYSTONE_CONFIG",
            show_envvar=True,
            shell_complete=complete_file,
            help="TOML: severities, levels, checks to leave out, findings to put up with (default holystone.toml).",
        ),
        click.option(
            "--race-window",
            metavar="DURATION",
            type=duration("s", CENTURY_SECONDS),
            default=60,
            show_default=True,
            help="Age, such as 60s or 5m, from which a row that waits for another is no race between two writers.",
        ),
        instance_option,
        click.option(
            "--level",
            type=click.Choice(["quick", "standard", "deep", "restored"]),
            default="standard",
            show_default=True,
            help="How much to read; restored is for a copy on which no engine works yet.",
        ),
        click.option(
            "--ignore",
            metavar="ID[=REASON]",
            multiple=True,
            callback=_ignored,
            shell_complete=complete_check,
            help="Leave these checks out; a reason is repeated in the report.",
        ),
        click.option(
            "--select",
            metavar="ID",
            multiple=True,
            callback=_ids,
            shell_complete=complete_check,
            help="Run just these checks, by id, name or letter of a family.",
        ),
    ):
        chosen = option(chosen)
    return chosen


def _config_here() -> str | None:
    """Return the configuration of this folder, and say so: it may change what a command finds, and its exit status."""
    file = config_here()
    if file is not None:
        from holystone.render.messages import notice

        notice(f"Configuration: {file} of this folder; --config {os.devnull} uses none.")
    return file


def selection_of(
    select: list[str], ignore: "Ignored", level: str, instance: str | None, config: str | None, race_window: int
) -> "Selection":
    """Return the selection that these values of the options make; HolystoneError where the policy cannot be read."""
    from holystone.scan.catalogue import Selection
    from holystone.scan.check import Level
    from holystone.scan.policy import AS_DECLARED

    ids, reasons = ignore
    policy = AS_DECLARED
    if config is not None:
        from holystone.cli.policy_file import read_policy
        from holystone.render.messages import notice

        policy = read_policy(config)
        for suppression in policy.expired(date.today()):
            ended = f"Warning: the suppression of {suppression} in {config} ended on {suppression.until}."
            notice(ended)
    return Selection(Level[level], select, ids, instance, reasons, policy, race_window)


def _one_pattern(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> str | None:
    if len(given) > 1:
        raise click.BadParameter("it is given twice; run the command once for each pattern.", context, parameter)
    if given == ("",):
        # A script's empty variable matches no instance, and the answer would read as clean.
        raise click.BadParameter("no id is given.", context, parameter)
    return given[0] if given else None


instance_option = click.option(
    "--instance",
    metavar="GLOB",
    multiple=True,
    callback=_one_pattern,
    shell_complete=complete_instance,
    help="Only instances whose id matches; * and ? are wild.",
)
"""Adds --instance."""


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


Ignored = tuple[list[str], dict[str, str]]
"""The ids to leave out, and the reasons of those that were given with one."""


def _ids(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> list[str]:
    ids = [id for text in given for id in text.replace(",", " ").split()]
    if given and not ids:
        # A script's empty variable must not select everything.
        raise click.BadParameter("no id is given.", context, parameter)
    return ids


def _ignored(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> Ignored:
    reasons = dict(text.split("=", 1) for text in given if "=" in text)
    return _ids(context, parameter, [text for text in given if "=" not in text]), reasons


def named_target(target: str, schema: str | None) -> "Target":
    """Return the target that the command was given.

    A schema from the environment is passed over for a SQLite file, so that one environment serves both.
    """
    import logging

    from holystone.flavours.target import names_server, parse_target

    # Without a handler, what SQLAlchemy logs of a connection that was cut off goes to standard error, with a traceback.
    if not (log := logging.getLogger("sqlalchemy")).handlers:
        log.addHandler(logging.NullHandler())
    source = click.get_current_context().get_parameter_source("schema")
    if source is ParameterSource.ENVIRONMENT and not names_server(target):
        schema = None
    return parse_target(target, schema)


def open_store(
    target: str, schema: str | None, *, read_only: bool, statement_timeout: float | None = None
) -> "OpenStore":
    """Open the store that the command was given."""
    from holystone.store.open_store import OpenStore

    store = OpenStore.open(named_target(target, schema), read_only=read_only)
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
