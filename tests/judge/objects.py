"""Damages to what is no row: tables, indexes, triggers, functions, ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Altered = tuple[str, str, tuple[str, ...]]
"""What kind of alteration it is, the table or function that it is about, and the statements that make it."""

TABLES = ("instances", "executions", "history", "orchestrator_queue", "worker_queue", "instance_locks")
EVENTS = ("INSERT", "UPDATE", "DELETE")
GREATEST = 2**63 - 1


def _sqlite() -> Iterator[Altered]:
    for index in ("idx_orch_visible", "idx_orch_instance", "idx_worker_available", "idx_worker_activity"):
        yield "index dropped", "", (f"DROP INDEX {index}",)
    for table in TABLES:
        for event in EVENTS:
            head = f"CREATE TRIGGER stranger BEFORE {event} ON {table} BEGIN SELECT"
            yield "trigger ignores", table, (f"{head} RAISE(IGNORE); END",)
            yield "trigger aborts", table, (f"{head} RAISE(ABORT, 'no'); END",)
        yield "column added", table, (f"ALTER TABLE {table} ADD COLUMN extra TEXT DEFAULT 'x'",)
        yield "table dropped", table, (f"DROP TABLE {table}",)
        swallow = f"DELETE FROM {table} WHERE rowid = NEW.rowid"
        yield "trigger swallows", table, (f"CREATE TRIGGER stranger AFTER INSERT ON {table} BEGIN {swallow}; END",)
    yield "table dropped", "timer_queue", ("DROP TABLE timer_queue",)
    yield from _unique("history", "instance_id, event_type, event_id")
    yield from _unique("executions", "instance_id, execution_id")
    yield from _unique("worker_queue", "instance_id")
    yield from _unique("orchestrator_queue", "instance_id")
    yield "column renamed", "history", ("ALTER TABLE history RENAME COLUMN created_at TO made_at",)
    yield "column dropped", "executions", ("ALTER TABLE executions DROP COLUMN started_at",)
    yield "column dropped", "instances", ("ALTER TABLE instances DROP COLUMN updated_at",)
    yield "table renamed", "kv_delta", ("ALTER TABLE kv_delta RENAME TO kv_delta_old",)
    view = "CREATE VIEW sessions AS SELECT * FROM s"
    yield "view instead", "sessions", ("ALTER TABLE sessions RENAME TO s", view)
    ledger = "_sqlx_migrations"
    last, first = (f"WHERE version = (SELECT {which}(version) FROM {ledger})" for which in ("max", "min"))
    yield "ledger", ledger, (f"DELETE FROM {ledger} {last}",)
    yield "ledger", ledger, (f"DELETE FROM {ledger} {first}",)
    yield "ledger", ledger, (f"UPDATE {ledger} SET checksum = x'00' {last}",)
    yield "ledger", ledger, (f"UPDATE {ledger} SET success = 0 {last}",)
    yield "ledger", ledger, (f"UPDATE {ledger} SET version = 99990101000000 {last}",)
    yield "ledger", ledger, (f"DROP TABLE {ledger}",)
    for table in ("worker_queue", "orchestrator_queue"):
        for number in (0, GREATEST - 1, GREATEST):
            yield "sequence", table, (f"UPDATE sqlite_sequence SET seq = {number} WHERE name = '{table}'",)


def _unique(table: str, columns: str) -> Iterator[Altered]:
    yield "unique index added", table, (f"CREATE UNIQUE INDEX strange ON {table} ({columns})",)


EACH_OVERLOAD = """
DO $$ DECLARE f record; BEGIN
  FOR f IN SELECT oid::regprocedure AS name FROM pg_proc
           WHERE pronamespace = 'engine'::regnamespace AND proname = '{name}' LOOP
    EXECUTE format('{what}', f.name);
  END LOOP;
END $$
"""
FUNCTIONS = (
    "abandon_orchestration_item",
    "ack_orchestration_item",
    "ack_worker",
    "delete_instances_atomic",
    "enqueue_orchestrator_work",
    "fetch_history",
    "fetch_history_with_execution",
    "fetch_orchestration_item",
    "fetch_work_item",
    "get_instance_info",
    "list_instances",
    "renew_work_item_lock",
)


def _postgresql() -> Iterator[Altered]:
    for table in TABLES:
        yield from _on_postgresql_table(table)
    for name in FUNCTIONS:
        settings = ("search_path = pg_catalog", "statement_timeout = 1", "default_transaction_read_only = on")
        for what in (*(f"ALTER FUNCTION %s SET {setting}" for setting in settings), "DROP FUNCTION %s"):
            yield "function", name, (EACH_OVERLOAD.format(name=name, what=what),)
        for what in ("ALTER FUNCTION %s RENAME TO strange", "ALTER FUNCTION %s STABLE", "ALTER FUNCTION %s COST 7"):
            yield "function", name, (EACH_OVERLOAD.format(name=name, what=what),)
    queue = "ALTER TABLE orchestrator_queue ALTER COLUMN"
    yield "default dropped", "orchestrator_queue", (f"{queue} id DROP DEFAULT",)
    yield "default dropped", "orchestrator_queue", (f"{queue} attempt_count DROP DEFAULT",)
    yield "default changed", "orchestrator_queue", (f"{queue} visible_at SET DEFAULT 'infinity'",)
    work = "ALTER TABLE worker_queue ALTER COLUMN"
    yield "default dropped", "worker_queue", (f"{work} id DROP DEFAULT",)
    yield "default changed", "worker_queue", (f"{work} visible_at SET DEFAULT 'infinity'",)
    yield "type changed", "worker_queue", (f"{work} work_item TYPE jsonb USING work_item::jsonb",)
    yield "default dropped", "executions", ("ALTER TABLE executions ALTER COLUMN started_at DROP DEFAULT",)
    shorter = "ALTER TABLE history ALTER COLUMN event_type TYPE varchar(5) USING left(event_type, 5)"
    yield "type changed", "history", (shorter,)
    for table in ("worker_queue", "orchestrator_queue"):
        for what in ("RESTART WITH 1", "MAXVALUE 1000000 RESTART WITH 1000000", "INCREMENT BY -1"):
            yield "sequence", table, (f"ALTER SEQUENCE {table}_id_seq {what}",)
    yield "schema renamed", "", ("ALTER SCHEMA engine RENAME TO blue", "CREATE SCHEMA engine")
    ledger = "_duroxide_migrations"
    for which in ("max", "min"):
        yield "ledger", ledger, (f"DELETE FROM {ledger} WHERE version = (SELECT {which}(version) FROM {ledger})",)
    yield "ledger", ledger, (f"INSERT INTO {ledger} (version, name) VALUES (9999, '9999_later.sql')",)
    yield "ledger", ledger, (f"DROP TABLE {ledger}",)
    for index in ("idx_orch_visible", "idx_worker_available"):
        yield "index dropped", "", (f"DROP INDEX {index}",)
    yield "index invalid", "history", ("UPDATE pg_index SET indisvalid = false WHERE indrelid = 'history'::regclass",)
    yield from _unique("worker_queue", "instance_id")
    yield from _unique("history", "instance_id, execution_id, event_id, event_type")


def _on_postgresql_table(table: str) -> Iterator[Altered]:
    for event in EVENTS:
        for kind, body in (("ignores", "RETURN NULL"), ("aborts", "RAISE 'no'")):
            function = f"CREATE FUNCTION public.stranger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; END$$"
            trigger = f"CREATE TRIGGER stranger BEFORE {event} ON {table} FOR EACH ROW"
            yield f"trigger {kind}", table, (function, f"{trigger} EXECUTE FUNCTION public.stranger()")
        yield "rule", table, (f"CREATE RULE strange AS ON {event} TO {table} DO INSTEAD NOTHING",)
    alter = f"ALTER TABLE {table}"
    yield "column added", table, (f"{alter} ADD COLUMN extra text NOT NULL DEFAULT 'x'",)
    yield "column added", table, (f"{alter} ADD COLUMN extra text",)
    yield "table dropped", table, (f"DROP TABLE {table} CASCADE",)
    yield "constraint added", table, (f"{alter} ADD CONSTRAINT strange CHECK (false) NOT VALID",)
    yield "row security", table, (f"{alter} ENABLE ROW LEVEL SECURITY", f"{alter} FORCE ROW LEVEL SECURITY")
    yield "primary key dropped", table, (f"{alter} DROP CONSTRAINT {table}_pkey CASCADE",)
    yield "unlogged", table, (f"{alter} SET UNLOGGED",)
    yield "schema of table", table, (f"{alter} SET SCHEMA public",)


def objects(flavour: str, damage: Callable[..., Any]) -> st.SearchStrategy[Any]:
    """One object otherwise than the engine made it; each kind of alteration as often as any other."""

    def drawn(one: Altered) -> Any:
        kind, table, statements = one
        says = "; ".join(" ".join(statement.split()) for statement in statements)
        return damage(f"object {kind}", table, None, None, says, tuple((statement, ()) for statement in statements))

    every = list(_sqlite() if flavour == "sqlite" else _postgresql())
    kinds = sorted({kind for kind, _, _ in every})
    by_kind = st.sampled_from(kinds).flatmap(lambda kind: st.sampled_from([one for one in every if one[0] == kind]))
    return by_kind.map(drawn)
