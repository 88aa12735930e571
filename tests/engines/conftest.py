"""Stores that published versions of the engine made, opened for reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from conftest import Serve
from engines.published import NEWEST, SCHEMA, STORES, PublishedStore
from holystone.store import Store

Opened = Callable[[PublishedStore], Store]


SAMPLE = ("0.1.1", "0.1.9", "0.1.19", "0.1.24", NEWEST, f"0.1.8-{NEWEST}")
"""Paths of which the SQLite stores are always looked at; of the others it takes minutes."""


def _marks(one: PublishedStore) -> list[pytest.MarkDecorator]:
    if one.flavour == "postgresql":
        return [pytest.mark.long]
    return [] if one.path in SAMPLE else [pytest.mark.slow]


EACH_STORE = [pytest.param(one, id=f"{one.path}-{one.flavour}", marks=_marks(one)) for one in STORES]


@pytest.fixture(params=EACH_STORE)
def published(request: pytest.FixtureRequest) -> PublishedStore:
    """Each of the stores in turn."""
    one: PublishedStore = request.param
    return one


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A function that opens a copy of a store, which is removed after the test."""
    numbers = count(1)
    with ExitStack() as stack:

        def open_copy(one: PublishedStore) -> Store:
            name = f"holystone_published_{next(numbers)}"
            if one.flavour == "sqlite":
                file = tmp_path / f"{name}.db"
                one.unpack(file)
                return stack.enter_context(closing(Store.open(str(file))))
            serve: Serve = request.getfixturevalue("servers")
            server = serve(0)
            server.drop_database(name)
            url = server.create_database(name)
            stack.callback(server.drop_database, name)
            one.restore(url)
            return stack.enter_context(closing(Store.open(url, SCHEMA)))

        yield open_copy


@pytest.fixture
def store(published: PublishedStore, opened: Opened) -> Store:
    """Each of the stores in turn, opened."""
    return opened(published)
