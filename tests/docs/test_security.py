"""Each line of the threat table names a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TABLE = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Threats")[2]
ROWS = [line.split("|")[1:-1] for line in TABLE.splitlines() if line.startswith("|")][2:]


def test_each_threat_has_one_test() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        assert len(row) == 3, row
        assert re.fullmatch(r"`tests/\S+::test_\w+`", row[2].strip()), row
    assert len({row[2] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("named", [row[2].strip(" `") for row in ROWS])
def test_the_named_test_is_there(named: str) -> None:
    file, _, function = named.partition("::")
    assert re.search(rf"^def {function}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
