"""For the tests of orchestrations: assert that a store is clean."""

import os
import subprocess
import sys
from collections.abc import Sequence


def assert_clean(
    target: str | os.PathLike[str],
    *,
    schema: str | None = None,
    level: str = "deep",
    fail_on: str = "warning",
    ignore: Sequence[str] = (),
    race_window: str = "0s",
    timeout_seconds: float | None = 300,
) -> None:
    """Raise AssertionError, with the report as text, where a store is not clean or cannot be checked.

    Findings below the severity `fail_on` are put up with, and those of the checks in `ignore`, which are ids, names or
    letters of families. Stop the runtime first; where one is still at work, what it has just written in one table and
    not yet in another is no finding with a `race_window` such as "60s".

    The check runs in a process of its own. The package `duroxide` brings a copy of SQLite, and two copies in one
    process drop each other's file locks. `subprocess.TimeoutExpired` where it takes longer than `timeout_seconds`.
    """
    words = ["check", "--level", level, "--fail-on", fail_on, "--race-window", race_window]
    for word in ignore:
        words += ["--ignore", word]
    # A password in the environment is not in the list of processes, as it would be among the arguments.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLYSTONE_")}
    environment["HOLYSTONE_TARGET"] = os.fspath(target)
    if schema is not None:
        environment["HOLYSTONE_SCHEMA"] = schema
    command = [sys.executable, "-m", "holystone", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout_seconds)
    if done.returncode:
        raise AssertionError(f"\n{done.stdout}{done.stderr}".rstrip())
