"""The machine, on stores of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import ENGINES, FLAVOURS, MakeStore
from machine.lane import Lane
from machine.lockstep import Lockstep
from machine.machine import TurnProtocol


@pytest.fixture
def stores(engine_store: MakeStore) -> Iterator[Lockstep]:
    """An empty store of each flavour and the model, in lockstep."""
    lanes = [Lane(engine_store(ENGINES[-1], flavour, ())) for flavour in FLAVOURS]
    stores = Lockstep(lanes)
    with stores.in_force():
        yield stores
    for lane in lanes:
        lane.close()


@pytest.fixture
def machine(stores: Lockstep) -> type[TurnProtocol]:
    """The machine, on these stores."""

    class OnTheseStores(TurnProtocol):
        def __init__(self) -> None:
            super().__init__(stores)

    return OnTheseStores
