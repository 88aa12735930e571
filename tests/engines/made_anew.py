"""The driver still makes what is in `stores/`: run by `tox -e engines`, for it takes cargo and some minutes."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from sqlalchemy import select

from conftest import missing
from engines.conftest import Opened
from engines.go_on import BEHIND, TOLD
from engines.make import build, main, run
from engines.published import ARCHIVE, NEWEST, SCHEMA, STORES, PublishedStore
from engines.test_brought_up import is_beyond_the_package
from engines.test_published import found_in, left_by_upgrades
from engines.test_repaired import arguments, damage, ends
from holystone import api
from holystone.duroxide.event import parse_event
from holystone.duroxide.tables import history
from holystone.store import Store

OF_CHANCE = frozenset({"in-hand", "activity-unregistered"})
"""Instances of which it depends on what comes first how far they are."""
MADE = "HOLYSTONE_TEST_MADE"
"""The variable that names the folder with the stores: where it is not set, each process makes them."""
BEYOND_THE_PACKAGE = [one for one in STORES if is_beyond_the_package(one)]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cargo") is None:
        missing("no cargo, which builds the driver of the engine's published versions")
    directory = Path(os.environ.get(MADE) or tmp_path_factory.mktemp("stores"))
    if not (directory / ARCHIVE).exists():
        main(directory)
    return directory


@pytest.mark.timeout(3600)
def test_what_is_made_anew_is_what_is_kept(published: PublishedStore, opened: Opened, made: Path) -> None:
    anew = PublishedStore(published.path, published.flavour, made)
    told, kept_told = anew.states, published.states
    assert {one: told[one] for one in told if one not in OF_CHANCE} == {
        one: kept_told[one] for one in kept_told if one not in OF_CHANCE
    }
    kept, fresh = opened(published), opened(anew)
    assert fresh.columns == kept.columns
    assert _event_types(fresh) == _event_types(kept)
    assert found_in(fresh) == left_by_upgrades(anew, fresh)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("published", BEYOND_THE_PACKAGE, ids=lambda one: f"{one.path}-{one.flavour}")
def test_the_newest_provider_goes_on_with_what_is_repaired(published: PublishedStore, opened: Opened) -> None:
    """As `test_repaired.py` has the Python package do, which opens none of these."""
    store = opened(published)
    before = ends(store)
    damage(store)
    api.apply(store, api.plan(store))
    assert ends(store) == before
    states = run(build(NEWEST), "continue", arguments(store)[0], SCHEMA)
    live = {one: state for one, state in states.items() if one in (*TOLD, *BEHIND)}
    # One goes on waiting: the driver sends it nothing.
    assert live == {**dict.fromkeys(live, "Completed"), "waiting": "Running"}


def _event_types(store: Store) -> dict[tuple[str, int], list[str]]:
    """Execution -> the types of its events, in order."""
    types: dict[tuple[str, int], list[str]] = defaultdict(list)
    of = history.c
    rows = select(of.instance_id, of.execution_id, of.event_data).order_by(of.instance_id, of.execution_id, of.event_id)
    with store.snapshot() as connection:
        for instance_id, execution_id, event_data in connection.execute(rows):
            event = parse_event(event_data)
            assert event is not None
            if instance_id not in OF_CHANCE:
                types[instance_id, execution_id].append(event["type"])
    return types
