"""Peak memory by command and by the size of one value: `python -m bench.memory > docs/memory.md`.

Each command runs in a process of its own. What the same command takes where the value is short is taken off: what is
left is what the value costs. The database that --postgresql names must be one in which schemas may be made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, make_url, select, text

from holystone.demo.scribe import Scribe, activity_completed, completed, scheduled, started
from holystone.duroxide.tables import executions, history, instances, kv_store, kv_store_execution_id, worker_queue
from holystone.mend import journal
from holystone.mend.apply import new_run
from holystone.mend.change import Change
from holystone.mend.runs import read_runs
from holystone.migrate import upgrade
from holystone.store import Store
from holystone.store.toolkit import JOURNAL_DIGESTS

SIZES = (50,)
"""Of the value, in millions of bytes."""
ROWS = (1_000, 200_000)
"""Of the store."""
ROOT = Path(__file__).parent.parent

# A process never takes less memory than the one that started it, whose copy it begins as: a small one starts it.
LAUNCHER = """\
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
status, usage = os.wait4(pid, 0)[1:]
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def most_bytes(*words: str) -> int:
    """Return the most memory that a command takes, in bytes."""
    command = [sys.executable, "-S", "-c", LAUNCHER, sys.executable, "-m", "holystone", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, most = map(int, done.stdout.split())
    if status not in (0, 1):
        raise RuntimeError(f"{words} ended in {status}: {done.stderr}")
    return most


def of_event(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), scheduled(), activity_completed(value), completed())


def of_output(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), completed(value))
    scribe.change(executions, {"instance_id": "large"}, output="lost")


def of_status(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), ("CustomStatusUpdated", {"status": value}), completed())
    scribe.change(instances, {"instance_id": "large"}, custom_status=value + "?", custom_status_version=1)


def of_key(scribe: Scribe, value: str) -> None:
    set_ = ("KeyValueSet", {"key": "k", "value": value, "last_updated_at_ms": 1})
    scribe.execution("large", started(), set_, completed())
    row = {"instance_id": "large", "key": "k", "value": value + "?", "last_updated_at_ms": 1}
    if scribe.flavour.name == "postgresql":
        scribe.add(kv_store_execution_id, **row, execution_id=1)
    else:
        scribe.add(kv_store, **row)


def of_message(scribe: Scribe, value: str) -> None:
    scribe.execution("large", started(), scheduled(input=value))
    scribe.change(worker_queue, {"instance_id": "large"}, activity_id=7)


VALUES: dict[str, Callable[[Scribe, str], None]] = {
    "an event, sound": of_event,
    "the output, lost": of_output,
    "a custom status, changed": of_status,
    "a key's value, changed": of_key,
    "a message, misnamed": of_message,
}
"""Where the value is, and what is wrong with the row that has it."""
LISTS = {
    "check": ["check"],
    "check --format json": ["check", "--format", "json"],
    "executions list": ["executions", "list", "--limit", "1000000"],
    "executions list --format json": ["executions", "list", "--limit", "1000000", "--format", "json"],
    "repair log --rows": ["repair", "log", "--rows"],
    "repair log --format json": ["repair", "log", "--format", "json"],
}
"""Commands that tell of many rows."""
COMMANDS = (
    *("check", "repair plan", "repair apply", "repair log", "repair undo"),
    *("executions list", "executions show", "why"),
)


@contextmanager
def store_on_sqlite() -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        words = [str(Path(folder) / "store.db")]
        _create(words)
        yield words


@contextmanager
def store_on_postgresql(url: str) -> Iterator[list[str]]:
    words = [url, "--schema", "holystone_bench_memory"]
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    drop, make = text(f"DROP SCHEMA IF EXISTS {words[-1]} CASCADE"), text(f"CREATE SCHEMA {words[-1]}")
    with engine.begin() as connection:
        connection.execute(drop)
        connection.execute(make)
    _create(words)
    try:
        yield words
    finally:
        with engine.begin() as connection:
            connection.execute(drop)


def _create(words: list[str]) -> None:
    driver = [sys.executable, str(ROOT / "tests" / "engine" / "driver.py"), "create", *words]
    subprocess.run(driver, check=True, capture_output=True)


def measured(words: list[str], value: Callable[[Scribe, str], None], length: int) -> dict[str, int]:
    """Return the most bytes that each command takes on a store with such a value."""
    store = Store.open(words[0], words[-1] if len(words) > 1 else None)
    with store.transaction() as connection:
        value(Scribe(connection, store.flavour), f'"{"x" * length}"')
    target, schema = words[0], words[1:]
    found = {"check": most_bytes("check", *words, "--level", "deep")}
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.json")
        found["repair plan"] = most_bytes("repair", "plan", *words, "--level", "deep", "-o", plan)
        found["repair apply"] = most_bytes("repair", "apply", target, plan, *schema)
    if runs := _runs(words):
        found["repair log"] = most_bytes("repair", "log", *words, "--format", "json")
        found["repair undo"] = most_bytes("repair", "undo", target, runs[0], *schema, "--yes")
    found["executions list"] = most_bytes("executions", "list", *words)
    found["executions show"] = most_bytes("executions", "show", target, "large", *schema, "--format", "json")
    found["why"] = most_bytes("why", target, "large", *schema, "--format", "json")
    return found


def measured_lists(words: list[str], rows: int) -> dict[str, int]:
    """Return the most bytes that commands take which tell of a store with so many executions and journaled changes."""
    store = Store.open(words[0], words[-1] if len(words) > 1 else None)
    _add_executions(store, rows)
    _add_run(store, rows)
    return {name: most_bytes(*command, *words) for name, command in LISTS.items()}


def _add_executions(store: Store, number: int) -> None:
    """Make executions that are like each other, each of which has lost its output."""
    tables = (instances, executions, history)
    with store.transaction() as connection:
        of_output(Scribe(connection, store.flavour), '"done"')
        like = [(table, list(connection.execute(select(table)).mappings())) for table in tables]
        for start in range(1, number, 1_000):
            ids = [f"large-{one:06}" for one in range(start, min(start + 1_000, number))]
            for table, rows in like:
                copies = [_renamed(row, "large", one) for one in ids for row in rows]
                connection.execute(insert(table), copies)


def _renamed(row: Mapping[Any, Any], old: str, new: str) -> dict[str, Any]:
    return {str(name): value.replace(old, new) if isinstance(value, str) else value for name, value in row.items()}


def _add_run(store: Store, number: int) -> None:
    """Write a run to the journal that has taken the outputs from the events, as it were."""
    upgrade(store, JOURNAL_DIGESTS)
    store = Store.open(store.target)
    made = (
        Change(
            check="E006",
            repair="restore-output",
            safety="safe",
            table="executions",
            key={"instance_id": f"large-{one:06}", "execution_id": 1},
            before={"output": "lost"},
            after={"output": '"done"'},
            why="output differs from the one in its history",
            evidence={"last_event_id": 2, "last_event_sha256": "0123456789abcdef"},
        )
        for one in range(number)
    )
    run = new_run("apply", plan="0123456789abcdef")
    with store.transaction() as connection:
        now = store.flavour.now_ms(connection)
        journal.begin(connection, run)
        journal.record(connection, run.run_id, 0, made, now, {})
        journal.finish(connection, run.run_id, now)


def _runs(words: list[str]) -> list[str]:
    store = Store.open(words[0], words[-1] if len(words) > 1 else None)
    return [run.run_id for run in read_runs(store)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", metavar="URL", help="a database in which schemas may be made")
    given = parser.parse_args()
    if given.postgresql:
        print("## PostgreSQL")
        _measure(lambda: store_on_postgresql(given.postgresql))
    else:
        print(INTRODUCTION + "\n\n## SQLite")
        _measure(store_on_sqlite)


def _measure(made: Callable[[], AbstractContextManager[list[str]]]) -> None:
    for name, value in VALUES.items():
        rows: dict[int, dict[str, int]] = {}
        for length in (1, *(size * 1_000_000 for size in SIZES)):
            with made() as words:
                rows[length] = measured(words, value, length)
        print("\n" + _table(name, rows), flush=True)
    by_rows: dict[int, dict[str, int]] = {}
    for number in ROWS:
        with made() as words:
            by_rows[number] = measured_lists(words, number)
    print("\n" + _table_of_rows(by_rows), flush=True)


def _table(name: str, rows: dict[int, dict[str, int]]) -> str:
    lines = [
        f"{name[0].upper()}{name[1:]}:",
        "",
        "| command | base | " + " | ".join(f"{s} MB" for s in SIZES) + " | times |",
    ]
    lines.append("|---|---|" + "---|" * (len(SIZES) + 1))
    for command in COMMANDS:
        if command not in rows[1]:
            continue
        base = rows[1][command]
        more = [max(0, rows[size * 1_000_000][command] - base) for size in SIZES]
        times = more[-1] / (SIZES[-1] * 1_000_000)
        lines.append(
            f"| `{command}` | {base / 1e6:.0f} | " + " | ".join(f"{m / 1e6:.0f}" for m in more) + f" | {times:.1f} |"
        )
    return "\n".join(lines)


def _table_of_rows(by_rows: dict[int, dict[str, int]]) -> str:
    lines = ["By the number of rows:", "", "| command | " + " | ".join(f"{number:,}" for number in ROWS) + " |"]
    lines.append("|---|" + "---|" * len(ROWS))
    for command in LISTS:
        lines.append(f"| `{command}` | " + " | ".join(f"{by_rows[n][command] / 1e6:.0f}" for n in ROWS) + " |")
    return "\n".join(lines)


INTRODUCTION = """\
# Memory

Peak memory by command on a store that holds one value of 50 MB, as `bench/memory.py` measures it. `base` is what a
command takes, in MB, where the value is short; the next column is what it takes more, and `times` is how often it holds
the value. `check` and `repair plan` are at level deep, and read with two connections at the same time: two looks at one
value may fall together or not, so `check` holds an output that was lost three to five times, and three times with
`--jobs 1`. `repair log`, `executions show` and `why` are with `--format json`. A command that has nothing to repair is
left out. Of a custom status and of a key's value that were changed there are two in the store, what it is and what it
should be, and a repair holds both.

What many rows cost does not grow with the store: they are read in batches, and a text over 64 kB is left out of these
and read alone, when it is looked at. The table by the number of rows has the peak memory in MB of commands that tell of
many rows, on stores with as many executions, each of which has lost its output, and a run that has repaired as many.
A plan is held whole, and so is the run that `repair undo` takes back."""


if __name__ == "__main__":
    main()
