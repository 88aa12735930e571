"""The options that choose which checks are run, over which instances."""

import os
from collections.abc import Sequence
from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from holystone.cli.completions import complete_check, complete_file, complete_instance
from holystone.cli.config_here import config_here
from holystone.cli.durations import duration
from holystone.cli.options import Command

if TYPE_CHECKING:
    from holystone.scan.catalogue import Selection

Ignored = tuple[list[str], dict[str, str]]
"""The ids to leave out, and the reasons of those that were given with one."""


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
            type=duration("s"),
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


def _ids(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> list[str]:
    ids = [id for text in given for id in text.replace(",", " ").split()]
    if given and not ids:
        # A script's empty variable must not select everything.
        raise click.BadParameter("no id is given.", context, parameter)
    return ids


def _ignored(context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> Ignored:
    reasons = dict(text.split("=", 1) for text in given if "=" in text)
    return _ids(context, parameter, [text for text in given if "=" not in text]), reasons
