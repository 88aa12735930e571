"""Each benchmark runs on a tiny store; what it measures is for people to judge, and nothing of it is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import draw
from bench.draw import drawn
from conftest import Flavour, Serve
from holystone import check

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
BENCHES: dict[str, list[str]] = {
    "turns": ["--instances", "4", "--runs", "1", "--workers", "2", "--kinds", "threads"],
    "draws": ["--seed", "1", "--only", "0", "--executions", "200", "--runs", "1"],
    "growth": ["--executions", "200,400"],
}


@pytest.fixture
def place(flavour: Flavour, servers: Serve) -> Iterator[list[str]]:
    """Return what names a place for stores, on PostgreSQL a database of its own."""
    if flavour == "sqlite":
        yield []
        return
    server, name = servers(0), f"holystone_bench_{os.getpid()}"
    yield ["--postgresql", server.create_database(name)]
    server.drop_database(name)


def run(bench: str, *options: str) -> str:
    command = [sys.executable, "-m", f"bench.{bench}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("bench", BENCHES)
def test_runs(bench: str, place: list[str]) -> None:
    assert run(bench, *BENCHES[bench], *place)


def test_beside_runs(flavour: Flavour, place: list[str], tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    run("store", str(store), "--executions", "200", *place)
    where = ["--schema", "bench"] if place else ["--store", str(store)]
    assert "alone" in run("beside", "--runs", "1", "--seconds", "1", "--workers", "2", *place, *where)


@pytest.mark.parametrize("number", range(8))
def test_drawn_store_is_clean_but_for_what_drifted(number: int, tmp_path: Path) -> None:
    one = drawn(7, number)
    drift = draw.build(one, tmp_path / "store.db", 300)
    report = check(str(tmp_path / "store.db"), level="deep")
    assert {finding.check for finding in report.findings} <= ({"E001"} if drift else set())
    assert bool(report.findings) == bool(drift)


def test_draws_are_the_same_again() -> None:
    assert [drawn(3, number) for number in range(20)] == [drawn(3, number) for number in range(20)]
    assert len({str(drawn(3, number)) for number in range(20)}) > 15
