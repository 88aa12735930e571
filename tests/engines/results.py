"""Keep what the tests of this folder found, for the table in docs/engines.md.

    python -m pytest -n 2 -m "" tests/engines --junitxml results.xml
    cd tests && python -m engines.results ../results.xml && cd .. && python docs/build.py

Several files are taken together.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from engines.published import FLAVOURS, HERE, PATHS

RESULTS = HERE / "stores" / "results.json"
_NAME = re.compile(rf"(\w+)\[(.+)-({'|'.join(FLAVOURS)})\]")


def read(files: Sequence[Path]) -> dict[str, dict[str, list[str]]]:
    """Return test -> path -> the flavours on which it passed; a test that failed or was skipped is not there."""
    passed: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in (case for file in files for case in Xml.parse(file).iter("testcase")):
        named = _NAME.fullmatch(case.attrib["name"])
        if named and named[2] in PATHS and not any(case.iter("failure")) and not any(case.iter("skipped")):
            flavours = passed[named[1]][named[2]]
            flavours[:] = sorted({*flavours, named[3]}, key=FLAVOURS.index)
    return passed


if __name__ == "__main__":
    found = read([Path(name) for name in sys.argv[1:]])
    RESULTS.write_text(json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
