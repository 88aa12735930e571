"""The drivers in Rust build from what they were built from first: each has a lock file, of the versions it pins."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DRIVERS = sorted(path.parent for path in TESTS.glob("*/driver/**/Cargo.toml"))


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: str(driver.relative_to(TESTS)))
def test_its_lock_file_has_the_versions_that_it_pins(driver: Path) -> None:
    wanted = tomllib.loads((driver / "Cargo.toml").read_text())["dependencies"]
    locked = tomllib.loads((driver / "Cargo.lock").read_text())["package"]
    versions = {package["name"]: package["version"] for package in locked}
    pins = {name: one if isinstance(one, str) else one["version"] for name, one in wanted.items()}
    assert {name: f"={versions[name]}" for name, pin in pins.items() if pin.startswith("=")} == {
        name: pin for name, pin in pins.items() if pin.startswith("=")
    }
    assert set(pins) <= set(versions)


def test_all_drivers_are_looked_at() -> None:
    assert len(DRIVERS) == 16
