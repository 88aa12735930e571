"""JSON lines: a finding a line as it is found, and the rest of the report in the last line."""

from typing import TextIO

from holystone.render.json import dump
from holystone.render.report import finding, summary, to_json, toolkit_revision_if_readable
from holystone.scan.scan import Scan


def check(scan: Scan, out: TextIO, limit: int | None) -> None:
    """Write the findings, each `{"finding": …}`, then `{"report": …}`; at most `limit` are listed."""
    revision = toolkit_revision_if_readable(scan.store)
    listed = 0
    for found in scan:
        if limit is None or listed < limit:
            out.write(dump({"finding": to_json(finding(scan.store, found))}) + "\n")
            listed += 1
        del found  # its values may be long, and the next one take long
    out.write(dump({"report": {"schema": 1, **to_json(summary(scan, revision))}}) + "\n")
