"""Stores of both flavours, for the gate."""

from __future__ import annotations

from typing import Any

import pytest

from cli.conftest import (
    postgresql_common,
    postgresql_database,
    postgresql_store,
    postgresql_template,
    reader,
    role,
    sqlite_store,
    sqlite_template,
)
from cli.helpers import Sample
from conftest import FLAVOURS
from engines.conftest import opened

__all__ = [
    "opened",
    "postgresql_common",
    "postgresql_database",
    "postgresql_store",
    "postgresql_template",
    "reader",
    "role",
    "sqlite_store",
    "sqlite_template",
]


@pytest.fixture(params=["sqlite_store", "postgresql_store"], ids=FLAVOURS)
def sound(request: pytest.FixtureRequest) -> Sample:
    """A healthy store of each flavour in turn, made by the newest engine, with instances that run."""
    store: Any = request.getfixturevalue(request.param)
    assert isinstance(store, Sample)
    return store


@pytest.fixture(params=["sqlite_store", "postgresql_database"], ids=FLAVOURS)
def breakable(request: pytest.FixtureRequest) -> Sample:
    """The same store, whose schema a test may change."""
    store: Any = request.getfixturevalue(request.param)
    assert isinstance(store, Sample)
    return store
