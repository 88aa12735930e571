"""Stores of both flavours, with schemas that the engine and that holystone's migrations made, and the driver."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from conftest import Flavour, missing
from holystone.flavours.target import parse_target
from holystone.migrate import create
from postgresql import RunningServer, Server
from provider.places import HERE, SCHEMA, Driver, Place, Served, build, served

ORIGINS = ("engine", "holystone")
"""Who made the schema of a store."""

MakePlace = Callable[[str], Place]
Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def driver() -> Driver:
    if shutil.which("cargo") is None:
        missing("no cargo, which builds the driver that runs the engine on a store")
    return build()


@pytest.fixture(scope="session", params=("sqlite", "postgresql"))
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavour: Flavour = request.param
    return flavour


@pytest.fixture(scope="session")
def new_place(flavour: Flavour, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakePlace:
    """A function that returns a place of a name where nothing is."""

    def sqlite(name: str) -> Place:
        return Place(str(tmp_path_factory.mktemp(name) / "store.db"), None)

    def postgresql(name: str) -> Place:
        server: Server | RunningServer = request.getfixturevalue("postgresql")
        return Place(server.create_database(f"provider_{name}"), SCHEMA)

    return sqlite if flavour == "sqlite" else postgresql


@pytest.fixture(scope="session", params=ORIGINS)
def place(request: pytest.FixtureRequest, driver: Driver, new_place: MakePlace) -> Place:
    """A store without rows, made by the engine or by holystone's migrations."""
    place = new_place(f"of_{request.param}")
    if request.param == "holystone":
        create(parse_target(place.target, place.schema))
        if place.schema is None:
            return place
    driver.make(place)  # which completes what `create` begins on PostgreSQL
    return place


@pytest.fixture(scope="session")
def serve(place: Place) -> Iterator[Serve]:
    """A function that returns the process that holds the store, one for each set of options."""
    with ExitStack() as stack:

        @cache
        def start(*options: str) -> Served:
            return stack.enter_context(served(place, *options))

        yield start


@pytest.fixture(scope="session")
def source(driver: Driver) -> Path:
    """The folder with the source of the engine that the driver was built with."""
    command = ["cargo", "metadata", "--format-version", "1", "--offline"]
    told = subprocess.run(command, cwd=HERE / "driver", check=True, capture_output=True, text=True)
    packages = {package["name"]: package for package in json.loads(told.stdout)["packages"]}
    return Path(packages["duroxide"]["manifest_path"]).parent
