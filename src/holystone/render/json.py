"""JSON: one object for a check, as others' scripts read it. The keys and their meanings are stable."""

import json
from typing import Any, TextIO

import holystone
from holystone.errors import CatalogueError, StoreUnavailableError
from holystone.mend.change import repair_of
from holystone.mend.repair import repairs
from holystone.migrate import toolkit_revision
from holystone.render.timestamps import moment, moment_of
from holystone.scan.finding import Finding
from holystone.scan.scan import Scan
from holystone.scan.watermark import Coverage
from holystone.store.open_store import OpenStore


def check(scan: Scan, out: TextIO, limit: int | None) -> None:
    """Write the report of a scan; at most `limit` findings are listed, all are counted."""
    revision = toolkit_revision_if_readable(scan.store)
    # Nothing is written before there is something to say: a scan that fails at once leaves no half of a report.
    begin = '{"schema": 1,\n "findings": ['
    listed = 0
    for finding in scan:
        if limit is None or listed < limit:
            out.write(("," if listed else begin) + "\n  " + dump(finding_object(scan.store, finding)))
            listed += 1
        del finding  # its values may be long, and the next one take long
    out.write("\n ]" if listed else f"{begin}]")
    for key, value in header(scan, revision).items():
        out.write(f",\n {dump(key)}: {dump(value)}")
    out.write("}\n")


def toolkit_revision_if_readable(store: OpenStore) -> str | None:
    """Return the revision of holystone's own tables; None without them, or where the role may not read them.

    A role that was granted SELECT before the journal was made can still check the store.
    """
    try:
        return toolkit_revision(store)
    except StoreUnavailableError:
        return None


def header(scan: Scan, revision: str | None) -> dict[str, Any]:
    """Return all of a report but its findings; complete once the scan has been iterated over."""
    store, own = scan.store, scan.database_check_seconds
    return {
        "tool": {"name": "holystone", "version": holystone.__version__},
        "store": {
            "target": str(store.target),
            "flavour": store.flavour.name,
            "engine_migration": store.engine_migration,
            "toolkit_revision": revision,
        },
        "level": scan.level.name,
        "started_at": moment(scan.started_at),
        "duration_ms": scan.duration_ms,
        "database_check_seconds": None if own is None else round(own, 3),
        "verdict": str(scan.verdict),
        "scanned": scan.scanned,
        "baseline": scan.baseline,
        "suppressed": scan.suppressed,
        "left_out": list(scan.left_out),
        "not_loaded": [error.message for error in scan.unloaded],
        "coverage": None if scan.coverage is None else _coverage(scan, scan.coverage),
        "checks": [
            {
                "id": result.check.id,
                "name": result.check.name,
                "severity": result.check.severity.name,
                "outcome": str(result.outcome),
                "count": result.count,
                "reason": result.reason,
                "unread": [
                    {"key": {name: store.flavour.to_json(part) for name, part in row.key.items()}, "reason": row.reason}
                    for row in result.unread
                ],
            }
            for result in scan.results.values()
        ],
    }


def _coverage(scan: Scan, coverage: Coverage) -> dict[str, Any]:
    """Return what was looked at, and up to when the store is verified: null where it is not."""
    return {
        "since": None if coverage.since_ms is None else moment_of(coverage.since_ms),
        "verified_up_to": moment_of(coverage.begun_ms) if scan.verifies else None,
        "all_looked_at": moment_of(coverage.full_at_ms),
        "instances": None if coverage.instances is None else len(coverage.instances),
        "why_all": coverage.why_all,
    }


def finding_object(store: OpenStore, finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON."""
    try:
        repair = repair_of(finding, repairs().by_id)
    except CatalogueError:  # of a plug-in; a plan needs it, and says what is the matter with it
        repair = None
    to_json = store.flavour.to_json
    return {
        "check": finding.check.id,
        "severity": finding.check.severity.name,
        "instance_id": to_json(finding.instance_id),
        "execution_id": to_json(finding.execution_id),
        "event_id": to_json(finding.event_id),
        "row_id": to_json(finding.row_id),
        "observed": {column: to_json(value) for column, value in finding.observed.items()},
        "expected": {column: to_json(value) for column, value in finding.expected.items()},
        "cause": finding.cause,
        "message": finding.message,
        "repair": "none" if repair is None else str(repair.safety),
        "fingerprint": finding.fingerprint,
    }


def dump(value: Any) -> str:
    """Return `value` as JSON on one line; ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(value)
