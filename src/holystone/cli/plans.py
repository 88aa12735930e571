"""Plans on the command line: made anew, or read from a file, shown, and agreed to."""

import sys
from typing import TYPE_CHECKING

from holystone.cli.exit_codes import Exit
from holystone.cli.options import output_to
from holystone.cli.prompts import ask

if TYPE_CHECKING:
    from holystone.mend.plan import Plan
    from holystone.scan.catalogue import Selection
    from holystone.store.open_store import OpenStore


def make_plan(store: "OpenStore", selection: "Selection", jobs: int) -> "Plan":
    """Return a new plan, while a bar shows how far it is."""
    from holystone import api
    from holystone.render.progress import progress_bar

    with progress_bar() as progress:
        return api.plan(store, selection, jobs=jobs, progress=progress)


def given_plan(store: "OpenStore", file: str, *, yes: bool, format_: str) -> "Plan":
    """Return the plan of a file, which was shown in short, and agreed to where there is somebody to ask."""
    from holystone.cli.files import read_file
    from holystone.mend.plan import read_plan
    from holystone.render.repairs import given_plan_text

    given = read_plan(read_file(file), store)
    with output_to(None) as out:
        if format_ == "text":
            given_plan_text(given, file, out)
    # Who runs a script that names a plan has agreed to it, and standard input may be where the plan came from.
    if given.changes and not yes and file != "-" and sys.stdin.isatty():
        ask("Apply it?")
    return given


def shown_plan(store: "OpenStore", selection: "Selection", jobs: int, *, yes: bool, format_: str) -> "Plan":
    """Return a new plan, which was shown and agreed to."""
    from holystone.errors import StoreChangedError
    from holystone.render.repairs import plan_text

    try:
        made = make_plan(store, selection, jobs)
    except StoreChangedError:
        made = make_plan(store, selection, jobs)  # a writer came just then; he is here now, and is read beside
    with output_to(None) as out:
        if format_ == "text":
            plan_text(store, made, out)
    if made.changes and not yes:
        ask("Apply it?")
    return made


def complain(made: "Plan") -> int:
    """Say which rows the plan knows nothing of, and return the exit status that this makes; 0 where it knows all."""
    from holystone.render.messages import error
    from holystone.render.terminal import not_looked_at

    if not made.unread:
        return Exit.OK
    next_step = "repair the cause and make a plan again: what is wrong there is not in this one."
    error(not_looked_at(made.unread), next_step)
    return Exit.COULD_NOT_RUN
