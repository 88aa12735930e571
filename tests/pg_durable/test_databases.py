"""Real databases of pg_durable's: what has drifted in them is found, and nothing else, and is repaired."""

from __future__ import annotations

from typing import Any

import pytest

from cli.helpers import Run

from .conftest import Restore
from .ground import ENGINE, EXPECTED, Database

CHECKED = [name for name in EXPECTED if name != "g14_satellite_029"]
TABLES = ("df.instances", "df.nodes", "df.vars")
TIMES = frozenset({"created_at", "updated_at", "completed_at"})
RAN_ON = "774ebbc6"
"""The instance of g6_restored that is a loop, and went round after the dump."""


def found(run: Run, database: Database, *words: str) -> dict[str, dict[str, str]]:
    """What a check finds: the causes by instance, by check."""
    causes: dict[str, dict[str, str]] = {}
    checked = run("check", database.url, "--format", "json", *words).json
    assert checked["verdict"] in ("clean", "drift"), checked["checks"]
    for one in checked["findings"]:
        causes.setdefault(one["check"], {})[one["instance_id"]] = one["cause"]
    return causes


def dumped(database: Database, *, times: bool = True) -> list[list[dict[str, Any]]]:
    return [database.dump(table, frozenset() if times else TIMES) for table in TABLES]


@pytest.mark.parametrize("name", CHECKED)
def test_what_has_drifted_is_found(run: Run, restore: Restore, name: str) -> None:
    database = restore(name)
    assert found(run, database) == EXPECTED[name]
    assert found(run, database, "--level", "deep") == EXPECTED[name]


def test_satellites_are_counted(run: Run, restore: Restore) -> None:
    """Their rows are in other databases: nothing is said of them but how many they are."""
    database = restore("g14_control_029")
    ((number,),) = database.execute(
        f"SELECT count(*) FROM {ENGINE}.instances WHERE instance_id LIKE 'pgdf-%' AND parent_instance_id IS NULL"
    )
    assert number > 0
    assert run("check", database.url, "--format", "json").json["satellites"] == number
    words = f"Not held against pg_durable's rows: {number} instances that pg_durable runs for other databases"
    assert words in run("check", database.url).out
    assert run("check", database.url, "--select", "E001", "--format", "json").json["satellites"] == 0


def test_sound_one_is_left_alone(run: Run, restore: Restore) -> None:
    database = restore("g1_sound")
    before = dumped(database)
    applied = run("repair", "apply", database.url, "--yes", "--level", "deep")
    assert (applied.status, dumped(database)) == (0, before)


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("g2_start_cancel", {"ccb395e1": "failed", "ea38297d": "cancelled", "f19d7fb3": "cancelled"}),
        ("g9_upgraded_024_026", {"6b2d7916": "failed", "7e50e158": "failed", "bcdc8718": "failed"}),
    ],
)
def test_drifted_ones_become_what_the_worker_would_have_written(
    run: Run, restore: Restore, name: str, statuses: dict[str, str]
) -> None:
    database = restore(name)
    before = {row["id"]: row for row in database.dump("df.instances")}
    nodes = database.dump("df.nodes")
    applied = run("repair", "apply", database.url, "--yes", "--format", "json")
    assert (applied.json["applied"], applied.json["left"]) == (3, 0)
    after = {row["id"]: row for row in database.dump("df.instances")}
    for id, row in before.items():
        if id in statuses:
            assert after[id]["updated_at"] > row["updated_at"]
            row |= {"status": statuses[id], "updated_at": after[id]["updated_at"]}
    assert after == before
    assert database.dump("df.nodes") == nodes
    assert found(run, database) == {check: ids for check, ids in EXPECTED[name].items() if check != "D001"}

    undone = run("repair", "undo", database.url, applied.json["run"], "--yes")
    assert undone.status == 0
    assert found(run, database) == EXPECTED[name]


def test_rows_are_made_anew_after_a_restore(run: Run, restore: Restore) -> None:
    database, sound = restore("g6_restored"), restore("g1_sound")
    assert run("repair", "apply", database.url, "--yes").status == 1
    assert database.execute("SELECT count(*) FROM df.instances") == [(0,)]

    engine = {table: database.dump(f"{ENGINE}.{table}") for table in ("instances", "executions", "history")}
    applied = run("repair", "apply", database.url, "--yes", "--unsafe", "rebuild-df-rows", "--format", "json")
    assert (applied.status, applied.json["left"]) == (0, 0)
    assert {table: database.dump(f"{ENGINE}.{table}") for table in engine} == engine
    instances, nodes, _ = dumped(database, times=False)
    of_sound = dumped(sound, times=False)
    assert instances == of_sound[0]
    assert [row for row in nodes if row["instance_id"] != RAN_ON] == [
        row for row in of_sound[1] if row["instance_id"] != RAN_ON
    ]
    graph = ("id", "node_type", "query", "left_node", "right_node", "submitted_by")
    ran_on, before = ([row for row in some if row["instance_id"] == RAN_ON] for some in (nodes, of_sound[1]))
    assert sorted([[row[name] for name in graph] for row in ran_on], key=str) == sorted(
        [[row[name] for name in graph] for row in before], key=str
    )
    assert [bool(row["completed_at"]) for row in database.dump("df.instances")].count(True) == 14
    assert found(run, database, "--level", "deep") == {}

    assert run("repair", "undo", database.url, applied.json["run"], "--yes").status == 0
    assert [database.execute(f"SELECT count(*) FROM {table}") for table in TABLES[:2]] == [[(0,)], [(0,)]]


def test_rows_of_a_role_that_is_gone_are_not_made(run: Run, restore: Restore) -> None:
    database = restore("g6_restored")
    database.execute(f"UPDATE {ENGINE}.history SET event_data = replace(event_data, 'carol', 'nobody there')")
    planned = run("repair", "plan", database.url, "--format", "json").json["changes"]
    changed = {change["key"]["id"] for change in planned if change["table"] == "df.instances"}
    assert len(changed) == 23
    assert not changed & {"2e3c3d3a", "b297fe0e", "c614aada", "ed028de1"}
