"""`tox -e lowest` installs the versions that setup.cfg has as the lowest ones, and no others."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_lowest_versions_are_those_of_the_bounds() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    bounds = setup["options"]["install_requires"] + setup["options.extras_require"]["postgresql"]
    pinned = (Path(__file__).parent / "lowest.txt").read_text()
    # A constraint has no extras.
    assert sorted(pinned.split()) == sorted(bounds.replace("[binary]", "").replace(">=", "==").split())
