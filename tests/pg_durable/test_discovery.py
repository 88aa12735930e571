"""Where pg_durable's store is found, and what is said where it is not all there."""

from __future__ import annotations

import pytest

from cli.helpers import Run

from .conftest import Restore
from .ground import ENGINE, EXPECTED, Database

STORES = [name for name in EXPECTED if name != "g14_satellite_029"]
LEGACY = f"ALTER SCHEMA {ENGINE} RENAME TO duroxide; DROP FUNCTION df.duroxide_schema"
SECOND = "CREATE SCHEMA duroxide; " + "; ".join(
    f"CREATE TABLE duroxide.{table} (LIKE {ENGINE}.{table})" for table in ("instances", "executions", "history")
)


@pytest.mark.parametrize("name", STORES)
def test_found_without_a_schema(run: Run, restore: Restore, name: str) -> None:
    checked = run("check", restore(name).url, "--format", "json", "--level", "quick")
    assert checked.json["store"]["schema"] == ENGINE


def test_only_store_is_found(run: Run, restore: Restore) -> None:
    checked = run("check", restore("engine").url, "--format", "json", "--level", "quick")
    assert (checked.status, checked.json["store"]["schema"]) == (0, ENGINE)


def test_schema_of_old_installations(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    database.execute(LEGACY)
    checked = run("check", database.url, "--format", "json", "--level", "quick")
    assert checked.json["store"]["schema"] == "duroxide"


def refused(run: Run, database: Database, *words: str) -> str:
    """What is said of a database that cannot be checked, in one line for the fault and one for the next step."""
    before = database.contents()
    checked = run("check", database.url, *words)
    assert (checked.status, checked.out) == (2, "")
    assert database.contents() == before
    error, following = checked.err.splitlines()
    assert error.startswith("Error: ")
    assert following.startswith("Next: ")
    said = f"{error.removeprefix('Error: ')} {following.removeprefix('Next: ')}"
    return said.replace(database.shown, "DATABASE")


def test_schema_of_the_extension_is_no_store(run: Run, restore: Restore) -> None:
    assert refused(run, restore("g1_sound"), "--schema", "df") == (
        "The schema 'df' of DATABASE has pg_durable's own tables, and its engine keeps the store in the schema "
        "'_duroxide'. Leave --schema out: both are looked at then."
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            f"DROP SCHEMA {ENGINE} CASCADE",
            "pg_durable is only half there in DATABASE: the schema '_duroxide' holds no store for it. Its background "
            "worker makes the store when it starts: see that shared_preload_libraries names pg_durable.",
        ),
        (
            "DROP SCHEMA df CASCADE",
            "The store in the schema '_duroxide' of DATABASE is pg_durable's, whose own tables are gone: nobody can "
            "list or cancel what runs there. Create the extension again, or check the engine alone: --schema "
            "_duroxide.",
        ),
        (
            "DROP TABLE df.nodes CASCADE",
            "pg_durable is only half installed in DATABASE: it lacks df.nodes. Complete it with ALTER EXTENSION "
            "pg_durable UPDATE, or check the engine alone: --schema _duroxide.",
        ),
        (
            "ALTER TABLE df.instances DROP COLUMN completed_at, DROP COLUMN label",
            "pg_durable is only half installed in DATABASE: it lacks df.instances.completed_at, df.instances.label. "
            "Complete it with ALTER EXTENSION pg_durable UPDATE, or check the engine alone: --schema _duroxide.",
        ),
        (
            SECOND,
            "DATABASE holds more than one store: that of pg_durable in the schema '_duroxide', and another in "
            "'duroxide'. Name the one that you mean: --schema _duroxide, or --schema duroxide.",
        ),
        (
            SECOND.replace("CREATE SCHEMA duroxide; ", "")
            .replace("duroxide.", "public.")
            .replace("_public.", "_duroxide."),
            "DATABASE holds more than one store: that of pg_durable in the schema '_duroxide', and another in "
            "'public'. Name the one that you mean: --schema _duroxide, or --schema public.",
        ),
        (
            f"{LEGACY}; DELETE FROM duroxide._duroxide_migrations WHERE version > 13",
            "pg_durable in DATABASE is of version 0.2.1 or older, whose engine keeps the store in another way. "
            "Bring pg_durable to 0.2.2 or later: its notes on upgrades say how.",
        ),
        (
            "CREATE TABLE called (); CREATE OR REPLACE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE sql "
            "AS 'DROP TABLE called; SELECT ''_duroxide''::text'",
            "df.duroxide_schema() of DATABASE is not as pg_durable makes it, and nothing of a store is run to find out "
            "what it says. Name the schema of the engine's tables: --schema _duroxide, or --schema duroxide.",
        ),
    ],
    ids=["no-engine", "no-tables", "no-nodes", "no-columns", "two-stores", "public-too", "too-old", "another-function"],
)
def test_not_all_there(run: Run, restore: Restore, broken: str, said: str) -> None:
    database = restore("g1_sound")
    database.execute(broken)
    assert refused(run, database) == said


def test_function_is_not_called(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    database.execute("CREATE TABLE calls (at timestamptz); GRANT ALL ON calls TO PUBLIC")
    database.execute(
        "DROP FUNCTION df.duroxide_schema; CREATE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO calls VALUES (now()); RETURN '_duroxide'; END $$"
    )
    assert run("check", database.url, "--schema", ENGINE, "--level", "quick").status == 0
    assert run("repair", "apply", database.url, "--schema", ENGINE, "--yes").status == 0
    assert database.execute("SELECT count(*) FROM calls") == [(0,)]


def test_satellite(run: Run, restore: Restore) -> None:
    database = restore("g14_satellite_029")
    assert refused(run, database) == (
        "DATABASE has pg_durable's own tables and no engine: it is a satellite, whose engine is in another database. "
        "Check the database that pg_durable.database of the server names."
    )
    database.set_extensions_database("control")
    assert refused(run, database) == (
        "DATABASE is a satellite of pg_durable: what is started here runs on the engine in 'control', and no snapshot "
        f"shows both. Check that database: holystone check {database.renamed('control').shown}"
    )


def test_another_database(run: Run, restore: Restore) -> None:
    database = restore("g14_satellite_029")
    database.execute("DROP SCHEMA df CASCADE")
    database.set_extensions_database("control")
    assert refused(run, database) == (
        "DATABASE holds no store, and pg_durable of this server has its own in 'control'. "
        f"Check that database: holystone check {database.renamed('control').shown}"
    )


@pytest.mark.parametrize("words", [(), ("--schema", "df")], ids=["unnamed", "named"])
def test_schema_of_another_program(run: Run, restore: Restore, words: tuple[str, ...]) -> None:
    database = restore("g14_satellite_029")
    database.execute("DROP SCHEMA df CASCADE; CREATE SCHEMA df; CREATE TABLE df.instances (id int, hostname text)")
    said = refused(run, database, *words)
    assert "engine open" not in said
    assert "pg_durable" in said if words else "holds none of duroxide's tables" in said


def test_store_beside_the_schema_of_another_program(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    database.execute("DROP SCHEMA df CASCADE; CREATE SCHEMA df; CREATE TABLE df.instances (id int, hostname text)")
    checked = run("check", database.url, "--schema", ENGINE, "--level", "quick")
    assert (checked.status, checked.err) == (0, "")


@pytest.mark.parametrize("schema", [ENGINE, "df"])
def test_no_right(run: Run, restore: Restore, schema: str) -> None:
    database = restore("g1_sound")
    database.execute(f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC; GRANT USAGE ON SCHEMA df, {ENGINE} TO alice")
    database.execute(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA df, {ENGINE} TO alice; REVOKE USAGE ON SCHEMA {schema} FROM alice"
    )
    before = database.contents()
    checked = run("check", database.as_role("alice"))
    assert checked.status == 2
    assert set(checked.err.splitlines()) == {
        f"Error: The role has no permission: permission denied for schema {schema}.",
        "Next: Grant the role USAGE on the schema, SELECT on its tables, and for repairs UPDATE, INSERT and CREATE.",
    }
    # Without df the engine is checked all the same.
    told = [line for line in checked.out.splitlines() if line.startswith("Incomplete")]
    assert told == (["Incomplete: 9 checks could not run."] if schema == "df" else [])
    assert database.contents() == before
