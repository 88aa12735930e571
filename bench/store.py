"""Build a big synthetic duroxide store: ``python -m bench.store PATH --executions 300000``.

The engine itself makes the empty schema; the rows are then written in bulk, in the form the engine gives
them, and agree with one another: a check that finds anything in a store built without ``--drift`` is wrong.
The same arguments always give the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

FORMAT = 1
"""Raised whenever the same arguments give other rows than before; part of the name of a cached store."""

DEFAULT_EXECUTIONS = 300_000
DEFAULT_SEED = 20_250_101

EPOCH_MS = 1_735_689_600_000  # 2025-01-01 00:00:00 UTC: the first instance starts here
START_EVERY_MS = 700
FAR_FUTURE_MS = 4_102_444_800_000  # 2100-01-01: the timers of live instances fire here
ENGINE_VERSION = "0.1.32"
ENGINE_VERSION_PARTS = (0, 1, 32)
VERSION = "1.0.0"
ACTIVITIES = ("Reserve", "Charge", "Pack", "Ship", "Notify", "Archive")
FLUSH_INSTANCES = 2_000
POOL_SIZE = 997

Row = tuple[str | int | None, ...]

SQLITE_SCHEMA = "import sys, duroxide; duroxide.SqliteProvider.open(sys.argv[1])"
POSTGRESQL_SCHEMA = "import sys, duroxide; duroxide.PostgresProvider.connect_with_schema(*sys.argv[1:])"

COLUMNS: dict[str, tuple[str, ...]] = {
    "instances": (
        "instance_id",
        "orchestration_name",
        "orchestration_version",
        "current_execution_id",
        "created_at",
        "updated_at",
        "parent_instance_id",
        "custom_status",
        "custom_status_version",
    ),
    "executions": (
        "instance_id",
        "execution_id",
        "status",
        "output",
        "started_at",
        "completed_at",
        "duroxide_version_major",
        "duroxide_version_minor",
        "duroxide_version_patch",
    ),
    "history": ("instance_id", "execution_id", "event_id", "event_type", "event_data", "created_at"),
    "kv_store": ("instance_id", "key", "value", "last_updated_at_ms"),
    "kv_delta": ("instance_id", "key", "value", "last_updated_at_ms"),
    "orchestrator_queue": ("instance_id", "work_item", "visible_at", "created_at"),
    "worker_queue": ("work_item", "visible_at", "created_at", "instance_id", "execution_id", "activity_id"),
}
"""Table -> the columns that are written; the others keep the engine's defaults."""


@lru_cache(maxsize=4096)
def _stamp(second: int) -> str:
    """Return ``YYYY-MM-DD HH:MM:SS`` (UTC) for seconds since the epoch."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))


def _quoted(text: str) -> str:
    """Return the text as a JSON string, escaped the way the engine escapes it."""
    return json.dumps(text, ensure_ascii=False)


def _pool(rng: random.Random, shape: Callable[[random.Random, int], object]) -> list[str]:
    """Return quoted JSON documents to draw payloads from: made once, for escaping is what costs time."""
    return [_quoted(json.dumps(shape(rng, number))) for number in range(POOL_SIZE)]


def _request(rng: random.Random, number: int) -> object:
    """Return an activity's input; about 60 bytes once escaped."""
    note = 'by "noon"' if number % 9 == 0 else ""
    return {"order": rng.randrange(10**7), "sku": f"SKU-{number:04d}", "note": note}


def _answer(rng: random.Random, number: int) -> object:
    """Return an activity's result; about 60 bytes once escaped."""
    return {"ok": True, "reservation": f"R{rng.randrange(10**9):09d}", "attempt": 1 + number % 3}


@dataclass
class Batch:
    """Rows waiting to be written, by table."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in COLUMNS})

    def clear(self) -> None:
        """Forget the rows."""
        for rows in self.rows.values():
            rows.clear()


@dataclass
class Life:
    """One instance while it is made up: its clock (ms since the epoch) and what its columns will hold."""

    instance_id: str
    name: str
    now: int
    parent: str | None = None
    execution_id: int = 0
    event_id: int = 0
    created: str = ""
    started: str = ""
    custom_status: str | None = None
    custom_status_version: int = 0
    kv_store: dict[str, tuple[str, int]] = field(default_factory=dict)
    kv_delta: dict[str, tuple[str, int]] = field(default_factory=dict)


class Maker:
    """Makes instances up, one after the other, and puts their rows into a batch."""

    def __init__(self, executions: int, seed: int) -> None:
        """Prepare to make exactly so many executions."""
        self.rng = random.Random(seed)
        self.left = executions
        self.made = 0
        self.batch = Batch()
        self.requests = _pool(self.rng, _request)
        self.answers = _pool(self.rng, _answer)

    def fill(self) -> Iterator[Batch]:
        """Yield full batches until all executions are made; each is emptied once it has been taken."""
        while self.left > 0:
            for _ in range(FLUSH_INSTANCES):
                if self.left > 0:
                    self._instance()
            yield self.batch
            self.batch.clear()

    # -- the parts of a life -------------------------------------------------------------------------------

    def _born(self, name: str, *, instance_id: str | None = None, parent: str | None = None) -> Life:
        """Return a new instance; a child starts when its parent asks, all others one after the other."""
        if instance_id is None:
            instance_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        now = EPOCH_MS + self.made * START_EVERY_MS + self.rng.randrange(START_EVERY_MS)
        self.made += 1
        return Life(instance_id, name, now, parent, created=_stamp(now // 1000))

    def _event(self, life: Life, kind: str, payload: str, source: int | None = None) -> int:
        """Append an event with the payload (the text of JSON members, comma first) and return its id."""
        life.event_id += 1
        data = (
            f'{{"event_id":{life.event_id},"source_event_id":{"null" if source is None else source},'
            f'"instance_id":"{life.instance_id}","execution_id":{life.execution_id},"timestamp_ms":{life.now},'
            f'"duroxide_version":"{ENGINE_VERSION}","type":"{kind}"{payload}}}'
        )
        self.batch.rows["history"].append(
            (life.instance_id, life.execution_id, life.event_id, kind, data, _stamp(life.now // 1000))
        )
        return life.event_id

    def _start(self, life: Life, given: str, parent_event: int | None = None) -> None:
        """Begin the next execution with this quoted input."""
        self.left -= 1
        life.execution_id += 1
        life.event_id = 0
        life.started = _stamp(life.now // 1000)
        if life.parent is None:
            family = ',"parent_instance":null,"parent_id":null'
        else:
            family = f',"parent_instance":"{life.parent}","parent_id":{parent_event},"parent_execution_id":1'
        members = f',"name":"{life.name}","version":"{VERSION}","input":{given}{family}'
        self._event(life, "OrchestrationStarted", members)

    def _activity(self, life: Life, name: str) -> None:
        """Schedule an activity and complete it, 5 to 400 ms later."""
        pick = self.rng.randrange(POOL_SIZE)
        source = self._event(life, "ActivityScheduled", f',"name":"{name}","input":{self.requests[pick]}')
        life.now += self.rng.randrange(5, 400)
        self._event(life, "ActivityCompleted", f',"result":{self.answers[pick]}', source)

    def _activities(self, life: Life, least: int, most: int) -> None:
        """Run between so many activities."""
        for number in range(self.rng.randint(least, most)):
            self._activity(life, ACTIVITIES[number])

    def _report(self, life: Life, text: str) -> None:
        """Set the custom status."""
        self._event(life, "CustomStatusUpdated", f',"status":{_quoted(text)}')
        life.custom_status = text
        life.custom_status_version += 1

    def _keep(self, life: Life, key: str, value: str) -> None:
        """Set a key of the instance: it lives in kv_delta until the execution ends."""
        members = f',"key":{_quoted(key)},"value":{_quoted(value)},"last_updated_at_ms":{life.now}'
        self._event(life, "KeyValueSet", members)
        life.kv_delta[key] = (value, life.now)

    def _execution_row(self, life: Life, status: str, output: str | None, completed_at: int | None) -> None:
        """Write the row of the current execution."""
        key = (life.instance_id, life.execution_id)
        self.batch.rows["executions"].append((*key, status, output, life.started, completed_at, *ENGINE_VERSION_PARTS))

    def _end(self, life: Life, status: str, output: str) -> None:
        """Write the execution as ended now (the event is already there) and merge its keys."""
        life.kv_store.update(life.kv_delta)
        life.kv_delta.clear()
        self._execution_row(life, status, output, life.now + self.rng.randrange(3))

    def _complete(self, life: Life, output: str) -> None:
        """End the execution well."""
        self._event(life, "OrchestrationCompleted", f',"output":{_quoted(output)}')
        self._end(life, "Completed", output)

    def _continue(self, life: Life, given: str) -> None:
        """End the execution by continuing as new, and start the next one a few ms later."""
        self._event(life, "OrchestrationContinuedAsNew", f',"input":{_quoted(given)}')
        self._end(life, "ContinuedAsNew", given)
        life.now += self.rng.randrange(2, 20)
        self._start(life, _quoted(given))

    def _bury(self, life: Life) -> None:
        """Write the rows of the instance itself."""
        rows = self.batch.rows
        rows["instances"].append(
            (
                life.instance_id,
                life.name,
                VERSION,
                life.execution_id,
                life.created,
                life.started,
                life.parent,
                life.custom_status,
                life.custom_status_version,
            )
        )
        for table, values in (("kv_store", life.kv_store), ("kv_delta", life.kv_delta)):
            rows[table].extend((life.instance_id, key, value, at) for key, (value, at) in values.items())

    def _given(self) -> str:
        """Return a quoted input."""
        return self.requests[self.rng.randrange(POOL_SIZE)]

    def _result(self) -> str:
        """Return an output that hardly any other execution has."""
        cents = self.rng.randrange(10**7)
        return f'{{"order": {self.made}, "total_cents": {cents}, "note": "paid in \\"full\\""}}'

    # -- the kinds of life ---------------------------------------------------------------------------------

    def _instance(self) -> None:
        """Make one instance of a kind drawn by weight."""
        draw = self.rng.random()
        for share, make in self._KINDS:
            if draw < share:
                return make(self)
            draw -= share
        return self._order()

    def _order(self) -> None:
        """Make a completed order, now and then with a custom status and keys."""
        life = self._born("Order")
        self._start(life, self._given())
        if self.rng.random() < 0.05:
            self._report(life, "charging")
            self._keep(life, "stage", "charged")
        self._activities(life, 4, 6)
        self._complete(life, self._result())
        self._bury(life)

    def _failed(self) -> None:
        """Make an order that fails because an activity failed."""
        life = self._born("Order")
        self._start(life, self._given())
        self._activities(life, 2, 5)
        source = self._event(life, "ActivityScheduled", f',"name":"Charge","input":{self._given()}')
        life.now += self.rng.randrange(5, 400)
        message = f"Activity 'Charge' call failed: Exception: \"card\" {self.rng.randrange(10**4):04d}"
        for kind, cause in (("ActivityFailed", source), ("OrchestrationFailed", None)):
            details = f'{{"kind":"{kind}","message":{_quoted(message)},"retryable":false}}'
            self._event(life, kind, f',"details":{{"Application":{details}}}', cause)
        self._end(life, "Failed", message)
        self._bury(life)

    def _cancelled(self) -> None:
        """Make an approval that was cancelled while it waited."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._activities(life, 3, 5)
        source = self._event(life, "ExternalSubscribed", ',"name":"approval"')
        life.now += self.rng.randrange(1_000, 60_000)
        reason = _quoted(f"withdrawn by user {self.rng.randrange(1000)}")
        self._event(life, "OrchestrationCancelRequested", f',"reason":{reason}')
        self._event(life, "ExternalSubscribedCancelled", ',"reason":"orchestration_terminal"', source)
        self._event(
            life,
            "OrchestrationFailed",
            f',"details":{{"Application":{{"kind":{{"Cancelled":{{"reason":{reason}}}}},'
            f'"message":"","retryable":false}}}}',
        )
        self._end(life, "Failed", f"canceled: {json.loads(reason)}")
        self._bury(life)

    def _approved(self) -> None:
        """Make an approval that came, after a timer of a second."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._activities(life, 2, 4)
        fire_at = life.now + 1_000
        source = self._event(life, "TimerCreated", f',"fire_at_ms":{fire_at}')
        life.now = fire_at + self.rng.randrange(50)
        self._event(life, "TimerFired", f',"fire_at_ms":{fire_at}', source)
        self._event(life, "ExternalSubscribed", ',"name":"approval"')
        life.now += self.rng.randrange(1_000, 60_000)
        answer = '{"by": "me"}'
        self._event(life, "ExternalEvent", f',"name":"approval","data":{_quoted(answer)}')
        self._complete(life, answer)
        self._bury(life)

    def _chain(self) -> None:
        """Make a poller that continued as new a few times; one in ten is still at it."""
        life = self._born("Poller")
        self._start(life, _quoted('{"page": 1}'))
        keeps = self.rng.random() < 0.3
        for page in range(2, 2 + min(self.rng.randint(1, 4), self.left)):
            if keeps:
                self._keep(life, "page", str(page))
            self._activities(life, 4, 6)
            self._continue(life, f'{{"page": {page}}}')
        self._activities(life, 4, 6)
        if self.rng.random() < 0.1:
            self._event(life, "ExternalSubscribed", ',"name":"more"')
            self._execution_row(life, "Running", None, None)
        else:
            self._complete(life, '"done"')
        self._bury(life)

    def _family(self) -> None:
        """Make a parent that waited for its child."""
        if self.left < 2:
            return self._order()
        life = self._born("Batch")
        self._start(life, self._given())
        self._activities(life, 3, 5)
        given = self._given()
        event = life.event_id + 1
        self._event(life, "SubOrchestrationScheduled", f',"name":"Order","instance":"sub::{event}","input":{given}')
        child = self._born("Order", instance_id=f"{life.instance_id}::sub::{event}", parent=life.instance_id)
        child.now = life.now + self.rng.randrange(2, 20)
        child.created = _stamp(child.now // 1000)
        self._start(child, given, event)
        self._activities(child, 3, 5)
        result = self._result()
        self._complete(child, result)
        life.now = child.now + self.rng.randrange(2, 20)
        self._event(life, "SubOrchestrationCompleted", f',"result":{_quoted(result)}', event)
        self._complete(life, result)
        self._bury(life)
        return self._bury(child)

    def _live(self) -> None:
        """Make an instance that still runs: it waits for an event, an activity or a timer."""
        life = self._born("Approval")
        self._start(life, self._given())
        self._keep(life, "stage", "waiting")
        self._activities(life, 3, 6)
        self.rng.choice((self._wait_event, self._wait_activity, self._wait_timer))(life)
        self._execution_row(life, "Running", None, None)
        self._bury(life)

    def _wait_event(self, life: Life) -> None:
        """Wait for an event from outside."""
        self._event(life, "ExternalSubscribed", ',"name":"approval"')

    def _wait_activity(self, life: Life) -> None:
        """Wait for an activity that no worker has taken yet."""
        given = self._given()
        event = self._event(life, "ActivityScheduled", f',"name":"Ship","input":{given}')
        item = (
            f'{{"ActivityExecute":{{"instance":"{life.instance_id}","execution_id":{life.execution_id},'
            f'"id":{event},"name":"Ship","input":{given}}}}}'
        )
        self.batch.rows["worker_queue"].append(
            (item, life.now, _stamp(life.now // 1000), life.instance_id, life.execution_id, event)
        )

    def _wait_timer(self, life: Life) -> None:
        """Wait for a timer that fires in the far future."""
        event = self._event(life, "TimerCreated", f',"fire_at_ms":{FAR_FUTURE_MS}')
        item = (
            f'{{"TimerFired":{{"instance":"{life.instance_id}","execution_id":{life.execution_id},'
            f'"id":{event},"fire_at_ms":{FAR_FUTURE_MS}}}}}'
        )
        self.batch.rows["orchestrator_queue"].append((life.instance_id, item, FAR_FUTURE_MS, _stamp(life.now // 1000)))

    _KINDS: tuple[tuple[float, Callable[[Maker], None]], ...] = (
        (0.060, _failed),
        (0.020, _cancelled),
        (0.050, _approved),
        (0.030, _chain),
        (0.020, _family),
        (0.020, _live),
    )  # shares of the instances; all the others are completed orders


# -- SQLite ------------------------------------------------------------------------------------------------


def engine(code: str, *arguments: str) -> None:
    """Let the engine make its schema, in a process of its own so that no connection of it stays open."""
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)


def _insert(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write the rows of a batch."""
    for table, rows in batch.rows.items():
        names = COLUMNS[table]
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def make_drift(connection: sqlite3.Connection, count: int) -> int:
    """Turn so many finished executions, evenly spread, back into Running; return how many were changed.

    Their status, output and completed_at are lost, as after a crash between two writes; their history stays.
    """
    cursor = connection.execute(
        """
        WITH ended AS (
            SELECT rowid AS id, row_number() OVER (ORDER BY rowid) AS n, count(*) OVER () AS total
            FROM executions WHERE status <> 'Running'
        )
        UPDATE executions SET status = 'Running', output = NULL, completed_at = NULL
        WHERE rowid IN (SELECT id FROM ended WHERE n * :count / total <> (n - 1) * :count / total)
        """,
        {"count": count},
    )
    return cursor.rowcount


def build(path: Path, executions: int = DEFAULT_EXECUTIONS, seed: int = DEFAULT_SEED, drift: int = 0) -> None:
    """Build the SQLite store at path, replacing what is there; it appears only once it is complete."""
    part = path.with_name(path.name + ".part")
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)
    engine(SQLITE_SCHEMA, str(part))
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF").fetchall()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")  # KiB: the index of the random ids must fit
        connection.execute("BEGIN EXCLUSIVE")
        for batch in Maker(executions, seed).fill():
            _insert(connection, batch)
        if drift:
            make_drift(connection, drift)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    os.replace(part, path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


# -- PostgreSQL --------------------------------------------------------------------------------------------

_UTC = "|| '+00'"
_MS = "strftime('%Y-%m-%d %H:%M:%f+00', {0} / 1000.0, 'unixepoch')"

TO_POSTGRESQL: dict[str, dict[str, str]] = {
    "instances": {"created_at": f"created_at {_UTC}", "updated_at": f"updated_at {_UTC}"},
    "executions": {
        "started_at": f"started_at {_UTC}",
        "completed_at": f"CASE WHEN status <> 'ContinuedAsNew' THEN {_MS.format('completed_at')} END",
    },
    "history": {"event_type": "'Event'", "created_at": f"created_at {_UTC}"},
    "kv_store": {
        "execution_id": """(
            SELECT max(h.execution_id)
            FROM history AS h JOIN history AS t USING (instance_id, execution_id)
            WHERE h.instance_id = kv_store.instance_id
              AND h.event_type = 'KeyValueSet' AND h.event_data ->> '$.key' = kv_store.key
              AND t.event_type IN
                  ('OrchestrationCompleted', 'OrchestrationFailed', 'OrchestrationContinuedAsNew'))"""
    },
    "kv_delta": {},
    "orchestrator_queue": {"visible_at": _MS.format("visible_at"), "created_at": f"created_at {_UTC}"},
    "worker_queue": {"visible_at": _MS.format("visible_at"), "created_at": f"created_at {_UTC}"},
}
"""Table -> column -> the SQLite expression of what the engine keeps in that column on PostgreSQL."""


def _copy(source: sqlite3.Connection, target: psycopg.Connection, schema: str, table: str) -> int:
    """Copy one table and return its number of rows."""
    from psycopg import sql

    values = {name: name for name in COLUMNS[table]} | TO_POSTGRESQL[table]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, values))
    )
    rows = 0
    with target.cursor() as cursor, cursor.copy(statement) as copy:
        for row in source.execute(f"SELECT {', '.join(values.values())} FROM {table} ORDER BY rowid"):
            copy.write_row(row)
            rows += 1
    return rows


def copy_to_postgresql(path: Path, url: str, schema: str) -> dict[str, int]:
    """Copy a built SQLite store into a schema that the engine makes; return the number of rows by table.

    The schema must not hold anything yet.
    """
    import psycopg
    from psycopg import sql

    engine(POSTGRESQL_SCHEMA, url, schema)
    rows: dict[str, int] = {}
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        with psycopg.connect(url) as target:
            for table in COLUMNS:
                rows[table] = _copy(source, target, schema, table)
            for table in ("orchestrator_queue", "worker_queue"):  # messages are kept as jsonb prints them
                name = sql.Identifier(schema, table)
                target.execute(sql.SQL("UPDATE {} SET work_item = work_item::jsonb::text").format(name))
    finally:
        source.close()
    with psycopg.connect(url, autocommit=True) as target:
        for table in COLUMNS:
            target.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(schema, table)))
    return rows


# -- the command -------------------------------------------------------------------------------------------


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description="Build a big synthetic duroxide store.")
    parser.add_argument("path", type=Path, help="the SQLite file to build")
    parser.add_argument("--executions", type=int, default=DEFAULT_EXECUTIONS, metavar="N")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="N")
    parser.add_argument("--drift", type=int, default=0, metavar="N", help="leave N ended executions Running")
    parser.add_argument("--postgresql", metavar="URL", help="copy the store; an existing PATH is reused")
    parser.add_argument("--schema", default="bench", help="PostgreSQL schema to fill (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _arguments(argv)
    began = time.perf_counter()
    if given.postgresql is None or not given.path.exists():
        build(given.path, given.executions, given.seed, given.drift)
        size, took = given.path.stat().st_size / 1e9, time.perf_counter() - began
        print(f"{given.path}: {given.executions:,} executions, {size:.2f} GB, {took:.1f} s")
    if given.postgresql is not None:
        began = time.perf_counter()
        rows = copy_to_postgresql(given.path, given.postgresql, given.schema)
        print(f"schema {given.schema}: {sum(rows.values()):,} rows, {time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
