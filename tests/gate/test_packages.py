"""What is said of the Python packages is what these do."""

from __future__ import annotations

import json

import pytest

from conftest import SQLITE_AND_LONG_POSTGRESQL, Flavour, MakeStore
from engine.engines import ENGINES, DriverError, run_driver
from holystone import api
from holystone.duroxide.releases import RELEASES
from holystone.gate.model import GateReport

OLDER, NEWER = ENGINES


def refused(report: GateReport) -> set[str]:
    return {one.id for one in report.rules if one.outcome == "refused"}


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
@pytest.mark.parametrize("version", ENGINES)
def test_the_core_in_a_package_is_the_one_that_its_events_name(
    version: str, flavour: Flavour, engine_store: MakeStore
) -> None:
    store = engine_store(version, flavour, ["completed"])
    events = [json.loads(data) for (data,) in store.execute("SELECT event_data FROM history")]
    assert {event["duroxide_version"] for event in events} == {RELEASES[-1].package_cores[version]}


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_a_newer_package_opens_the_store_of_an_older_one(flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(OLDER, flavour, ["waiting"])
    report = api.gate(store.target, schema=store.schema, against=f"package:{NEWER}")
    assert (report.verdict, report.deployment and report.deployment.opens) == ("pass", True)
    run_driver(NEWER, "create", *store.arguments)
    assert api.gate(store.target, schema=store.schema, against=f"package:{NEWER}").verdict == "pass"


@pytest.mark.parametrize("flavour", SQLITE_AND_LONG_POSTGRESQL)
def test_an_older_package_is_refused(flavour: Flavour, engine_store: MakeStore) -> None:
    store = engine_store(NEWER, flavour, ["waiting"])
    report = api.gate(store.target, schema=store.schema, against=f"package:{OLDER}")
    assert report.verdict == "refused"
    if flavour == "sqlite":
        assert refused(report) == {"G005"}
        run_driver(OLDER, "create", *store.arguments)
    else:
        assert refused(report) == {"G004", "G005"}
        assert any("does not open it" in found for one in report.rules for found in one.found)
        with pytest.raises(DriverError, match="migrations not recognized"):
            run_driver(OLDER, "create", *store.arguments)
