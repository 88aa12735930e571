"""What a shell is told to complete a word by: files, ids and names of checks, runs, instances.

Nothing is said where a store cannot be read: whoever completes a word gets no message, and no candidates.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from importlib.resources import files
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from holystone.errors import HolystoneError

if TYPE_CHECKING:
    from holystone.store.open_store import OpenStore

Items = list[CompletionItem]
_MOST_INSTANCES = 200
_PATIENCE_SECONDS = 2
"""For whom a store that answers no sooner is worse than no candidates."""


def complete_file(context: click.Context, parameter: click.Parameter, begun: str) -> Items:
    """Return that a file is meant; a URL is left to the user."""
    return [CompletionItem(begun, type="file")]


def complete_check(context: click.Context, parameter: click.Parameter, begun: str) -> Items:
    """Return holystone's own checks: their ids, or their names where one of these is begun.

    They are read from the pages of the runbook: the catalogue takes ten times as long to load.
    """
    pages = dict(_runbook())
    ids = [CompletionItem(id, help=name) for id, name in pages.items() if id.startswith(begun.upper())]
    return ids or [CompletionItem(name, help=id) for id, name in pages.items() if name.startswith(begun)]


def _runbook() -> Iterator[tuple[str, str]]:
    """Yield id and name of each check."""
    for page in sorted(files("holystone.runbook").iterdir(), key=lambda page: page.name):
        id, _, kind = page.name.partition(".")
        if kind == "md" and id[1:].isdigit():
            heading = page.read_text(encoding="utf-8").partition("\n")[0]
            yield id, heading.removeprefix(f"# {id} ")


def complete_report(context: click.Context, parameter: click.Parameter, begun: str) -> Items:
    """Return formats as FORMAT= begins with one; behind that a file is meant."""
    from holystone.render import CHECK_FORMATS

    if "=" in begun:
        return [CompletionItem(begun.partition("=")[2], type="file")]
    return [CompletionItem(f"{name}=") for name in CHECK_FORMATS if name.startswith(begun)]


def _of_store(
    candidates: Callable[["OpenStore", str], Items],
) -> Callable[[click.Context, click.Parameter, str], Items]:
    """Return what gives candidates from the store that the command line names before."""

    @wraps(candidates)
    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> Items:
        from holystone.flavours.target import parse_target
        from holystone.store.open_store import OpenStore

        named = context.params.get("target") or (context.params.get("targets") or [None])[0]
        if named is None:
            return []
        with suppress(HolystoneError):
            store = OpenStore.open(parse_target(named, context.params.get("schema")), read_only=True)
            store.statement_timeout = _PATIENCE_SECONDS
            # What cannot be typed is for no command line.
            return [item for item in candidates(store, begun) if item.value.isprintable()]
        return []

    return complete


@_of_store
def complete_run(store: "OpenStore", begun: str) -> Items:
    """Return the ids of the runs in the store's journal, the newest first."""
    from holystone.mend.runs import read_runs

    return [CompletionItem(run.run_id, help=run.kind) for run in read_runs(store) if run.run_id.startswith(begun)]


@_of_store
def complete_instance(store: "OpenStore", begun: str) -> Items:
    """Return the first ids of instances that begin so."""
    from holystone.diagnosis.suggestions import ids_from

    return [CompletionItem(id) for id in ids_from(store, begun, _MOST_INSTANCES)]
