"""Stores of both flavours, as the real engine makes them, and commands run in this process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holystone.cli.main import run as run_command

from .helpers import GHOST, SCHEMA, STALE, UNDATED, Result, Run, Sample, fill

DRIVER = Path(__file__).parent.parent / "engine" / "driver.py"
FLAVOURS = ("sqlite", "postgresql")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, as fast as it goes."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        status = run_command(list(words))
        said = capsys.readouterr()
        return Result(status, said.out, said.err)

    return run


@pytest.fixture(autouse=True)
def _nothing_steers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HOLYSTONE_", "PG", "NO_COLOR"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy store in a file, in WAL mode as the engine leaves it, and closed."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    create(str(path))
    fill(Sample(str(path)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Any) -> Iterator[str]:
    """The name of a database that holds a healthy store."""
    name = f"template_{uuid.uuid4().hex}"
    url = postgresql.create_database(name)
    create(url, "--schema", SCHEMA)
    fill(Sample(url, SCHEMA))
    yield name
    postgresql.drop_database(name)


def create(*words: str) -> None:
    """Let the engine make an empty store."""
    # In a process of its own: the engine keeps its connections for as long as it lives.
    subprocess.run([sys.executable, str(DRIVER), "create", *words], check=True, capture_output=True, timeout=60)


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Sample:
    """A healthy store in a file, the only one in its folder."""
    folder = tmp_path / "store"
    folder.mkdir()
    return Sample(str(shutil.copy(sqlite_template, folder / "store.db")))


@pytest.fixture
def postgresql_store(postgresql: Any, postgresql_template: str) -> Iterator[Sample]:
    """A healthy store in a database of its own."""
    name = f"cli_{uuid.uuid4().hex}"
    yield Sample(postgresql.create_database(name, template=postgresql_template), SCHEMA)
    postgresql.drop_database(name)


@pytest.fixture(params=FLAVOURS)
def healthy(request: pytest.FixtureRequest) -> Sample:
    """A store in which there is nothing to find, of each flavour in turn."""
    store: Sample = request.getfixturevalue(f"{request.param}_store")
    return store


@pytest.fixture
def drifted(healthy: Sample) -> Sample:
    """A store with a critical finding and one that is an error; safe repairs mend both."""
    healthy.execute(STALE + UNDATED)
    return healthy


@pytest.fixture
def haunted(healthy: Sample) -> Sample:
    """A store with a ghost."""
    healthy.execute(GHOST)
    return healthy

