"""A check that takes longer than it may is given up, and never passes for clean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psycopg
import pytest

from conftest import ENGINES, EngineStore, Flavour, MakeStore
from holystone.flavours.sqlite import connector as sqlite_connector

from .helpers import Run


def test_statement_that_takes_too_long_is_given_up(
    run: Run, engine_store: MakeStore, flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed", "chains"])
    # SQLite looks at the clock now and then, and so small a store is read between two looks.
    monkeypatch.setattr(sqlite_connector, "_STEPS_BETWEEN_LOOKS", 1)
    seconds = "0.2" if flavour == "postgresql" else "0.0000001"
    with changing(made) if flavour == "postgresql" else nullcontext():
        done = run("check", *made.arguments, "--statement-timeout", seconds)
    assert done.status == 2
    assert "Allow more time" in done.err
    assert "Clean" not in done.out


def test_nobody_waits_longer_for_a_table_that_is_being_changed(run: Run, engine_store: MakeStore) -> None:
    made = engine_store(ENGINES[-1], "postgresql", ["completed"])
    with changing(made):
        done = run("check", *made.arguments, "--statement-timeout", "0.7")
    assert done.status == 2
    assert "did not get a lock in time" in done.err
    assert "Clean" not in done.out


@contextmanager
def changing(made: EngineStore) -> Iterator[None]:
    with psycopg.connect(made.target, options=f"-csearch_path={made.schema}") as blocked:
        blocked.execute("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE")
        yield


def test_enough_time_changes_nothing(run: Run, engine_store: MakeStore, flavour: Flavour) -> None:
    made = engine_store(ENGINES[-1], flavour, ["completed", "chains"])
    done = run("check", *made.arguments, "--statement-timeout", "60", "--format", "json")
    assert (done.status, json.loads(done.out)["verdict"]) == (0, "clean")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon"])
def test_nonsense_is_refused(run: Run, tmp_path: object, seconds: str) -> None:
    assert run("check", f"{tmp_path}/x.db", "--statement-timeout", seconds).status == 2
