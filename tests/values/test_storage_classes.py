"""Every storage class in every column of a SQLite store: SQLite keeps bytes, texts and numbers in any of them.

A deep check finds each in the row of a live instance; what it does not find, the engine runs on with as if it were not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import pytest

from conftest import ENGINES, available
from judge import treatment
from judge.court import Court
from judge.damages import Damage
from judge.stores import Place, Stores, stores_of

VALUES = {
    "null": "NULL",
    "integer": "7",
    "real": "CASE WHEN typeof({0}) IN ('integer', 'real') THEN {0} + 0.5 ELSE 1.5 END",
    "text": "'x'",
    "blob": "coalesce(CAST({0} AS BLOB), x'00ff')",
}
"""Storage class -> a value of it that is as near as may be to the one that stands in the column."""

LIVE: Mapping[str, str] = {
    "_sqlx_migrations": "version = (SELECT max(version) FROM _sqlx_migrations)",
    "instances": "instance_id = 'live-status'",
    "executions": "instance_id = 'live-relay' AND execution_id = 2",
    "history": "instance_id = 'live-event' AND event_id = 2",
    "orchestrator_queue": "instance_id = 'live-answered'",
    "worker_queue": "instance_id = 'live-tagged'",
    "instance_locks": "instance_id = 'held-turn'",
    "sessions": "true",
    "kv_store": "instance_id = 'live-chain'",
    "kv_delta": "instance_id = 'live-relay'",
}
"""Table -> the row of a live instance that is damaged; of several the first one."""
HELD = dict.fromkeys(("lock_token", "locked_until"), "lock_token IS NOT NULL")
"""Columns that are of a queue's row only while somebody holds it: they are damaged in such a row as well."""
NOBODYS = {"timer_queue": "no engine that was published reads or writes it"}

UNHURT: Mapping[str, Mapping[str, str]] = {
    "it tells people when something happened, or what it was, and nobody goes by it": {
        "_sqlx_migrations.description": "blob",
        "_sqlx_migrations.installed_on": "integer real blob",
        "_sqlx_migrations.execution_time": "real text blob",
        "instances.created_at": "null integer real blob",
        "instances.updated_at": "null integer real blob",
        "executions.started_at": "null integer real blob",
        "history.created_at": "null integer real blob",
        "orchestrator_queue.created_at": "null integer real blob",
        "worker_queue.created_at": "null integer real blob",
        "instance_locks.locked_at": "real text blob",
        "sessions.last_activity_at": "real text blob",
    },
    "whatever is there, is taken for done": {"_sqlx_migrations.success": "real text blob"},
    "a moment in the middle of a millisecond is one": {
        "orchestrator_queue.visible_at": "real",
        "worker_queue.visible_at": "real",
        "worker_queue.locked_until": "real",
        "instance_locks.locked_until": "real",
        "sessions.locked_until": "real",
    },
    "the lock of the instance decides, and a fetch overwrites both": {
        "orchestrator_queue.lock_token": "null text blob",
        "orchestrator_queue.locked_until": "integer real text blob",
    },
    "nobody holds what has no token": {"worker_queue.locked_until": "integer real text blob"},
    "a lock whose token nobody knows lapses, as that of a worker which died": {"worker_queue.lock_token": "null blob"},
    "each fetch makes a token of its own": {"instance_locks.lock_token": "blob"},
    "a session that nobody finds is begun anew": {
        "sessions.session_id": "null blob",
        "sessions.worker_id": "blob",
    },
}
"""Reason -> column -> the storage classes that no check finds there, and with which the engine does as ever."""


@dataclass(frozen=True)
class Member:
    table: str
    column: str
    storage_class: str
    where: str

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def damage(self) -> Damage:
        value = VALUES[self.storage_class].format(self.column)
        sql = f"UPDATE {self.table} SET {self.column} = {value} WHERE {self.where}"
        says = f"{self.place} {self.storage_class}, {self.where}"
        return Damage("value", self.table, None, self.column, says, ((sql, ()),))


def members(place: Place) -> Iterator[Member]:
    """Yield each column with each storage class that it keeps, by the row that is to have it; with its old one, too."""
    with place.connected() as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
        names = {name for (name,) in tables if not name.startswith("holystone_")}
        assert names == LIVE.keys() | NOBODYS.keys()
        for table, condition in LIVE.items():
            for _, column, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                rows = [condition, *([HELD[column]] if column in HELD and table.endswith("queue") else [])]
                for one in rows:
                    [(row,)] = connection.execute(f"SELECT rowid FROM {table} WHERE {one} LIMIT 1").fetchall()
                    yield from (Member(table, column, storage, f"rowid = {row}") for storage in VALUES)


def is_kept(place: Place, member: Member) -> bool:
    """Make the damage; return whether the column now holds a class that it did not hold, and was not refused."""
    query = f"SELECT typeof({member.column}) FROM {member.table} WHERE {member.where}"
    with place.connected() as connection:
        before = connection.execute(query).fetchone()
        with suppress(sqlite3.IntegrityError):  # NULL, or what is no row's number
            connection.execute(member.damage.statements[0][0])
        after = connection.execute(query).fetchone()
    return bool(after == (member.storage_class,) != before)


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    available(ENGINES[-1])
    with stores_of("sqlite") as made:
        yield made


@pytest.mark.long
def test_each_class_is_found_or_harms_nobody(stores: Stores) -> None:
    treatment.share_statements()
    unfound: list[Member] = []
    tried = 0
    for member in members(stores.original):
        place = stores.copy(stores.original)
        if is_kept(place, member):
            tried += 1
            verdict = treatment.examine(place)
            assert verdict.fault is None, member
            assert verdict.said == "clean" or verdict.findings, (member, verdict.reason)
            unfound += [member] if verdict.clean else []
        stores.drop(place)
    assert tried > 150
    listed = {(place, one) for some in UNHURT.values() for place, classes in some.items() for one in classes.split()}
    assert {(member.place, member.storage_class) for member in unfound} == listed
    court = Court(stores, sample=0)
    try:
        cases = list(court.judge([(member.damage,) for member in unfound]))
        hurt = [case for case in court.confirmed([case for case in cases if case.broken]) if case.broken]
    finally:
        court.close()
    assert [(case.damages[0].says, case.tells) for case in hurt] == []
