"""What the engine's statements rely on besides rows: each member of the databases' catalogues, proven by damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

import psycopg
import pytest

from conftest import ENGINES, Flavour, MakeStore
from holystone.errors import UnknownShapeError
from holystone.migrate import adopt
from holystone.scan.catalogue import select_checks
from holystone.scan.check import Level
from holystone.scan.scan import Scan
from holystone.store import Store
from holystone.store.shape import recognise
from postgresql import RunningServer, Server

FUNCTION = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
TRIGGER = "CREATE {}TRIGGER t {} ON history {}EXECUTE FUNCTION f()"
EACH = "FOR EACH ROW "

POSTGRESQL: Mapping[str, tuple[str, ...]] = {
    "unlogged table executions": ("ALTER TABLE executions SET UNLOGGED",),
    "view sessions": ("DROP TABLE sessions", "CREATE VIEW sessions AS SELECT 1 AS session_id"),
    "column kv_store.value": ('ALTER TABLE kv_store ALTER value TYPE text COLLATE "C"',),
    "nextval of other.s": (
        "CREATE SCHEMA other",
        "CREATE SEQUENCE other.s",
        "ALTER TABLE worker_queue ALTER id SET DEFAULT nextval('other.s')",
    ),
    "generated": ("ALTER TABLE history ADD g text GENERATED ALWAYS AS (event_type) STORED",),
    "child mine of history": ("CREATE TABLE mine () INHERITS (history)",),
    "foreign key mine": ("CREATE TABLE mine (id text REFERENCES instances)",),
    "check history": ("ALTER TABLE history ADD CHECK (event_id < 9) NOT VALID",),
    "exclude sessions": ("ALTER TABLE sessions ADD EXCLUDE USING btree (worker_id WITH =)",),
    "key history": ("ALTER TABLE history DROP CONSTRAINT history_pkey",),
    "without a replica identity": (
        "CREATE PUBLICATION p FOR TABLE history",
        "ALTER TABLE history REPLICA IDENTITY NOTHING",
    ),
    "index idx_orch_lock": ("DROP INDEX idx_orch_lock",),
    "lacks the function": ("DROP FUNCTION list_instances()",),
    "is strict": ("ALTER FUNCTION list_instances() STRICT",),
    "is security definer": ("ALTER FUNCTION list_instances() SECURITY DEFINER",),
    "is immutable": ("ALTER FUNCTION list_instances() IMMUTABLE",),
    "set search_path": ("ALTER FUNCTION list_instances() SET search_path = public",),
    "parallel safe": ("ALTER FUNCTION list_instances() PARALLEL SAFE",),
    "has the name of one": ("CREATE FUNCTION list_instances(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",),
    "name the schema": (
        "UPDATE pg_proc SET prosrc = replace(prosrc, 'engine.', 'gone.') WHERE proname = 'list_instances'",
    ),
    "BEFORE INSERT": (FUNCTION, TRIGGER.format("", "BEFORE INSERT", EACH)),
    "AFTER DELETE": (FUNCTION, TRIGGER.format("", "AFTER DELETE", "")),
    "AFTER UPDATE": (FUNCTION, TRIGGER.format("CONSTRAINT ", "AFTER UPDATE", EACH)),
    "trigger t on history": (
        FUNCTION,
        TRIGGER.format("", "BEFORE UPDATE", EACH),
        "ALTER TABLE history ENABLE ALWAYS TRIGGER t",
    ),
    "rule r on history": ("CREATE RULE r AS ON INSERT TO history DO INSTEAD NOTHING",),
    "row security on history": ("ALTER TABLE history ENABLE ROW LEVEL SECURITY",),
    "enabled and forced": (
        "ALTER TABLE history ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE history FORCE ROW LEVEL SECURITY",
    ),
    "may write twice": ("CREATE UNIQUE INDEX i ON executions (status)",),
    "its expression": ("CREATE INDEX i ON executions ((output::jsonb))",),
    "its condition": ("CREATE INDEX i ON executions (status) WHERE 1 / execution_id > 0",),
    "long values": ("CREATE INDEX i ON executions (status) INCLUDE (output)",),
    "counts down": ("ALTER SEQUENCE worker_queue_id_seq INCREMENT -1 MINVALUE -9",),
    "begins again": ("ALTER SEQUENCE worker_queue_id_seq CYCLE",),
    "and has 0 left after": (
        "ALTER SEQUENCE worker_queue_id_seq MAXVALUE 5",
        "SELECT setval('worker_queue_id_seq', 5)",
    ),
    "not valid": ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'history_pkey'::regclass",),
    "not ready": ("UPDATE pg_index SET indisready = false WHERE indexrelid = 'history_pkey'::regclass",),
    "not live": ("UPDATE pg_index SET indislive = false WHERE indexrelid = 'kv_delta_pkey'::regclass",),
    "not immediate": ("UPDATE pg_index SET indimmediate = false WHERE indexrelid = 'kv_delta_pkey'::regclass",),
}
SQLITE: Mapping[str, tuple[str, ...]] = {
    "trigger t on history": ("CREATE TRIGGER t BEFORE INSERT ON history BEGIN SELECT raise(IGNORE); END",),
    "AFTER UPDATE": ("CREATE TRIGGER t AFTER UPDATE ON instances BEGIN SELECT raise(ABORT, 'no'); END",),
    "may write twice": ("CREATE UNIQUE INDEX i ON executions (status)",),
    "its expression": ("CREATE INDEX i ON executions (json_extract(output, '$.a'))",),
    "its condition": ("CREATE INDEX i ON executions (status) WHERE json_valid(output)",),
    "foreign key mine": ("CREATE TABLE mine (id TEXT REFERENCES instances (instance_id))",),
    "view sessions": ("DROP TABLE sessions", "CREATE VIEW sessions AS SELECT 1 AS session_id"),
    "strict": ("DROP TABLE sessions", "CREATE TABLE sessions (session_id TEXT PRIMARY KEY) STRICT"),
    "without rowid": ("DROP TABLE sessions", "CREATE TABLE sessions (session_id TEXT PRIMARY KEY) WITHOUT ROWID"),
    "collation NOCASE": ("DROP TABLE sessions", "CREATE TABLE sessions (session_id TEXT COLLATE NOCASE)"),
    "ON CONFLICT IGNORE": ("DROP TABLE sessions", "CREATE TABLE sessions (s TEXT PRIMARY KEY ON CONFLICT IGNORE)"),
    "generated": ("ALTER TABLE history ADD g TEXT AS (event_type)",),
    "and has 0 left after": (f"INSERT INTO sqlite_sequence VALUES ('worker_queue', {2**63 - 1})",),
    "index idx_orch_lock": ("DROP INDEX idx_orch_lock",),
}
HARMLESS = {
    "sqlite": ("CREATE INDEX i ON executions (status) WHERE status = 'Failed'", "CREATE TABLE mine (id TEXT)"),
    "postgresql": (
        "CREATE INDEX i ON executions (status) WHERE status IN ('Failed', 'Completed')",
        "CREATE INDEX h ON executions USING hash (output)",
        "CREATE TABLE mine (id text)",
        "CREATE PUBLICATION p FOR ALL TABLES",
        FUNCTION,
        TRIGGER.format("", "BEFORE INSERT", EACH),
        "ALTER TABLE history DISABLE TRIGGER t",
    ),
}


@pytest.fixture
def store(engine_store: MakeStore, flavour: Flavour) -> Store:
    made = engine_store(ENGINES[-1], flavour, ())
    return Store.open(made.target, made.schema)


def told(store: Store, statements: tuple[str, ...]) -> str:
    """Return all that is said of the store after some statements, which are taken back."""
    structure = store.flavour.structure
    with store.transaction() as connection:
        if store.target.schema is not None:
            connection.exec_driver_sql(f"SET LOCAL search_path = {store.target.schema}")
        for statement in statements:
            connection.exec_driver_sql(statement)
        tables = structure.lineage.tables
        said = recognise(store, connection).faults
        objects = {
            **structure.interference(connection, tables),
            **structure.sequences(connection),
            **structure.unusable_indexes(connection, tables),
        }
        connection.rollback()
    return "\n".join([*said, *(f"{name}: {what}" for name, what in objects.items())])


def test_each_member_is_found_and_named(store: Store, flavour: Flavour) -> None:
    damages = POSTGRESQL if flavour == "postgresql" else SQLITE
    assert told(store, ("SELECT 1",)) == ""
    assert [what for what, statements in damages.items() if what not in told(store, statements)] == []


def test_what_others_put_that_does_no_harm_is_quiet(store: Store, flavour: Flavour) -> None:
    assert told(store, HARMLESS[flavour]) == ""


@pytest.mark.parametrize("flavour", ["postgresql"])
def test_a_schema_that_was_renamed_under_its_functions_is_told(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ())
    made.execute("ALTER SCHEMA engine RENAME TO blue")
    (finding,) = Scan(Store.open(made.target, "blue", read_only=True), select_checks(Level.quick))
    assert (finding.check.id, finding.cause) == ("S004", "schema-renamed")
    assert finding.message == "the schema engine is named by 36 functions of this one"
    with pytest.raises(UnknownShapeError):
        adopt(Store.open(made.target, "blue"))


READY = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'history_pkey'::regclass"


@pytest.mark.parametrize("flavour", ["postgresql"])
@pytest.mark.parametrize("amcheck", [True, False])
def test_an_index_that_lacks_a_row_is_named(engine_store: MakeStore, flavour: Flavour, amcheck: bool) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    # The planner would choose the engine's second index on the same columns, which amcheck need not care about.
    made.execute("DROP INDEX idx_history_lookup")
    if amcheck:
        made.execute("CREATE EXTENSION amcheck")
    damaged = select_checks(Level.deep, ["S009"])
    assert list(Scan(Store.open(made.target, made.schema), damaged)) == []
    made.execute(READY.format("false"))
    made.execute("INSERT INTO history SELECT 'x', 1, 9, event_type, event_data, created_at FROM history LIMIT 1")
    made.execute(READY.format("true"))
    (finding,) = Scan(Store.open(made.target, made.schema), damaged)
    assert finding.observed["damaged"] == "index history_pkey on history"
    assert ("lacks" if amcheck else "and the table") in finding.message


@pytest.mark.parametrize("flavour", ["sqlite"])
def test_an_index_that_does_not_go_with_its_table_is_named(engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed"])
    with closing(sqlite3.connect(made.target)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'event_id),', 'event_data),')"
            " WHERE name = 'history'; UPDATE sqlite_master SET sql = replace(sql, 'event_id)', 'event_type)')"
            " WHERE name = 'history'"
        )
    findings = list(Scan(Store.open(made.target), select_checks(Level.deep, ["S009"])))
    assert [finding.observed["damaged"] for finding in findings] == ["index sqlite_autoindex_history_1"]


IS_LOOKED_AT = {
    "pg_class": "relname relkind relpersistence relrowsecurity relforcerowsecurity relreplident relam",
    "pg_attribute": "attname atttypid atttypmod attnotnull attidentity attgenerated attisdropped attcollation",
    "pg_trigger": "tgrelid tgname tgenabled tgisinternal tgtype tgfoid tgqual",
    "pg_rewrite": "rulename ev_class ev_enabled ev_type is_instead ev_qual ev_action",
    "pg_index": "indexrelid indrelid indisunique indisprimary indimmediate indisvalid indisready indislive"
    " indisreplident indkey indexprs indpred indcollation indclass indoption indnkeyatts",
    "pg_constraint": "contype condeferrable condeferred convalidated conrelid confrelid confupdtype confdeltype conkey"
    " confkey conexclop conbin",
    "pg_proc": "proname prolang prokind prosecdef proisstrict proretset provolatile proparallel prorettype proargtypes"
    " proallargtypes proargmodes proargnames proargdefaults prosrc prosqlbody proconfig",
    "pg_sequence": "seqrelid seqincrement seqmax seqmin seqcycle",
}
IS_NOT = {
    "a number of the object, of another that is looked at, or a count of them": "oid relnamespace reltype relhasindex"
    " relnatts relchecks relhasrules relhastriggers relhassubclass relispartition relpartbound attrelid attlen attnum"
    " attndims attbyval attalign atthasdef atthasmissing attmissingval tgparentid tgconstraint tgconstrindid"
    " tgconstrrelid tgnargs indnatts connamespace conindid conparentid conname conpfeqop conppeqop conffeqop"
    " pronamespace pronargs pronargdefaults reloftype attislocal attinhcount conislocal coninhcount connoinherit"
    " contypid provariadic",
    "where and how it is stored": "relfilenode reltablespace reltoastrelid relrewrite reloptions attstorage"
    " attcompression attcacheoff attoptions indisclustered",
    "a number of planner and vacuum": "relpages reltuples relallvisible relallfrozen relfrozenxid relminmxid"
    " attstattarget procost prorows prosupport indcheckxmin seqcache",
    "who may do what, which a look at rows tells": "relowner relacl attacl proowner proacl",
    "not of an ordinary table or function": "relisshared relispopulated attfdwoptions probin protrftypes",
    "part of a trigger, which is told as a whole": "tgdeferrable tginitdeferred tgattr tgargs tgoldtable tgnewtable",
    "of a unique or exclusive index, each of which is told": "indnullsnotdistinct indisexclusion",
    "of a foreign key that has other columns, and is told": "confmatchtype confdelsetcols conperiod conenforced",
    "a type or a start, which its bounds tell": "seqtypid seqstart",
    "cannot be wrong without an error": "proleakproof",
}


@pytest.mark.parametrize("catalog", IS_LOOKED_AT)
def test_all_that_postgresql_says_of_an_object_is_known(catalog: str, postgresql: Server | RunningServer) -> None:
    """A newer PostgreSQL may have a column here that decides whether the engine's statements work."""
    with psycopg.connect(postgresql.url()) as connection:
        columns = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [catalog]
        ).fetchall()
    passed_over = {column for columns in IS_NOT.values() for column in columns.split()}
    looked_at = set(IS_LOOKED_AT[catalog].split())
    assert {column for (column,) in columns} - passed_over - looked_at == set()
    assert looked_at - {column for (column,) in columns} == set()


def test_all_that_sqlite_says_of_an_object_is_known() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a PRIMARY KEY REFERENCES t)")
        connection.execute("CREATE INDEX i ON t (a)")
        said = {
            pragma: {column[0] for column in connection.execute(f"PRAGMA {pragma}").description}
            for pragma in ("table_list", "table_xinfo(t)", "index_list(t)", "index_xinfo(i)", "foreign_key_list(t)")
        }
    assert said == {
        "table_list": {"schema", "name", "type", "ncol", "wr", "strict"},
        "table_xinfo(t)": {"cid", "name", "type", "notnull", "dflt_value", "pk", "hidden"},
        "index_list(t)": {"seq", "name", "unique", "origin", "partial"},
        "index_xinfo(i)": {"seqno", "cid", "name", "desc", "coll", "key"},
        "foreign_key_list(t)": {"id", "seq", "table", "from", "to", "on_update", "on_delete", "match"},
    }
