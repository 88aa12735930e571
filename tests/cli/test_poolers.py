"""Through PgBouncer, which hands each transaction to a connection that others use as well."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from holystone.store import Store, WorkItem

from .helpers import STALE, UNDATED, Run, Sample

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PGBOUNCER is None, reason="MISSING: pgbouncer is not installed here"),
]


@contextmanager
def pooled(store: Sample, mode: str, size: int) -> Iterator[Sample]:
    """Yield the store as it is reached through PgBouncer."""
    folder = Path(tempfile.mkdtemp(prefix="holystone-pooler-"))
    url = make_url(store.target)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.chmod(0o755)
    (folder / "users.txt").write_text(f'"{url.username}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={url.query['host']} user={url.username}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\nauth_file = {folder}/users.txt\n"
        f"query_wait_timeout = 5\npool_mode = {mode}\ndefault_pool_size = {size}\nserver_reset_query_always = 0\n"
    )
    for file in folder.iterdir():
        file.chmod(0o644)
    assert PGBOUNCER is not None
    process = subprocess.Popen(
        [PGBOUNCER, str(folder / "pgbouncer.ini")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user="nobody" if os.geteuid() == 0 else None,  # it refuses to run as root
    )
    try:
        reached = url.set(host="127.0.0.1", port=port, query={})
        through = reached.render_as_string(hide_password=False)
        for _ in range(100):
            try:
                psycopg.connect(through).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield Sample(through, store.schema)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_all_commands(run: Run, postgresql_store: Sample, mode: str) -> None:
    postgresql_store.execute(STALE + UNDATED)
    with pooled(postgresql_store, mode, 20) as store:
        for _ in range(3):
            checked = run("check", *store.words, "--level", "deep")
            assert checked.status == 1, checked.err
        applied = run("repair", "apply", *store.words, "--yes", "--format", "json")
        assert applied.status == 0, applied.err
        assert applied.json["applied"] == 2
        assert run("check", *store.words, "--level", "deep").status == 0
        undone = run("repair", "undo", *store.words, applied.json["run"], "--yes")
        assert undone.status == 0, undone.err
        assert run("executions", "list", *store.words).status == 0
        assert nothing_is_left(store)


def test_one_connection_is_enough_to_check(run: Run, postgresql_store: Sample) -> None:
    with pooled(postgresql_store, "transaction", 1) as store:
        for level in ("quick", "standard", "deep"):
            checked = run("check", *store.words, "--level", level, "--jobs", "1")
            assert checked.status == 0, checked.err
        assert run("repair", "plan", *store.words, "--jobs", "1").status == 0


def test_indexes_are_not_built_through_a_pooler(run: Run, postgresql_store: Sample) -> None:
    """They are built outside of a transaction, so that what a session sets would be left to whoever comes next."""
    with pooled(postgresql_store, "transaction", 5) as store:
        refused = run("migrate", "upgrade", *store.words)
        assert refused.status == 2
        assert "pooler" in refused.err
        assert nothing_is_left(store)
        assert run("check", *store.words).status == 0
    upgraded = run("migrate", "upgrade", *postgresql_store.words)
    assert upgraded.status == 0, upgraded.err


def test_turns_go_through_a_pooler(postgresql_store: Sample) -> None:
    with (
        pooled(postgresql_store, "transaction", 2) as pooler,
        closing(Store.open(pooler.target, pooler.schema)) as store,
    ):
        for number in range(8):
            instance = f"through-{number}"
            started = {"instance": instance, "orchestration": "Order", "input": "{}", "version": "1.0.0"}
            store.enqueue_for_orchestrator(
                WorkItem.from_json(json.dumps({"StartOrchestration": {**started, "execution_id": 1}}))
            )
            item = store.fetch_orchestration_item(lock_timeout_ms=30_000)
            assert item is not None
            assert item.instance_id == instance
            store.abandon_orchestration_item(item.lock_token, delay_ms=600_000)
        assert nothing_is_left(pooler)


def nothing_is_left(store: Sample) -> bool:
    """Return whether the connections that others get have nothing set on them by a command."""
    with psycopg.connect(store.target, autocommit=True) as other:
        asked = "SELECT current_setting('search_path'), current_setting('row_security'), current_setting('jit')"
        return all(other.execute(asked, prepare=False).fetchone() == ('"$user", public', "on", "on") for _ in range(20))
