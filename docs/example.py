"""The runbook's examples: a real run of each check over a store with the broken rows of its case."""

import sys
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from holystone.demo.scribe import Scribe
from holystone.migrate import create
from holystone.scan.check import Check, NoRepair
from transcript import printed, steady

STORE = "app.db"

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def example(check: Check) -> str:
    """Return what a user types and sees, for a new SQLite store called app.db; empty where it does not apply there."""
    if "sqlite" not in check.flavours:
        return ""
    case = import_module(f"cases.{check.id.lower()}_{check.name.replace('-', '_')}").CASE
    commands = [["check", STORE, "--select", check.id]]
    if not isinstance(check.repair, NoRepair):
        commands.append(["repair", "plan", STORE, "--select", check.id])
    with TemporaryDirectory() as directory, chdir(directory):
        store = create(STORE)
        with store.transaction() as connection:
            case.broken(Scribe(connection, store.flavour))
        said = [_run(*command) for command in commands]
    return steady("\n".join(said))


def _run(*words: str) -> str:
    status, text = printed(*words)
    return f"$ holystone {' '.join(words)}\n{text}(exit status {status})\n"
