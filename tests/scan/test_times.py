"""Every column of the engine's tables is told of: which check judges the time, lock or count in it, or why none."""

from __future__ import annotations

import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.scan.catalogue import checks
from holystone.store import Store

AN_ID = "it says whom the row is of"
A_TEXT = "it is what somebody gave, or what the engine made of it"
A_RECORD = "it tells people when something happened, and decides nothing"
AN_OUTCOME = "it is how the execution stands"
MEMBERS: dict[str, dict[str, str]] = {
    "instances": {
        "instance_id": AN_ID,
        "orchestration_name": A_TEXT,
        "orchestration_version": A_TEXT,
        "current_execution_id": AN_ID,
        "created_at": A_RECORD,
        "updated_at": A_RECORD,
        "parent_instance_id": AN_ID,
        "custom_status": A_TEXT,
        "custom_status_version": "I012",
    },
    "executions": {
        "instance_id": AN_ID,
        "execution_id": AN_ID,
        "status": AN_OUTCOME,
        "output": A_TEXT,
        "started_at": A_RECORD,
        "completed_at": "E003 E004 E005",
        "duroxide_version_major": "E009",
        "duroxide_version_minor": "E009",
        "duroxide_version_patch": "E009",
    },
    "history": {
        "instance_id": AN_ID,
        "execution_id": AN_ID,
        "event_id": AN_ID,
        "event_type": AN_OUTCOME,
        "event_data": "its times are what has happened: the engine goes by the message of a timer",
        "created_at": A_RECORD,
    },
    "orchestrator_queue": {
        "id": "it says in which order messages are taken, and any order is one",
        "instance_id": AN_ID,
        "work_item": "Q010",
        "visible_at": "Q009 Q010",
        "lock_token": "Q011",
        "locked_until": "Q011",
        "created_at": "from it Q001 tells races, and a repair the time of a message that asks for none",
        "attempt_count": "Q006 Q012",
    },
    "worker_queue": {
        "id": "it says in which order activities are taken, and any order is one",
        "work_item": A_TEXT,
        "visible_at": "Q009 Q010",
        "lock_token": "Q011",
        "locked_until": "Q011",
        "created_at": "from it Q003 tells races, and a repair the time from which it is due",
        "attempt_count": "Q006 Q012",
        "instance_id": AN_ID,
        "execution_id": AN_ID,
        "activity_id": AN_ID,
        "session_id": "it says which worker takes the activity, and Q004 judges it",
        "tag": "it says which worker takes the activity, and Q004 judges it",
    },
    "instance_locks": {
        "instance_id": AN_ID,
        "lock_token": "each fetch makes one of its own, and none that stands there is ever compared with another",
        "locked_until": "Q011",
        "locked_at": A_RECORD,
    },
    "sessions": {
        "session_id": AN_ID,
        "worker_id": "a lock of any worker's ends, and Q011 judges when",
        "locked_until": "Q011",
        "last_activity_at": "too late a time only keeps the session with the worker that has it, while that lives",
    },
    "kv_store": {
        "instance_id": AN_ID,
        "key": AN_ID,
        "value": A_TEXT,
        "execution_id": AN_ID,
        "last_updated_at_ms": "K003",
    },
    "kv_delta": {"instance_id": AN_ID, "key": AN_ID, "value": A_TEXT, "last_updated_at_ms": "K003"},
    "timer_queue": dict.fromkeys(
        ("id", "work_item", "fire_at", "lock_token", "locked_until", "created_at"),
        "no engine that was published reads or writes the table",
    ),
}
"""Table -> column -> the checks that judge when it lets something happen, or why it does not decide that."""


def columns(store: EngineStore) -> dict[str, set[str]]:
    """Return the columns of all tables that the engine has made, its own ledger aside."""
    opened = Store.open(store.target, store.schema, read_only=True)
    return {table: set(names) for table, names in opened.columns.items() if table in set(MEMBERS) | tables(store)}


def tables(store: EngineStore) -> set[str]:
    if store.flavour == "sqlite":
        found = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        found = store.execute("SELECT tablename FROM pg_tables WHERE schemaname = ?", store.schema)
    return {str(name) for (name,) in found if not str(name).startswith(("_", "sqlite_", "holystone_"))}


@pytest.mark.parametrize("flavour", ["sqlite", "postgresql"])
def test_every_column_is_told_of(engine_store: MakeStore, flavour: Flavour) -> None:
    found = columns(engine_store(ENGINES[-1], flavour, ()))
    assert tables_of(found) - tables_of(MEMBERS) == set()
    kept = {
        "sqlite": {("kv_store", "execution_id")},
        "postgresql": {("timer_queue", name) for name in MEMBERS["timer_queue"]},
    }
    assert tables_of(MEMBERS) - tables_of(found) == kept[flavour]


def tables_of(columns: dict[str, set[str]] | dict[str, dict[str, str]]) -> set[tuple[str, str]]:
    return {(table, column) for table, names in columns.items() for column in names}


def test_every_check_that_is_named_is_there() -> None:
    named = {word for some in MEMBERS.values() for why in some.values() for word in why.split() if word[1:4].isdigit()}
    assert named <= set(checks().by_id)
    assert {"I012", "Q009", "Q010", "Q011", "Q012"} <= named
