"""The engine's public validation suite on holystone's store: run by `tox -e provider`, for it takes cargo and time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provider.conftest import Serve
from provider.places import HERE, Driver
from provider.reasons import CANNOT_HOLD, REFUSED_BY_SCENARIO

_SECONDS = 120


def scenarios() -> list[str]:
    """Return the names of the scenarios, as the driver has them in its source: it need not be built for that."""
    text = (HERE / "driver" / "src" / "scenarios.rs").read_text()
    (body,) = re.findall(r"^scenarios! \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    found = [
        f"{group}::{name}"
        for group, names in re.findall(r"(\w+) \{\n(.*?)\n    \}", body, re.DOTALL)
        for name in names.split()
    ]
    return [*found, *(f"{group}::{name}" for group, name in re.findall(r'\("(\w+)", "(\w+)"\)', text))]


@pytest.mark.parametrize("scenario", scenarios())
def test_scenario_holds(scenario: str, driver: Driver, serve: Serve) -> None:
    if scenario in CANNOT_HOLD:
        pytest.skip(CANNOT_HOLD[scenario])
    held = serve()
    done = driver.run("scenario", scenario, str(held.socket), seconds=_SECONDS)
    assert "Traceback" not in held.complaints, held.complaints
    refused = REFUSED_BY_SCENARIO.get(scenario)
    if refused is not None:
        assert refused.said in done.stderr, done.stderr
        done = driver.run("scenario", scenario, str(serve("--believing").socket), seconds=_SECONDS)
    assert done.returncode == 0, done.stderr


def test_each_scenario_is_here(driver: Driver) -> None:
    assert driver.run("scenarios", seconds=10).stdout.split() == scenarios()


def test_what_is_listed_is_a_scenario() -> None:
    assert {*CANNOT_HOLD, *REFUSED_BY_SCENARIO} <= set(scenarios())
    assert not CANNOT_HOLD.keys() & REFUSED_BY_SCENARIO.keys()


def test_no_scenario_of_the_engine_is_forgotten(source: Path) -> None:
    """As its source has them: functions for tests, each of which is run here, some for two versions."""
    files = (source / "src" / "provider_validation").glob("*.rs")
    wanted = re.compile(r"^pub async fn (\w+)(?:<[^>]*>)?\(\s*(?:factory|provider): &(?!dyn crate::)", re.MULTILINE)
    there = {f"{file.stem}::{name}" for file in files for name in wanted.findall(file.read_text())}
    here = {re.sub(r"(_0_1_3\d)$", "", scenario) for scenario in scenarios()}
    assert there == here
