"""The manual pages are such as the tools that show them take; tox -e docs holds them to the command line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "share" / "man" / "man1").glob("*.1"))
# Pages of no day, with lines as long as their paragraphs.
READERS = (["mandoc", "-T", "lint", "-W", "error"], ["groff", "-ww", "-man", "-T", "utf8", "-z"])


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
def test_they_are_read_without_complaint(reader: list[str]) -> None:
    if shutil.which(reader[0]) is None:
        pytest.skip(f"there is no {reader[0]} here")
    assert len(PAGES) > 10
    made = subprocess.run([*reader, *map(str, PAGES)], capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
