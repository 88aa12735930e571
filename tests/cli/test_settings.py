"""No setting of the server, whoever sets it, changes what a command finds, or keeps it from its work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import one_and_long
from holystone.flavours.postgresql.session import settings_of

from .helpers import STALE, UNDATED, Run, Sample

pytestmark = pytest.mark.slow


IN_REACH = ("user", "superuser", "backend", "superuser-backend")
"""Contexts of pg_settings in which a role or a database may have a value of its own."""
LEFT_OUT = {
    "local_preload_libraries": "a library that is not there keeps every client out",
    "session_preload_libraries": "a library that is not there keeps every client out",
    "dynamic_library_path": "no library is loaded by a check",
    "default_transaction_read_only": "forbids writes on purpose; see test_role_that_only_reads",
    "transaction_read_only": "of a transaction; each begins with its own",
    "transaction_isolation": "of a transaction; each begins with its own",
    "transaction_deferrable": "of a transaction; each begins with its own",
    "temp_tablespaces": "names tablespaces that have to be there",
    "default_tablespace": "names a tablespace that has to be there",
    "default_table_access_method": "names a method that has to be there",
    "post_auth_delay": "makes every session begin late",
    "max_stack_depth": "below what the server itself needs nobody's statements run",
    "restrict_nonsystem_relation_kind": "hides views, of which the engine has none",
}
"""Setting -> why no extreme value of it is tried."""
REFUSED = {"ignore_system_indexes", "jit_debugging_support", "jit_profiling_support"}
"""Settings that only the options of a connection can give a value."""
WORDS = {
    "search_path": ("public, pg_catalog", "pg_temp, public"),
    "client_encoding": ("LATIN1", "SQL_ASCII", "EUC_JP"),
    "DateStyle": ("German, DMY", "SQL, MDY", "Postgres, DMY"),
    "TimeZone": ("Asia/Kathmandu", "America/St_Johns"),
    "timezone_abbreviations": ("India",),
    "lc_messages": ("C",),
    "lc_monetary": ("C",),
    "lc_numeric": ("C",),
    "lc_time": ("C",),
    "default_text_search_config": ("pg_catalog.simple",),
    "application_name": ("x",),
    "createrole_self_grant": ("set",),
    "wal_consistency_checking": (),
    "backtrace_functions": ("x",),
    "vacuum_buffer_usage_limit": (),
}
"""Settings that are texts -> values to try."""
SHORT_MS = "50"
"""Of a time-out: nobody could even connect with the lowest."""


@dataclass(frozen=True)
class Setting:
    name: str
    values: tuple[str, ...]


def settings(url: str) -> Iterator[Setting]:
    """Yield what can be set for a role, with extreme values."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT name, vartype, enumvals, min_val, max_val, boot_val FROM pg_settings WHERE context = ANY(%s)"
            # How a statement is planned decides how long it takes, and not what it means.
            " AND category NOT LIKE 'Query Tuning%%' ORDER BY name",
            (list(IN_REACH),),
        ).fetchall()
    for name, kind, allowed, lowest, highest, usual in rows:
        if name in LEFT_OUT or name.startswith(("log_", "debug_", "trace_")):  # these only fill the server's log
            continue
        if kind == "bool":
            values: tuple[str, ...] = ("off" if usual == "on" else "on",)
        elif kind == "enum":
            values = tuple(one for one in allowed if one != usual)
        elif kind == "string":
            values = WORDS[name]
        else:
            values = (SHORT_MS if name.endswith("_timeout") else lowest, highest)
        yield Setting(name, values)


def results(run: Run, store: Sample) -> tuple[Any, ...]:
    """Return what does not depend on the moment of all that commands say of a store, and do to it."""
    checked = run("check", *store.words, "--level", "deep", "--format", "json")
    planned = run("repair", "plan", *store.words, "--format", "json")
    assert checked.out, checked.err
    assert planned.out, planned.err
    findings = [(one["check"], one["fingerprint"], one["observed"]) for one in checked.json["findings"]]
    return (
        checked.status,
        checked.json["verdict"],
        findings,
        planned.status,
        planned.json["plan"],
        planned.json["changes"],
    )


def set_for(store: Sample, role: str, values: Mapping[str, str]) -> list[str]:
    """Give the role these values; return the names of those that the server does not take."""
    refused = []
    with psycopg.connect(store.target, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(role)))
        for name, value in values.items():
            # A list stays one: quoted, it would be a single name.
            written = sql.SQL(value) if name == "search_path" else sql.Literal(value)
            try:
                connection.execute(
                    sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(role), sql.Identifier(name), written)
                )
            except psycopg.Error:
                refused.append(name)
    return refused


@pytest.fixture
def writer(postgresql_store: Sample, role: str) -> Sample:
    """The drifted store as a superuser sees it for whom anything may be set."""
    postgresql_store.execute(f"ALTER ROLE {role} SUPERUSER")
    postgresql_store.execute(STALE + UNDATED)
    return postgresql_store.seen_by(role)


def works_with(run: Run, store: Sample, role: str, values: Mapping[str, str]) -> tuple[Any, ...] | str:
    assert REFUSED.issuperset(set_for(store, role, values))
    seen = store.seen_by(role)
    try:
        found = results(run, seen)
        applied = run("repair", "apply", *seen.words, "--yes", "--format", "json")
        assert applied.status == 0, applied.err
        undone = run("repair", "undo", *seen.words, applied.json["run"], "--yes")
        assert undone.status == 0, undone.err
    except AssertionError as error:
        return str(error)[:300]
    return found


@pytest.mark.long
def test_all_settings_at_once(run: Run, postgresql_store: Sample, writer: Sample, role: str) -> None:
    """The first values of all, then the second ones, then the third."""
    expected = works_with(run, postgresql_store, role, {})
    assert not isinstance(expected, str), expected
    every = list(settings(postgresql_store.target))
    assert len(every) > 90
    for number in range(max(len(one.values) for one in every)):
        values = {one.name: one.values[number] for one in every if number < len(one.values)}
        assert works_with(run, postgresql_store, role, values) == expected, number


@pytest.mark.skipif("HOLYSTONE_TEST_EACH" not in os.environ, reason="takes minutes, and tells which one it is")
@pytest.mark.timeout(3600)
def test_each_setting(run: Run, postgresql_store: Sample, writer: Sample, role: str) -> None:
    expected = works_with(run, postgresql_store, role, {})
    assert not isinstance(expected, str), expected
    wrong = {
        (one.name, value): found
        for one in settings(postgresql_store.target)
        for value in one.values
        if (found := works_with(run, postgresql_store, role, {one.name: value})) != expected
    }
    assert wrong == {}


def test_what_a_session_sets_can_be_set(postgresql_store: Sample) -> None:
    with psycopg.connect(postgresql_store.target) as connection:
        known = {name.lower() for (name,) in connection.execute("SELECT name FROM pg_settings").fetchall()}
        assert settings_of(connection.info.server_version).keys() <= known


ENVIRONMENTS = (
    {"PGCLIENTENCODING": "LATIN1"},
    {"PGCLIENTENCODING": "SQL_ASCII"},
    {"PGOPTIONS": "-c search_path=public,pg_catalog -c datestyle=German -c statement_timeout=50"},
    {"PGDATESTYLE": "German", "PGTZ": "America/St_Johns", "PGGEQO": "off"},
    {"PGAPPNAME": "x" * 100, "PGCONNECT_TIMEOUT": "5", "PGGSSENCMODE": "disable"},
)


@pytest.mark.parametrize("environment", one_and_long(ENVIRONMENTS), ids=lambda one: next(iter(one)))
def test_environment_of_the_client(
    run: Run, postgresql_store: Sample, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> None:
    postgresql_store.execute(STALE + UNDATED)
    expected = results(run, postgresql_store)
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        found = results(run, postgresql_store)
    assert found == expected


def test_role_that_only_reads(run: Run, postgresql_store: Sample, writer: Sample, role: str) -> None:
    set_for(postgresql_store, role, {"default_transaction_read_only": "on"})
    assert run("check", *writer.words).status == 1
    refused = run("repair", "apply", *writer.words, "--yes")
    assert refused.status == 2
    assert "only reads" in refused.err
    assert "Traceback" not in refused.err


def test_role_that_gets_one_connection(run: Run, postgresql_store: Sample, reader: Sample, role: str) -> None:
    postgresql_store.execute(STALE)
    expected = results(run, reader)
    postgresql_store.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    assert results(run, reader) == expected
    many = run("check", *reader.words, "--level", "deep", "--jobs", "8")
    assert many.status == 1, many.err
