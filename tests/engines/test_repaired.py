"""Stores of every version: read as the engine reads them, repaired where they were damaged, and gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from cli.helpers import Run
from engines.published import SCHEMA, PublishedStore
from engines.test_published import found_in, left_by_upgrades
from holystone import api
from holystone.duroxide.engine_version import parsed
from holystone.duroxide.releases import POSTGRESQL_OF_PACKAGE, writes
from holystone.duroxide.tables import executions, instances
from holystone.store import Store

GO_ON = Path(__file__).with_name("go_on.py")
DAMAGED = ("completed", "activity-failed")
"""Instances whose rows are set back to what they were before the end."""
OF_INSTANCE = instances.join(
    executions,
    (instances.c.instance_id == executions.c.instance_id)
    & (instances.c.current_execution_id == executions.c.execution_id),
)


def statuses(store: Store) -> dict[str, str]:
    """Instance -> the status of its current execution, by its row."""
    rows = select(instances.c.instance_id, executions.c.status).select_from(OF_INSTANCE)
    with store.snapshot() as connection:
        return {row.instance_id: row.status for row in connection.execute(rows)}


def arguments(store: Store) -> list[str]:
    """The store as a command takes it."""
    target = str(store.target.url.render_as_string(hide_password=False)) if store.target.url else str(store.target)
    return [target] if store.target.schema is None else [target, "--schema", store.target.schema]


def test_statuses_are_what_the_engine_said(published: PublishedStore, store: Store) -> None:
    found = statuses(store)
    # Of what an engine cannot read any more it says nothing, or on PostgreSQL that it runs. And between two executions
    # the row tells of the one that has ended, and the engine of the chain.
    left_out = {one for check, one in left_by_upgrades(published, store) if check in ("H005", "H011")} | {
        "chain-midway"
    }
    said = {one: state for one, state in published.states.items() if one not in left_out}
    assert {one: found.get(one) for one in said} == said


def test_what_the_commands_show(published: PublishedStore, store: Store, run: Run) -> None:
    target = arguments(store)
    listed = run("executions", "list", *target, "--limit", "1000", "--format", "json").json["executions"]
    told = {one["instance_id"]: one for one in listed}
    assert published.states.keys() <= told.keys()
    # Of what the newest engine cannot read any more nothing is told.
    assert [one for one in listed if one["status_of_history"] not in (None, one["status"])] == []
    shown = run("executions", "show", *target, "chain", "--format", "json").json["executions"]
    assert [one["status"] for one in shown] == ["ContinuedAsNew"] * 3 + ["Completed"]
    assert [one["events"][0]["type"] for one in shown] == ["OrchestrationStarted"] * 4

    status = run("migrate", "status", *target, "--format", "json").json
    versions = published.path.split("-")
    assert status["shape"]["known"]
    assert set(status["engines"]["wrote"]) == {versions[0], *_began(versions)}
    last = writes(parsed(versions[-1]))
    if published.flavour == "sqlite":
        assert versions[-1] in status["engines"]["migrated"]
        assert status["engines"]["opening"][-1] == "0.1.32"
    else:
        assert set(status["engines"]["migrated"]) & set(last.release.providers)
        assert status["engines"]["opening"][-1] == "0.1.38"
    text = run("migrate", "status", *target).out
    assert all(f"{what} by " in text for what in ("written", "migrated", "opened"))


def _began(versions: list[str]) -> set[str]:
    """The later versions that begin an execution: each takes up what waits in the queues, until nothing does."""
    return set(versions[1:2])


def damage(store: Store) -> None:
    """Leave the rows of ended executions as they are while these run."""
    before = {"status": "Running", "output": None, "completed_at": None}
    with store.transaction() as connection:
        connection.execute(update(executions).where(executions.c.instance_id.in_(DAMAGED)).values(before))


def ends(store: Store) -> list[Any]:
    """What the rows say of the ends of what was damaged, but for their times."""
    rows = select(executions.c.instance_id, executions.c.status, executions.c.output)
    with store.snapshot() as connection:
        return [*connection.execute(rows.where(executions.c.instance_id.in_(DAMAGED)).order_by("instance_id"))]


def go_on(store: Store) -> dict[str, str]:
    """Let the newest Python package of the engine go on with the store, and return what it says of each instance."""
    pytest.importorskip("duroxide", reason="no duroxide, whose newest version goes on with the stores")
    target = [arguments(store)[0]] if store.target.schema is None else [arguments(store)[0], SCHEMA]
    ran = subprocess.run([sys.executable, GO_ON, *target], check=True, capture_output=True, text=True, timeout=120)
    told: dict[str, str] = json.loads(ran.stdout.splitlines()[-1])
    return told


def test_damage_is_repaired_and_the_newest_engine_goes_on(published: PublishedStore, store: Store) -> None:
    left, before = found_in(store), ends(store)
    damage(store)
    assert {("E001", instance) for instance in DAMAGED} <= found_in(store) - left
    api.apply(store, api.plan(store))
    assert ends(store) == before
    # What upgrades left wrong is repaired beside it, as far as a program may.
    assert found_in(store) <= left
    if published.flavour == "sqlite" or int(store.engine_migration or 0) <= POSTGRESQL_OF_PACKAGE:
        told = go_on(store)  # what the newest provider has migrated no Python package opens yet
        assert told == dict.fromkeys(told, "Completed")
