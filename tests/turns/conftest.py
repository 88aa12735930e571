"""A kit on an empty store of the engine, on both flavours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from conftest import ENGINES, EngineStore, Flavour, Originals, Serve
from ground import Ground, postgresql_ground, sqlite_ground
from turns.clean import CleanCheck
from turns.kit import Kit

NEWEST = ENGINES[-1]


@dataclass(frozen=True)
class CheckedGround(Ground):
    """An empty store, and the catalogue that looks over it."""

    clean: CleanCheck


@pytest.fixture(scope="session")
def sqlite_turns(originals: Originals, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedGround]:
    original = originals(NEWEST, "sqlite", ())
    with sqlite_ground(original, tmp_path_factory.mktemp("turns"), upgraded=False) as ground:
        yield CheckedGround(**vars(ground), clean=CleanCheck(ground.store))


@pytest.fixture(scope="session")
def postgresql_turns(originals: Originals, servers: Serve) -> Iterator[CheckedGround]:
    original = originals(NEWEST, "postgresql", ())
    with (
        postgresql_ground(original, servers(0), upgraded=False) as ground,
        ground.store._reader.connect() as reader,
    ):
        yield CheckedGround(**vars(ground), clean=CleanCheck(ground.store, reader))


@pytest.fixture
def ground(request: pytest.FixtureRequest, flavour: Flavour) -> Iterator[CheckedGround]:
    """An empty store; whatever a test does to it by turns, the catalogue must find it clean in the end."""
    ground: CheckedGround = request.getfixturevalue(f"{flavour}_turns")
    ground.clear()
    yield ground
    assert ground.clean.findings() == []


@pytest.fixture
def made(ground: CheckedGround) -> EngineStore:
    """The store, as the other tests know one. Its tables are shared: only rows may be changed."""
    return ground.made


@pytest.fixture
def kit(ground: CheckedGround) -> Kit:
    return Kit(ground.store)


class Clock:
    """The store's clock, which stands still until a test lets time pass: no lock expires by a slow machine."""

    def __init__(self) -> None:
        self._ns = time.time_ns()

    @property
    def now_ms(self) -> int:
        return self._ns // 1_000_000

    def time_ns(self) -> int:
        """The one function that the store's clock asks of `time`."""
        return self._ns

    def pass_ms(self, ms: int) -> None:
        self._ns += ms * 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Take the store's time into the test's own hands."""
    clock = Clock()
    monkeypatch.setattr("holystone.clock.time", clock)
    return clock


Column = Callable[..., object]


@pytest.fixture
def column(ground: CheckedGround) -> Column:
    """Return a function that reads one value of a table."""

    def read(table: str, name: str, **key: object) -> object:
        condition = " AND ".join(f"{column} = ?" for column in key) or "1 = 1"
        rows = ground.execute(f"SELECT {name} FROM {table} WHERE {condition}", *key.values())
        return rows[0][0] if rows else None

    return read
