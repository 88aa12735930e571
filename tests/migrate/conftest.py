"""Stores that holystone made, and the engine's own at each step of its lineage."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import available
from engine.engines import ENGINES, run_driver
from holystone.migrate import create
from holystone.store.open_store import OpenStore

from .structure import levels

Lineage = dict[int, Path]

EACH_ENGINE = [*(pytest.param(version, marks=pytest.mark.long) for version in ENGINES[:-1]), ENGINES[-1]]
"""The engines, of which only the newest is tried every time."""


@pytest.fixture(scope="session", params=ENGINES)
def lineage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """The store of each version of the engine after each of its migrations, by their number."""
    available(request.param)
    folder = tmp_path_factory.mktemp("lineage")
    # On a busy machine the engine comes to close its connections before its process ends, and tidies up.
    for attempt in range(20):
        store = folder / f"store-{attempt}.db"
        run_driver(request.param, "create", store)
        if Path(f"{store}-wal").exists():
            return dict(levels(store, folder))
    raise AssertionError("the engine left no WAL file behind")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store can be made."""
    return tmp_path / "made.db"


@pytest.fixture
def made(path: Path) -> OpenStore:
    """A store that holystone made."""
    return create(str(path))
