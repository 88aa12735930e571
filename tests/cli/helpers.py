"""Ways to run commands, and stores to run them on."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import Select, make_url

from holystone.demo.scribe import Scribe, activity_completed, completed, continued, failed, scheduled, started
from holystone.store import Store

DRIVER = Path(__file__).parent.parent / "engine" / "driver.py"
SCHEMA = "engine"
COMMAND = (sys.executable, "-m", "holystone")
# Root is denied nothing, unless it gives up two capabilities; other users never had them.
WITHOUT_PRIVILEGES = (
    (
        sys.executable,
        "-c",
        "import ctypes, os, sys\n"
        "PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2\n"
        "for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):\n"
        "    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0\n"
        "os.execv(sys.argv[1], sys.argv[1:])",
    )
    if os.geteuid() == 0
    else ()
)
TELLING = re.compile(r"^(Next|Way back|Run \S+ Next|  left .*): holystone ")
WORK = (started(), scheduled(), activity_completed())


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Run(Protocol):
    """Runs a command in this process."""

    def __call__(self, *words: str) -> Result: ...


@dataclass(frozen=True)
class Sample:
    """A store that a test may do anything with; `words` name it on a command line."""

    target: str
    schema: str | None = None

    @property
    def words(self) -> list[str]:
        return [self.target] if self.schema is None else [self.target, "--schema", self.schema]

    def seen_by(self, role: str) -> Sample:
        """Return the store as one names it who logs in as this role."""
        url = make_url(self.target).set(username=role, password="secret")
        return Sample(url.render_as_string(hide_password=False), self.schema)

    @contextmanager
    def scribe(self) -> Iterator[Scribe]:
        """Yield a scribe; what it writes is there when the block ends."""
        store = Store.open(self.target, self.schema)
        with store.transaction() as connection:
            yield Scribe(connection, store.flavour)
        if self.schema is not None:  # ids that are given are not the sequences' own
            self.execute(NUMBER_ON)

    def rows(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """Return what a select of the engine's tables finds."""
        with Store.open(self.target, self.schema, read_only=True).snapshot() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    def execute(self, script: str) -> None:
        """Run SQL by hand, as nobody should."""
        if self.schema is None:
            with closing(sqlite3.connect(self.target)) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                connection.executescript(script)
            return
        with psycopg.connect(self.target) as connection_:
            connection_.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))
            connection_.execute(script.encode())


def create(*words: str) -> None:
    """Let the engine make an empty store."""
    # In a process of its own: the engine keeps its connections for as long as it lives.
    subprocess.run([sys.executable, str(DRIVER), "create", *words], check=True, capture_output=True, timeout=60)


def fill(sample: Sample) -> None:
    """Write a healthy store's rows: ended, failed and live orders, and an instance in its second execution."""
    with sample.scribe() as scribe:
        scribe.execution("order-1", *WORK, completed('"shipped"'))
        scribe.execution("order-2", *WORK, failed("card declined"))
        scribe.execution("order-3", started(), scheduled())
        scribe.execution("meter-42", started("Meter", "1"), continued("2"))
        scribe.execution("meter-42", started("Meter", "2"), scheduled("Read"), execution_id=2)
    if sample.schema is not None:  # a scribe gives its messages their numbers itself
        sample.execute("SELECT setval('worker_queue_id_seq', (SELECT max(id) FROM worker_queue))")


NUMBER_ON = " ".join(
    f"SELECT setval(pg_get_serial_sequence('{queue}', 'id'), (SELECT coalesce(max(id), 1) FROM {queue}));"
    for queue in ("orchestrator_queue", "worker_queue")
)
"""Lets the queues number on from what is in them, on PostgreSQL."""
STALE = "UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL WHERE instance_id = 'order-1';"
"""Leads to E001, critical."""
UNDATED = "UPDATE executions SET completed_at = NULL WHERE instance_id = 'order-2';"
"""Leads to E003, error."""
GHOST = "INSERT INTO executions (instance_id, execution_id, started_at) VALUES ('ghost', 1, '2025-01-01 00:00:00');"
"""Leads to E007, which only an unsafe repair mends."""


CRASHING_WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("UPDATE executions SET status = 'Running' WHERE instance_id = 'order-2'")
os._exit(0)
"""
"""A program that dies with a transaction in the -wal file of a SQLite store."""
CRASHING_HALFWAY = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript('PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN IMMEDIATE')
for number in range(100):
    row = (str(number), 'x' * 3000)
    connection.execute('INSERT INTO executions (instance_id, execution_id, output) VALUES (?, 1, ?)', row)
os._exit(0)
"""
"""A program that dies in the middle of a transaction, which has a journal beside the file."""


def holystone(
    *words: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | str | None = None,
    typed: str | None = None,
    unprivileged: bool = False,
) -> Result:
    """Run the command as a process of its own; `typed` is its standard input, which is no terminal.

    Modes of files apply to an `unprivileged` one, whoever runs the tests.
    """
    done = subprocess.run(
        [*(WITHOUT_PRIVILEGES if unprivileged else ()), *COMMAND, *words],
        input=typed or "",
        capture_output=True,
        text=True,
        env=clean_environment(environment),
        cwd=folder,
        timeout=60,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing steers the command but `more`."""
    steering = ("HOLYSTONE_", "PG", "NO_COLOR", "FORCE_COLOR")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return {**inherited, "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}


def assert_refused(result: Result, *says: str, status: int = 2) -> None:
    """Assert that a command could not run, said why and what to do next, and printed nothing to rely on."""
    assert result.status == status, result
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "fault of holystone" not in result.err
    lines = result.err.splitlines()
    assert lines[-2].startswith("Error: ") or lines[-1].startswith("Error: "), result.err
    if lines[-2].startswith("Error: "):
        assert lines[-2].endswith((".", "?", "…"))
        assert lines[-1].startswith("Next: ")
    else:  # click's own form: it tells the usage first
        assert any(line.startswith("Try 'holystone ") for line in lines)
    for words in says:
        assert words in result.err


def contents(folder: Path) -> dict[str, bytes]:
    """Return each file of a folder with its bytes, less SQLite's shared memory, whose read marks may change."""
    return {
        path.name: b"" if path.name.endswith("-shm") else path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def commands_in(text: str) -> list[str]:
    """Return what follows `holystone` in the commands that a text tells its reader to type."""
    found = [line.partition("holystone ")[2] for line in text.splitlines() if TELLING.search(line)]
    return [words for words in found if words]


def split(line: str) -> list[str]:
    """Return the words of a command line as a shell reads them."""
    if "$'" not in line:
        return shlex.split(line)
    # How control characters are written, which only a shell can read.
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]
