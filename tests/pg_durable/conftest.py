"""Databases of pg_durable: each made once in a session, and then only copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conftest import Serve, _new_database, available
from engine.engines import ENGINES, run_driver

from .ground import ENGINE, Database, load, make_roles, make_tables

Restore = Callable[..., Database]


@pytest.fixture(scope="session")
def databases(servers: Serve) -> Iterator[Callable[[str], str]]:
    """A function that makes one of the stores, once, and returns the name of its database.

    `engine` has the engine's tables alone, `empty` pg_durable's as well.
    """
    made: dict[str, str] = {}

    def make(name: str) -> str:
        if name in made:
            return made[name]
        server = servers(0)
        database = _new_database(name)
        template = {"engine": None, "empty": make("engine") if name == "empty" else None}.get(name)
        if name not in ("engine", "empty") and name != "g14_satellite_029":
            template = make("empty")
        url = server.create_database(database, template=template)
        made[name] = database
        match name:
            case "engine":
                available(ENGINES[-1])
                run_driver(ENGINES[-1], "create", url, "--schema", ENGINE)
                make_roles(url)
            case "empty":
                make_tables(url)
            case "g14_satellite_029":
                make_roles(url)
                make_tables(url)
                load(url, name)
            case _:
                load(url, name)
        return database

    yield make
    for database in made.values():
        servers(0).drop_database(database)


@pytest.fixture
def restore(databases: Callable[[str], str], servers: Serve) -> Iterator[Restore]:
    """A function that returns a copy of one of the stores, for this test alone."""
    copies: list[str] = []

    def copy(name: str) -> Database:
        copies.append(_new_database("pgd"))
        return Database(servers(0).create_database(copies[-1], template=databases(name)))

    yield copy
    for database in copies:
        servers(0).drop_database(database)
