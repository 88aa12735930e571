"""JSON: one object for a check, as others' scripts read it."""

import json
from typing import Any, TextIO

from holystone.render.report import finding, summary, to_json, toolkit_revision_if_readable
from holystone.scan.scan import Scan


def check(scan: Scan, out: TextIO, limit: int | None) -> None:
    """Write the report of a scan; at most `limit` findings are listed, all are counted."""
    revision = toolkit_revision_if_readable(scan.store)
    # Nothing is written before there is something to say: a scan that fails at once leaves no half of a report.
    begin = '{"schema": 1,\n "findings": ['
    listed = 0
    for found in scan:
        if limit is None or listed < limit:
            out.write(("," if listed else begin) + "\n  " + dump(to_json(finding(scan.store, found))))
            listed += 1
        del found  # its values may be long, and the next one take long
    out.write("\n ]" if listed else f"{begin}]")
    for key, value in to_json(summary(scan, revision)).items():
        out.write(f",\n {dump(key)}: {dump(value)}")
    out.write("}\n")


def dump(value: Any) -> str:
    """Return `value` as JSON on one line; ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(value)
