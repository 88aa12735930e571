"""Stores of both flavours, for the gate."""

from __future__ import annotations

from typing import Any

import pytest

from cli.conftest import (
    postgresql_common,
    postgresql_store,
    postgresql_template,
    run,
    sqlite_store,
    sqlite_template,
)
from cli.helpers import Sample

__all__ = [
    "postgresql_common",
    "postgresql_store",
    "postgresql_template",
    "run",
    "sqlite_store",
    "sqlite_template",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def sound(request: pytest.FixtureRequest) -> Sample:
    """A healthy store of each flavour in turn, made by the newest engine, with instances that run."""
    store: Any = request.getfixturevalue(f"{request.param}_store")
    assert isinstance(store, Sample)
    return store
