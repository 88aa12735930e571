"""What a shell is told to complete a word by: files, ids, runs."""

from importlib.resources import files

import click
from click.shell_completion import CompletionItem


def complete_file(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return that a file is meant; a URL is left to the user."""
    return [CompletionItem(begun, type="file")]


def complete_check(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the ids of holystone's own checks, with their names.

    They are read from the pages of the runbook: the catalogue takes ten times as long to load.
    """
    found = []
    for page in sorted(files("holystone.runbook").iterdir(), key=lambda page: page.name):
        id, _, kind = page.name.partition(".")
        if kind == "md" and id[1:].isdigit() and id.startswith(begun.upper()):
            heading = page.read_text(encoding="utf-8").partition("\n")[0]
            found.append(CompletionItem(id, help=heading.removeprefix(f"# {id} ")))
    return found


def complete_run(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the ids of the runs in the journal of the store that the command line names, newest first."""
    from holystone.errors import HolystoneError
    from holystone.flavours.target import parse_target
    from holystone.mend.runs import read_runs
    from holystone.store.open_store import OpenStore

    target = context.params.get("target")
    if not target:
        return []
    try:
        store = OpenStore.open(parse_target(target, context.params.get("schema")), read_only=True)
        runs = list(read_runs(store))
    except HolystoneError:
        return []
    return [CompletionItem(run.run_id, help=run.kind) for run in runs if run.run_id.startswith(begun)]
