"""Keep what the tests of this folder and of pg_durable's found, for the tables in docs/engines.md.

    python -m pytest -n 2 -m "" tests/engines tests/pg_durable --junitxml results.xml
    cd tests && python -m engines.results ../results.xml && cd .. && python docs/build.py

Several files are taken together.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from engines.published import FLAVOURS, HERE, PATHS

EXTENSION = HERE.parent / "pg_durable" / "stores"
RESULTS = HERE / "stores" / "results.json"
_NAME = re.compile(rf"(\w+)\[(.+)-({'|'.join(FLAVOURS)})\]")


def passed(files: Sequence[Path], folder: str) -> Iterator[str]:
    """Yield the names of the tests in a folder that passed, with their parameters; no skipped ones."""
    for case in (case for file in files for case in Xml.parse(file).iter("testcase")):
        failed = any(case.find(word) is not None for word in ("failure", "error", "skipped"))
        if not failed and f"{folder}." in case.attrib.get("classname", ""):
            yield case.attrib["name"]


def of_engines(files: Sequence[Path]) -> dict[str, dict[str, list[str]]]:
    """Return test -> path -> the flavours on which it passed."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for named in (_NAME.fullmatch(name) for name in passed(files, "engines")):
        if named and named[2] in PATHS:
            flavours = found[named[1]][named[2]]
            flavours[:] = sorted({*flavours, named[3]}, key=FLAVOURS.index)
    return found


def of_extension(files: Sequence[Path]) -> dict[str, list[str]]:
    """Return test -> the databases of pg_durable on which it passed; none of a test that is about one of them alone."""
    stores = {file.name.removesuffix(".json.gz") for file in EXTENSION.glob("*.json.gz")}
    found: dict[str, set[str]] = defaultdict(set)
    for test, _, parameters in (name.partition("[") for name in passed(files, "pg_durable")):
        found[test] |= stores.intersection(re.split(r"[-\]]", parameters))
    return {test: sorted(names) for test, names in found.items()}


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    found = {"engines": of_engines(given), "pg_durable": of_extension(given)}
    RESULTS.write_text(json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
