"""JSON lines: a finding a line as it is found, and the rest of the report in the last line."""

from typing import TextIO

from holystone.render.json import dump, finding_object, header, toolkit_revision_if_readable
from holystone.scan.scan import Scan


def check(scan: Scan, out: TextIO, limit: int | None) -> None:
    """Write the findings, each `{"finding": …}`, then `{"report": …}`; at most `limit` are listed."""
    revision = toolkit_revision_if_readable(scan.store)
    listed = 0
    for finding in scan:
        if limit is None or listed < limit:
            out.write(dump({"finding": finding_object(scan.store, finding)}) + "\n")
            listed += 1
        del finding  # its values may be long, and the next one take long
    out.write(dump({"report": {"schema": 1, **header(scan, revision)}}) + "\n")
