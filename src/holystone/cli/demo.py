"""`holystone demo`: the main job on a small store of its own."""

import os
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

import click

from holystone.cli.exit_codes import Exit


@click.command(short_help="Show all of it on a small store of its own.")
@click.argument("directory", metavar="[DIR]", required=False)
def demo(directory: str | None) -> int:
    """Build a small store, let it drift, check it, repair it and take that back.

    The store stays in DIR for you to play with; without DIR it is made in a temporary directory and removed.
    """
    import tempfile

    from holystone.printable import one_line
    from holystone.render.messages import say

    if directory is not None:
        _tell(Path(directory) / "demo.db")
        where = one_line(str(Path(directory) / "demo.db"), None)
        say(f"The store is {where}: as it was before the repair. It is yours to try.")
        return Exit.OK
    # From inside the folder, so that the commands on the screen do not name one that is gone afterwards.
    with tempfile.TemporaryDirectory(prefix="holystone-demo-") as temporary, chdir(temporary):
        _tell(Path("demo.db"))
    say("The store has been removed; `holystone demo DIR` keeps it.")
    return Exit.OK


def _tell(path: Path) -> None:
    from holystone.demo.story import story
    from holystone.errors import HolystoneError
    from holystone.render.messages import heading, say

    for step in story(path):
        heading(step.says)
        for command in step.commands:
            words = [_latest_run(path) if word == "RUN" else word for word in command]
            status = _run(words)
            if status == Exit.COULD_NOT_RUN:
                raise HolystoneError("The demonstration could not go on.", "Report what it printed.")
            say(f"exit status {status}")
            say("")


def _run(words: Sequence[str]) -> int:
    from holystone.cli.main import run
    from holystone.render.messages import prompt
    from holystone.render.terminal import quoted

    prompt(f"holystone {' '.join(map(quoted, words))}")
    with _plain_environment():
        return run(list(words))


@contextmanager
def _plain_environment() -> Iterator[None]:
    """Have no configuration, and no variable, change the commands: what they show is the same wherever they run."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("HOLYSTONE_")}
    for name in kept.keys() - {"HOLYSTONE_DEBUG"}:
        del os.environ[name]
    os.environ["HOLYSTONE_CONFIG"] = os.devnull
    try:
        yield
    finally:
        del os.environ["HOLYSTONE_CONFIG"]
        os.environ.update(kept)


def _latest_run(path: Path) -> str:
    from holystone.mend.runs import read_runs
    from holystone.store.open_store import OpenStore

    return read_runs(OpenStore.open(str(path), read_only=True))[0].run_id
