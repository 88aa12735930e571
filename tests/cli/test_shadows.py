"""Names that others gave to objects of their own mean nothing to a command, whatever schema comes first."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, event, func, select

from conftest import one_and_long
from holystone.store import Store

from .helpers import STALE, UNDATED, Run, Sample
from .test_settings import results, set_for

pytestmark = pytest.mark.slow


FAIL = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a stranger runs as %', current_user; END $$"
KINDS = {
    "function": (
        *(
            f"CREATE FUNCTION public.{name}({arguments}) RETURNS {result} {FAIL}"
            for name, arguments, result in (
                ("strpos", "text, varchar", "int"),
                ("strpos", "varchar, varchar", "int"),
                ("substr", "varchar, int, int", "text"),
                ("substring", "varchar, varchar", "text"),
                ("length", "varchar", "int"),
                ("hashtext", "varchar", "int"),
                ("octet_length", "varchar", "int"),
                ("left", "varchar, int", "text"),
                ("pg_try_advisory_xact_lock", "integer", "bool"),
                ("pg_try_advisory_xact_lock", "integer, integer", "bool"),
                ("pg_advisory_xact_lock", "integer, integer", "void"),
                ("set_config", "varchar, varchar, boolean", "text"),
                ("has_any_column_privilege", "oid, varchar", "bool"),
                ("pg_export_snapshot", "int DEFAULT 1", "text"),
            )
        ),
    ),
    "aggregate": (
        f"CREATE FUNCTION public.step(int, varchar) RETURNS int {FAIL}",
        "CREATE AGGREGATE public.max(varchar) (SFUNC = public.step, STYPE = int)",
        "CREATE AGGREGATE public.string_agg(varchar) (SFUNC = public.step, STYPE = int)",
    ),
    "operator": (
        f"CREATE FUNCTION public.same(text, varchar) RETURNS boolean {FAIL}",
        "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = varchar, FUNCTION = public.same)",
        "CREATE OPERATOR public.~ (LEFTARG = text, RIGHTARG = varchar, FUNCTION = public.same)",
        f"CREATE FUNCTION public.same(varchar, varchar) RETURNS boolean {FAIL}",
        "CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same)",
        f"CREATE FUNCTION public.same(bigint, int) RETURNS boolean {FAIL}",
        "CREATE OPERATOR public.<> (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same)",
    ),
    "type": (
        "CREATE DOMAIN public.text AS pg_catalog.text CHECK (false)",
        "CREATE DOMAIN public.bigint AS pg_catalog.int8 CHECK (false)",
        "CREATE DOMAIN public.int8 AS pg_catalog.int8 CHECK (false)",
        "CREATE DOMAIN public.jsonb AS pg_catalog.jsonb CHECK (false)",
        "CREATE DOMAIN public.timestamptz AS pg_catalog.timestamptz CHECK (false)",
        "CREATE TYPE public.regclass AS ENUM ('x')",
    ),
    "table": tuple(
        f"CREATE TABLE public.{name} AS SELECT oid::int FROM pg_catalog.pg_class LIMIT 0"
        for name in ("pg_class", "pg_namespace", "pg_attribute", "pg_index", "pg_proc", "pg_type", "pg_constraint")
    ),
    "view": tuple(
        f"CREATE VIEW public.{name} AS SELECT * FROM engine.{name} WHERE false"
        for name in ("executions", "history", "instances", "orchestrator_queue", "worker_queue")
    ),
    "collation": (
        "CREATE COLLATION public.\"C\" (locale = 'POSIX')",
        "CREATE COLLATION public.\"default\" (locale = 'C')",
    ),
    "sequence": ("CREATE SEQUENCE public.worker_queue_id_seq",),
}
"""Kind of object that is looked for along the search path -> such objects, in the way of what commands use."""


CATALOGUES = {
    "pg_class": ("table", "view", "sequence"),
    "pg_proc": ("function", "aggregate"),
    "pg_operator": ("operator",),
    "pg_type": ("type",),
    "pg_collation": ("collation",),
    "pg_constraint": "constraints are named together with their table",
    "pg_conversion": "found by its two encodings, and a default one only in pg_catalog first: the path has no other",
    "pg_default_acl": "no name",
    "pg_extension": "objects of extensions are of the kinds above",
    "pg_opclass": "named by CREATE INDEX alone, where holystone names none",
    "pg_opfamily": "named by CREATE OPERATOR CLASS alone",
    "pg_publication_namespace": "no name",
    "pg_statistic_ext": "named by ALTER and DROP alone",
    "pg_ts_config": "no statement searches texts",
    "pg_ts_dict": "no statement searches texts",
    "pg_ts_parser": "no statement searches texts",
    "pg_ts_template": "no statement searches texts",
}
"""Catalogue whose objects lie in schemas -> their kinds above, or why no statement finds one along the search path."""


def test_every_kind_of_object_is_thought_of(postgresql_store: Sample) -> None:
    with psycopg.connect(postgresql_store.target) as connection:
        rows = connection.execute(
            "SELECT DISTINCT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid"
            " WHERE attname ~ 'namespace$|nspid$' AND relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'"
        ).fetchall()
    assert {name for (name,) in rows} <= CATALOGUES.keys()
    named = {kind for kinds in CATALOGUES.values() if isinstance(kinds, tuple) for kind in kinds}
    assert named == KINDS.keys()


@pytest.mark.parametrize("kind", one_and_long(KINDS))
def test_objects_of_strangers(run: Run, postgresql_database: Sample, kind: str) -> None:
    store = postgresql_database
    store.execute(STALE + UNDATED)
    with psycopg.connect(store.target, autocommit=True) as connection:
        for statement in KINDS[kind]:
            connection.execute(statement.encode())
    expected = results(run, store)
    with psycopg.connect(store.target, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET search_path = public, engine, pg_catalog'.encode())
    assert results(run, store) == expected
    applied = run("repair", "apply", *store.words, "--yes", "--format", "json")
    assert applied.status == 0, applied.err
    assert run("repair", "log", *store.words).status == 0
    assert run("executions", "list", *store.words).status == 0
    undone = run("repair", "undo", *store.words, applied.json["run"], "--yes")
    assert undone.status == 0, undone.err
    for word in ("status", "upgrade", "status"):
        migrated = run("migrate", word, *store.words)
        assert migrated.status == 0, migrated.err


def test_every_transaction_begins_with_its_settings(run: Run, postgresql_store: Sample) -> None:
    """The statement that begins a transaction sets all that the others depend on."""
    postgresql_store.execute(STALE)
    first: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        driver = connection.connection.driver_connection
        if driver.info.transaction_status is TransactionStatus.IDLE and not driver.autocommit:
            first.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert run("check", *postgresql_store.words, "--level", "deep").status == 1
        assert run("repair", "apply", *postgresql_store.words, "--yes").status == 0
        assert run("migrate", "upgrade", *postgresql_store.words).status == 0
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(first) > 5
    assert [statement for statement in first if not statement.startswith("SET LOCAL search_path")] == []


def test_search_path_of_the_role_is_not_used(run: Run, postgresql_store: Sample, role: str) -> None:
    postgresql_store.execute(f"ALTER ROLE {role} SUPERUSER")
    seen = postgresql_store.seen_by(role)
    expected = results(run, seen)
    assert set_for(postgresql_store, role, {"search_path": "pg_temp, public, pg_catalog"}) == []
    assert results(run, seen) == expected


def test_turns_do_not_use_it_either(postgresql_store: Sample, role: str) -> None:
    postgresql_store.execute(f"ALTER ROLE {role} SUPERUSER")
    assert set_for(postgresql_store, role, {"search_path": "public, pg_catalog", "DateStyle": "German"}) == []
    seen = postgresql_store.seen_by(role)
    with closing(Store.open(seen.target, seen.schema)) as store:
        for _ in range(2):
            with store.turn() as connection:
                asked = select(func.current_setting("search_path"), func.current_setting("datestyle"))
                assert connection.execute(asked).one() == ("pg_catalog, pg_temp", "ISO, YMD")
