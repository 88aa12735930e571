"""`holystone gate`: whether a store is fit for a deployment; reads only."""

import json
import tomllib
from typing import TYPE_CHECKING

import click

from holystone.cli.completions import complete_file
from holystone.cli.exit_codes import Exit
from holystone.cli.options import (
    baseline_option,
    fail_on_option,
    format_option,
    jobs_option,
    open_store,
    output_option,
    output_to,
    run_time_option,
    target_options,
    timeout_option,
)
from holystone.cli.selection import selection_options
from holystone.render import GATE_FORMATS

if TYPE_CHECKING:
    from holystone.gate.registered import Registered
    from holystone.gate.waiver import Waiver
    from holystone.scan.catalogue import Selection

_STATUS = {"pass": Exit.OK, "refused": Exit.FOUND, "incomplete": Exit.COULD_NOT_RUN}


@click.command(short_help="Say before a deployment whether a store is fit for it.")
@target_options
@click.option(
    "--against",
    metavar="VERSION",
    help="The engine about to be deployed: core:, provider: or package: with a version that `engines` lists.",
)
@click.option(
    "--registered",
    "registered_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="TOML or JSON: the orchestrations, with versions, and the activities that the application registers.",
)
@baseline_option
@fail_on_option(help="Refuse from this severity of a rule on.")
@selection_options
@jobs_option
@timeout_option
@run_time_option
@format_option(*GATE_FORMATS)
@output_option("Write there instead of to stdout; the file appears when it is whole.")
def gate(
    target: str,
    schema: str | None,
    against: str | None,
    registered_file: str | None,
    baseline: str | None,
    fail_on: str,
    selection: "Selection",
    jobs: int,
    statement_timeout: float | None,
    run_time: float | None,
    format_: str,
    output: str | None,
) -> int:
    """Say before a deployment whether the store is fit for it; docs/gate.md has the rules.

    Exit status: 0 pass; 1 refused; 2 a rule could not see, which refuses too. The file of --config may waive a rule,
    with a reason, until a day. Writes nothing; on PostgreSQL a role with SELECT is enough.
    """
    from holystone import api
    from holystone.cli.baseline import known, read_baseline
    from holystone.render.gate import write_gate
    from holystone.render.messages import error, notice
    from holystone.render.terminal import with_target
    from holystone.scan.check import Severity
    from holystone.store.run_time import RunTime

    bound = None if run_time is None else RunTime(run_time)
    registered = None if registered_file is None else _registered(registered_file)
    waivers = _waivers(selection.policy.file)
    selection.checks()  # what it names is told of before the store is opened
    of_baseline = read_baseline(baseline, of_several=False) if baseline else {}
    store = open_store(target, schema, read_only=True, statement_timeout=statement_timeout, run_time=bound)
    report = api.gate(
        store,
        against=against,
        registered=registered,
        waivers=waivers,
        refuse_from=Severity[fail_on],
        selection=selection,
        known=known(of_baseline, store.target),
        jobs=jobs,
    )
    check_with = [*selection.to_argv(), *([] if baseline is None else ["--baseline", baseline])]
    with output_to(output) as out:
        write_gate(format_, store, report, out, check_with=check_with)
    for one in report.rules:
        if one.outcome == "unseen":
            error(f"{one.id} {one.name} could not look: {one.reason}", with_target(store.target, one.next_step or ""))
        elif one.outcome == "pass" and (ended := _ended(one.id, waivers)):
            notice(f"Warning: the waiver of {one.id} in {selection.policy.file} ended on {ended.until}.")
    return _STATUS[report.verdict]


def _waivers(file: str | None) -> "list[Waiver]":
    from holystone.cli.policy_file import read_waivers

    return [] if file is None else read_waivers(file)


def _ended(id: str, waivers: "list[Waiver]") -> "Waiver | None":
    from datetime import date

    return next((one for one in waivers if one.rule == id and not one.holds(date.today())), None)


def _registered(file: str) -> "Registered":
    from holystone.cli.files import read_file
    from holystone.errors import HolystoneError
    from holystone.gate.registered import registered

    text = read_file(file)
    try:
        return registered(json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text))
    except RecursionError:
        wrong = "it is nested too deep"
    except ValueError as error:
        wrong = str(error)
    raise HolystoneError(f"{file} cannot be used: {wrong}.", "Mend the file; docs/gate.md shows one.")
