"""The report of a check, as a model: JSON, its published schema and every other format of a machine come from it.

The names and their meanings are stable: others' scripts read them. The command line does not hold a report
whole: it writes the findings as they are found, and what is in `Summary` after them.
"""

from collections import Counter
from typing import Any

from msgspec import Struct, field, structs, to_builtins
from msgspec.json import schema_components

import holystone
from holystone.errors import CatalogueError, HolystoneError, StoreUnavailableError
from holystone.json_schema import published
from holystone.mend.change import repair_of
from holystone.mend.repair import Repair, repairs
from holystone.migrate import toolkit_revision
from holystone.render.sql_layout import laid_out
from holystone.render.timestamps import moment, moment_of
from holystone.scan import finding as scanned
from holystone.scan import watermark
from holystone.scan.result import Result
from holystone.scan.scan import Scan
from holystone.scan.unread import Unread
from holystone.store.open_store import OpenStore


class Finding(Struct, kw_only=True):
    """One violated invariant of one row; values are as the database has them, or objects that say in which form."""

    check: str
    severity: str
    instance_id: Any
    execution_id: Any
    event_id: Any
    row_id: Any
    observed: dict[str, Any]
    expected: dict[str, Any]
    cause: str | None
    message: str
    repair: str
    fingerprint: str


class UnreadRow(Struct):
    """A row that a check could not look at, by its key, and why."""

    key: dict[str, Any]
    reason: str


class CheckResult(Struct, kw_only=True):
    """How one check ended; `count` is of findings, those that are not listed included.

    `sql` is a query to paste that finds the rows, where there are findings.
    """

    id: str
    name: str
    severity: str
    outcome: str
    count: int
    reason: str | None
    unread: list[UnreadRow]
    sql: str | None


class Tool(Struct):
    """What made the report."""

    name: str
    version: str


class Store(Struct, kw_only=True):
    """The store that was checked; a password is left out of its target. Only SQLite has no schemas.

    `identity` is a digest that tells a store from others, by whatever name it is reached.
    """

    target: str
    schema: str | None
    identity: str
    flavour: str
    engine_migration: str | None
    toolkit_revision: str | None


class Coverage(Struct, kw_only=True):
    """What was looked at with --since, and up to when the store is verified; moments are ISO 8601, in UTC."""

    since: str | None
    verified_up_to: str | None
    all_looked_at: str
    instances: int | None
    why_all: str | None


class Summary(Struct, kw_only=True):
    """All of a report but its findings.

    `severities` and `repairs` say how many findings there are of each severity, and how many of them a safe repair, an
    unsafe one and none is known for; a number that is zero is left out. `satellites` is how many instances pg_durable
    runs for other databases: they are not held against their rows there. `configuration` is the file that applied.
    """

    tool: Tool
    store: Store
    level: str
    started_at: str
    duration_ms: int
    database_check_seconds: float | None
    verdict: str
    severities: dict[str, int]
    repairs: dict[str, int]
    scanned: dict[str, int]
    baseline: int
    suppressed: int
    left_out: list[str]
    satellites: int
    configuration: str | None
    not_loaded: list[str]
    coverage: Coverage | None
    checks: list[CheckResult]


class Report(Summary, kw_only=True):
    """What `check --format json` prints."""

    schema: int
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """Return the report as that JSON object."""
        return to_json(self)


class Named(Struct, kw_only=True):
    """A store that was to be checked; its schema is null where nobody named one."""

    target: str
    schema: str | None


class Error(Struct):
    """What kept a store from being checked, and what to do about it."""

    message: str
    next_step: str


class Unavailable(Struct, kw_only=True):
    """What stands in the place of a report where a store could not be checked."""

    schema: int
    tool: Tool
    store: Named
    verdict: str
    error: Error


class Reports(Struct, kw_only=True):
    """What `check --format json` prints of several stores, in the order in which they were named.

    Each of `reports` is a Report, or an Unavailable; `verdict` is "incomplete" where one of theirs is, else "drift"
    where one of theirs is, else "clean".
    """

    schema: int
    tool: Tool
    reports: list[dict[str, Any]]
    verdict: str


class Tally(Struct):
    """How many findings there are of each severity, and with each kind of repair."""

    severities: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)

    def add(self, found: scanned.Finding) -> None:
        """Count a finding."""
        self.severities[found.severity.name] += 1
        self.repairs[offered(found)] += 1


def this_tool() -> Tool:
    """Return what makes reports here."""
    return Tool("holystone", holystone.__version__)


def unavailable(target: str, schema: str | None, error: HolystoneError) -> Unavailable:
    """Return what to report of a store that could not be checked; `target` is without any password."""
    return Unavailable(
        schema=1,
        tool=this_tool(),
        store=Named(target=target, schema=schema),
        verdict="incomplete",
        error=Error(error.message, error.next_step),
    )


def toolkit_revision_if_readable(store: OpenStore) -> str | None:
    """Return the revision of holystone's own tables; None without them, or where the role may not read them.

    A role that was granted SELECT before the journal was made can still check the store.
    """
    try:
        return toolkit_revision(store)
    except StoreUnavailableError:
        return None


def report(scan: Scan) -> Report:
    """Return the report of a scan, which is iterated over; all of its findings are held in memory."""
    revision, tally = toolkit_revision_if_readable(scan.store), Tally()
    findings = []
    for found in scan:
        tally.add(found)
        findings.append(finding(scan.store, found))
    return Report(schema=1, findings=findings, **structs.asdict(summary(scan, revision, tally)))


def summary(scan: Scan, revision: str | None, tally: Tally) -> Summary:
    """Return all of a report but its findings; complete once the scan has been iterated over."""
    store, own = scan.store, scan.database_check_seconds
    return Summary(
        tool=this_tool(),
        store=Store(
            target=str(store.target),
            schema=store.target.schema,
            identity=store.identity,
            flavour=store.flavour.name,
            engine_migration=store.engine_migration,
            toolkit_revision=revision,
        ),
        level=scan.level.name,
        started_at=moment(scan.started_at),
        duration_ms=scan.duration_ms,
        database_check_seconds=None if own is None else round(own, 6),
        verdict=str(scan.verdict),
        severities=dict(tally.severities),
        repairs=dict(tally.repairs),
        scanned=scan.scanned,
        baseline=scan.baseline,
        suppressed=scan.suppressed,
        left_out=list(scan.left_out),
        satellites=scan.satellites,
        configuration=scan.policy.file,
        not_loaded=[error.message for error in scan.unloaded],
        coverage=None if scan.coverage is None else _coverage(scan, scan.coverage),
        checks=[_check_result(store, result) for result in scan.results.values()],
    )


def finding(store: OpenStore, found: scanned.Finding) -> Finding:
    """Return a finding as it stands in a report."""
    to_json = store.flavour.to_json
    return Finding(
        check=found.check.id,
        severity=found.severity.name,
        instance_id=to_json(found.instance_id),
        execution_id=to_json(found.execution_id),
        event_id=to_json(found.event_id),
        row_id=to_json(found.row_id),
        observed={column: to_json(value) for column, value in found.observed.items()},
        expected={column: to_json(value) for column, value in found.expected.items()},
        cause=found.cause,
        message=found.message,
        repair=offered(found),
        fingerprint=found.fingerprint,
    )


def offered(found: scanned.Finding) -> str:
    """Return which kind of repair there is for a finding: "safe", "unsafe" or "none"."""
    repair = known_repair(found)
    return "none" if repair is None else str(repair.safety)


def known_repair(found: scanned.Finding) -> Repair | None:
    """Return the repair for a finding; None where there is none, or where what a plug-in says of one cannot be used."""
    try:
        return repair_of(found, repairs().by_id)
    except CatalogueError:  # a plan needs it, and says what is the matter with it
        return None


def to_json(part: Struct) -> dict[str, Any]:
    """Return a part of a report as JSON, its members in their order."""
    document: dict[str, Any] = to_builtins(part)
    return document


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report, and of those of several stores."""
    references, definitions = schema_components((Report, Reports, Unavailable), ref_template="#/$defs/{name}")
    one, several, none = references
    definitions["Reports"]["properties"]["reports"]["items"] = {"anyOf": [one, none]}
    return published({"anyOf": [one, several], "$defs": definitions})


def _check_result(store: OpenStore, result: Result) -> CheckResult:
    return CheckResult(
        id=result.check.id,
        name=result.check.name,
        severity=result.check.severity.name,
        outcome=str(result.outcome),
        count=result.count,
        reason=result.reason,
        unread=[_unread_row(store, row) for row in result.unread],
        sql=_query(store, result) if result.count else None,
    )


def _query(store: OpenStore, result: Result) -> str | None:
    query = result.check.diagnosis.get(store.flavour.name)
    return None if query is None else laid_out(query)


def _unread_row(store: OpenStore, row: Unread) -> UnreadRow:
    return UnreadRow({name: store.flavour.to_json(part) for name, part in row.key.items()}, row.reason)


def _coverage(scan: Scan, coverage: watermark.Coverage) -> Coverage:
    return Coverage(
        since=None if coverage.since_ms is None else moment_of(coverage.since_ms),
        verified_up_to=moment_of(coverage.begun_ms) if scan.verifies else None,
        all_looked_at=moment_of(coverage.full_at_ms),
        instances=None if coverage.instances is None else len(coverage.instances),
        why_all=coverage.why_all,
    )
