"""A hot standby: what reads works there, and what writes says so before it begins."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from postgresql import SETTINGS, Server, _identity, _reachable

from .conftest import server_of_its_own
from .helpers import SCHEMA, STALE, UNDATED, Run, Sample, assert_refused

pytestmark = pytest.mark.long

READING = {
    "check --level quick": 1,
    "check --level standard --jobs 2": 1,
    "check --level deep": 1,
    "check --since last": 1,
    "repair plan": 0,
    "repair log": 0,
    "executions list": 0,
    "migrate status": 0,
    "migrate sql": 0,
}
"""Commands that read -> their exit status on a drifted store."""
WRITING = (
    ["repair", "apply", "--yes"],
    ["repair", "undo", "--yes"],
    ["repair", "resume", "--yes"],
    ["migrate", "upgrade"],
    ["migrate", "adopt"],
    ["migrate", "downgrade", "--yes"],
)


@pytest.fixture(scope="module")
def primary() -> Iterator[tuple[Server, Sample]]:
    """A server that others can follow, and a drifted store on it."""
    with server_of_its_own("pg_basebackup") as (server, store):
        store.execute(STALE)
        yield server, store


@pytest.fixture(scope="module")
def standby(primary: tuple[Server, Sample]) -> Iterator[Sample]:
    """The store as a standby of its server shows it."""
    server, store = primary
    folder = Path(tempfile.mkdtemp(prefix="holystone-standby-", dir="/tmp"))
    identity = _identity()
    if identity:
        shutil.chown(folder, identity["user"], identity["group"])
    binaries = _reachable(server.bin_dir, folder, identity)
    host = str(make_url(store.target).query["host"])
    data = folder / "data"
    subprocess.run(
        [binaries / "pg_basebackup", "-h", host, "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast"],
        check=True,
        capture_output=True,
        cwd=folder,
        **identity,
    )
    options = {**SETTINGS, "unix_socket_directories": str(folder), "max_standby_streaming_delay": "100ms"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *words], stdout=log, stderr=log, cwd=folder, **identity
        )
    try:
        url = make_url(store.target).update_query_dict({"host": str(folder)})
        yield Sample(_once_it_answers(url.render_as_string(hide_password=False), folder / "log"), SCHEMA)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _once_it_answers(url: str, log: Path) -> str:
    for _ in range(200):
        try:
            psycopg.connect(url).close()
            return url
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def caught_up(primary: Sample, standby: Sample) -> None:
    """Wait until the standby shows what the primary has."""
    with psycopg.connect(primary.target) as there:
        (position,) = there.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
    with psycopg.connect(standby.target, autocommit=True) as here:
        for _ in range(200):
            if here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]).fetchone() == (True,):
                return
            time.sleep(0.05)
    raise AssertionError("the standby does not follow")


@pytest.mark.parametrize("command", READING)
def test_what_reads_works(run: Run, standby: Sample, command: str) -> None:
    done = run(*command.split(), *standby.words)
    assert done.status == READING[command], done
    assert "recovery" not in done.err


def test_showing_an_execution_works(run: Run, standby: Sample) -> None:
    assert run("executions", "show", standby.target, "order-1", *standby.words[1:]).status == 0
    assert run("why", standby.target, "order-1", *standby.words[1:]).status == 0


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
@pytest.mark.parametrize("installed", [False, True], ids=["bare", "with a journal"])
def test_what_writes_says_so_before_it_begins(
    run: Run, primary: tuple[Server, Sample], standby: Sample, command: list[str], installed: bool
) -> None:
    _, store = primary
    run_id = "20260101-000000-abcdef"
    if installed:
        assert run("migrate", "upgrade", *store.words).status == 0
        store.execute(STALE)
        run_id = run("repair", "apply", "--yes", "--format", "json", *store.words).json["run"]
        store.execute(STALE + UNDATED)
        caught_up(store, standby)
    more = {"undo": [run_id], "resume": [run_id], "downgrade": ["toolkit@base"]}.get(command[1], [])
    refused = run(*command, standby.target, *more, *standby.words[1:])
    assert_refused(refused, "is a hot standby")
    assert "the primary" in refused.err.splitlines()[-1]


def test_a_conflict_with_recovery_is_told_with_a_next_step(
    run: Run, primary: tuple[Server, Sample], standby: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the primary has vacuumed away a snapshot on the standby may still want; it is ended for that."""
    from sqlalchemy import Engine, event

    _, store = primary
    caught_up(store, standby)
    statements = 0

    def vacuum(connection: object, cursor: object, statement: str, *_: object) -> None:
        nonlocal statements
        statements += 1
        if "executions" in statement and "SELECT" in statement and not done:
            done.append(statement)
            with psycopg.connect(store.target, autocommit=True) as there:
                there.execute("UPDATE engine.executions SET status = status")
                there.execute("VACUUM (FREEZE, TRUNCATE) engine.executions")
            caught_up(store, standby)

    done: list[str] = []
    event.listen(Engine, "before_cursor_execute", vacuum)
    try:
        told = run("check", "--jobs", "1", *standby.words)
    finally:
        event.remove(Engine, "before_cursor_execute", vacuum)
    assert done
    assert told.status == 2, told
    assert "conflict with recovery" in told.err
    assert told.err.count("Error: ") == 1, told.err
    assert "max_standby_streaming_delay" in told.err.splitlines()[-1]
