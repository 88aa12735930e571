"""The connections that turns keep open: they stay those of the store, and nobody else is deceived by them."""

from __future__ import annotations

import gc
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.errors import LockLostError, StoreUnavailableError, TargetError
from holystone.flavours.postgresql.pipeline import MAY_BE_COMMITTED
from holystone.flavours.sqlite import connections
from holystone.flavours.statements import MOST_IN_WORDS
from holystone.store import Store
from holystone.store.turns.tags import TagFilter
from turns.kit import Kit

WRITES_AND_CLOSES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO sessions VALUES ('s', 'w', 1, 1)")
connection.close()
"""


@pytest.fixture
def made(engine_store: MakeStore) -> EngineStore:
    return engine_store(ENGINES[-1], "sqlite", ())


def test_looking_at_the_file_gives_no_lock_away(made: EngineStore) -> None:
    """Whoever opens and closes a file loses his locks on it: another process would take the -wal file away."""
    store = Store.open(made.target)
    kit = Kit(store)
    kit.start("a")
    assert store.list_instances() == []
    Store.open(made.target).close()
    subprocess.run([sys.executable, "-c", WRITES_AND_CLOSES, made.target], check=True)
    assert Path(f"{made.target}-wal").stat().st_size > 0
    kit.start("b")
    assert made.execute("SELECT instance_id FROM orchestrator_queue") == [("a",), ("b",)]
    assert made.execute("SELECT session_id FROM sessions") == [("s",)]


def test_file_that_was_replaced_is_opened_anew(made: EngineStore, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    made.execute("VACUUM INTO ?", str(backup))
    store = Store.open(made.target)
    Kit(store).start("a")
    for suffix in ("", "-wal", "-shm"):
        Path(made.target + suffix).unlink()
    with pytest.raises(TargetError, match="There is no file"):
        Kit(store).start("b")
    shutil.copyfile(backup, made.target)
    Kit(store).start("c")
    assert made.execute("SELECT instance_id FROM orchestrator_queue") == [("c",)]


def test_store_that_nobody_holds_has_no_connection(made: EngineStore) -> None:
    store = Store.open(made.target)
    Kit(store).start("a")
    file = connections.identify(Path(made.target))
    assert file in connections._files
    del store
    gc.collect()
    assert file not in connections._files
    assert not Path(f"{made.target}-wal").exists()


def test_closed_store_can_be_used_again(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.store.close()
    kit.start("a")
    kit.store.close()
    kit.store.close()
    assert kit.fetch().instance_id == "a"
    kit.store.close()


def test_connection_that_is_lost_is_told_of_once(engine_store: MakeStore) -> None:
    """By statements that are sent together, and by those that are sent alone."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    calls: list[Callable[[], object]] = [
        lambda: kit.start("a"),
        lambda: kit.store.renew_session_lock(["worker"], 1000, 1000),
    ]
    for call in calls:
        call()
        with kit.store.turn() as connection:
            pid = connection.execute(select(func.pg_backend_pid())).scalar_one()
        made.execute("SELECT pg_terminate_backend(?)", pid)
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached|ended the connection"):
            call()
        call()
    assert made.execute("SELECT count(*) FROM orchestrator_queue") == [(2,)]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("is_new", "size"), [(False, 1), (True, 1), (False, 10_000_000)])
def test_interrupted_while_it_waits_for_the_server(engine_store: MakeStore, *, is_new: bool, size: int) -> None:
    """Nothing is written then, and the store can be used as before.

    A new connection has statements prepared just then, and of much the server has not taken all.
    """
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    if is_new:
        kit.store.close()
    much = "x" * size
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with psycopg.connect(made.target) as other:
            other.execute(f"LOCK TABLE {made.schema}.orchestrator_queue")
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            with pytest.raises(KeyboardInterrupt):
                kit.start("b", input=much)
    finally:
        signal.signal(signal.SIGALRM, handler)
    for instance_id in ("c", "d"):
        kit.start(instance_id)
    assert made.execute("SELECT instance_id FROM orchestrator_queue ORDER BY id") == [("a",), ("c",), ("d",)]


def test_interrupted_between_a_statement_and_its_answer(engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))

    def send_and_leave() -> None:
        with kit.store.turn() as connection:
            connection.execute(select(1))
            driver: Any = connection.connection.driver_connection
            driver.pgconn.send_query(b"SELECT 1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_and_leave()
    kit.start("a")


def test_what_befell_all_connections_is_told_of_once(engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ())
    store = Store.open(made.target, made.schema)
    with ExitStack() as stack:
        connections = [stack.enter_context(store.turn()) for _ in range(3)]
        pids = [connection.execute(select(func.pg_backend_pid())).scalar_one() for connection in connections]
    for pid in pids:
        made.execute("SELECT pg_terminate_backend(?, 5000)", pid)
    with pytest.raises(StoreUnavailableError, match=r"cannot be reached|ended the connection"):
        Kit(store).start("a")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(store.turn()).execute(select(1))


def test_column_of_another_type(engine_store: MakeStore) -> None:
    """What was prepared for the table as it was fails once; by the next turn all is prepared anew."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    kit.store.abandon_orchestration_item(kit.fetch().lock_token)
    made.execute("ALTER TABLE orchestrator_queue ALTER attempt_count TYPE bigint")
    with pytest.raises(StoreUnavailableError, match="cached plan must not change result type"):
        kit.fetch()
    assert kit.fetch().attempt_count == 2


def test_deallocated_by_others(engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    made.execute(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DEALLOCATE ALL; RETURN NEW; END$$;"
        "CREATE TRIGGER forget BEFORE INSERT ON orchestrator_queue FOR EACH ROW WHEN (NEW.instance_id = 'b')"
        " EXECUTE FUNCTION forget()"
    )
    kit.start("b")
    with pytest.raises(StoreUnavailableError, match=r"prepared statement .* does not exist"):
        kit.start("c")
    kit.start("d")
    assert made.execute("SELECT instance_id FROM orchestrator_queue ORDER BY id") == [("a",), ("b",), ("d",)]


@pytest.mark.parametrize(("when", "is_known"), [("NOT DEFERRABLE", True), ("INITIALLY DEFERRED", False)])
def test_connection_that_is_lost_while_it_commits(engine_store: MakeStore, when: str, *, is_known: bool) -> None:
    """Nobody can know whether what was sent was committed once COMMIT was under way: that is said, and only then."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    made.execute(
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;"
        f"CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON orchestrator_queue {when}"
        " FOR EACH ROW WHEN (NEW.instance_id = 'b') EXECUTE FUNCTION leave()"
    )
    with pytest.raises(StoreUnavailableError, match="terminating connection") as raised:
        kit.start("b")
    assert ("was committed is not known" in raised.value.message) is not is_known
    kit.start("c")
    assert made.execute("SELECT instance_id FROM orchestrator_queue ORDER BY id") == [("a",), ("c",)]


def test_connection_that_is_lost_while_a_deletion_commits(engine_store: MakeStore) -> None:
    """The same holds for what is sent statement by statement."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.finish("a")
    made.execute(
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;"
        "CREATE CONSTRAINT TRIGGER leave AFTER DELETE ON instances INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION leave()"
    )
    with pytest.raises(StoreUnavailableError, match=r"terminating connection.*was committed is not known"):
        kit.store.delete_instance("a")
    made.execute("DROP TRIGGER leave ON instances")
    assert kit.store.delete_instance("a").instances_deleted == 1


def test_server_that_crashes_while_it_commits(engine_store: MakeStore) -> None:
    """Whatever it says last, as of a disk that does not take its log."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    store = Store.open(made.target, made.schema)
    failure = psycopg.errors.lookup("58030")("PANIC:  could not write to file")
    failure.add_note(MAY_BE_COMMITTED)
    told = store.flavour.translate_error(DBAPIError(None, None, failure)).message
    assert "could not write" in told
    assert MAY_BE_COMMITTED in told


def test_error_of_a_trigger_is_no_lock_that_was_lost(engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    kit.start("a")
    token = kit.fetch().lock_token
    made.execute(
        "CREATE FUNCTION divide() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM 1 / TG_NARGS; END$$;"
        "CREATE TRIGGER divide BEFORE DELETE ON instance_locks FOR EACH ROW EXECUTE FUNCTION divide()"
    )
    with pytest.raises(StoreUnavailableError, match="division by zero"):
        kit.store.abandon_orchestration_item(token)
    made.execute("DROP TRIGGER divide ON instance_locks")
    kit.store.abandon_orchestration_item(token)
    with pytest.raises(LockLostError):
        kit.store.abandon_orchestration_item(token)


def test_what_was_refused_leaves_the_next_turn_alone(engine_store: MakeStore) -> None:
    """A transaction that psycopg rolls back takes no prepared statement with it."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    kit = Kit(Store.open(made.target, made.schema))
    for number in range(8):
        kit.start(f"i{number}")
        assert kit.store.cleanup_orphaned_sessions() == 0
        with pytest.raises(LockLostError):
            kit.store.renew_orchestration_item_lock("nobody's", 1000)
        with pytest.raises(StoreUnavailableError, match="cannot hold a value"):
            kit.start("with\0")
    assert made.execute("SELECT count(*) FROM orchestrator_queue") == [(8,)]


EVENTS = ("INSERT", "UPDATE", "DELETE")


@pytest.mark.parametrize(
    ("table", "events"),
    # With others on instance_locks the engine's own fetch fails as well.
    [("instance_locks", ["DELETE"]), ("worker_queue", EVENTS), ("orchestrator_queue", EVENTS), ("history", EVENTS)],
)
def test_tables_with_rules(engine_store: MakeStore, table: str, events: Sequence[str]) -> None:
    """Rules that do something ALSO, as an audit may have them, allow no such statement in a WITH."""
    made = engine_store(ENGINES[-1], "postgresql", ())
    made.execute("CREATE TABLE audit (event text)")
    for event in events:
        made.execute(f"CREATE RULE noted_{event} AS ON {event} TO {table} DO ALSO INSERT INTO audit VALUES ('{event}')")
    kit = Kit(Store.open(made.target, made.schema))
    kit.employ("a", {}, {})
    kit.store.renew_work_item_lock(kit.work().lock_token, 1000)
    work = kit.work()
    kit.store.abandon_work_item(work.lock_token)
    kit.store.ack_work_item(kit.work().lock_token, kit.completion("a", 3))
    turn = kit.fetch()
    kit.store.renew_orchestration_item_lock(turn.lock_token, 1000)
    kit.store.abandon_orchestration_item(turn.lock_token)
    told = kit.event("a", 4, "ActivityCompleted", source_event_id=3, result="7")
    kit.store.ack_orchestration_item(kit.fetch().lock_token, 1, history_delta=[told])
    assert made.execute("SELECT count(*) FROM audit")[0][0] > 0


def test_words_of_statements_are_few(engine_store: MakeStore, flavour: Flavour) -> None:
    """However many sets of tags workers ask for."""
    made = engine_store(ENGINES[-1], flavour, ())
    kit = Kit(Store.open(made.target, made.schema))
    for number in range(2 * MOST_IN_WORDS):
        assert kit.store.fetch_work_item(1000, tags=TagFilter.tags(f"t{number}")) is None
    connector = kit.store.flavour
    kept = [getattr(connector, name) for name in ("_words", "_sent") if hasattr(connector, name)]
    assert all(len(words) < 2 * MOST_IN_WORDS for words in kept)
