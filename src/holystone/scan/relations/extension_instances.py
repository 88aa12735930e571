"""Facts of pg_durable's instances: the row, what the engine has of it, and what the one should be by the other."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    cast,
    column,
    false,
    func,
    literal_column,
    not_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.types import UserDefinedType

from holystone.duroxide.event_types import COMPLETED, CONTINUED_AS_NEW, FAILED, RUNNING
from holystone.duroxide.tables import executions, instances
from holystone.flavours import Flavour
from holystone.pg_durable import tables as df
from holystone.pg_durable.copy import ENDED, LIVE, Drift, Root, Verdict, judged
from holystone.scan.compared import Compared, presence
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Key
from holystone.scan.relations.extension import OfExtension, last_event, retention_days, root_of, says
from holystone.scan.relations.running_executions import would_be_stuck

_CANCELLED = "canceled:"
"""How the output of an execution begins that was cancelled."""
_MOST_KEPT = 10_000
"""Ended instances that pg_durable keeps at most: of what is above it has none any more."""
_DAY_MS = 86_400_000


class _Oid(UserDefinedType[int]):
    """The type oid. SQLAlchemy's own is in its dialect of PostgreSQL, which no check on SQLite has to import."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "oid"


_ROLES = table("pg_roles", column("oid", _Oid), column("rolname", Text), schema="pg_catalog")
_TRANSACTION_RUNS = text(
    "SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'transactionid' AND transactionid = CAST(:xmax AS xid)"
    " AND pid <> pg_backend_pid()"
)


class ExtensionInstanceSource:
    """The rows of pg_durable's instances, each with the last event of the newest execution that the engine has.

    To look an event up takes many times as long as all else. So those are left out of which the engine's row says as
    well that the instance has ended, and in the same way: E001 holds that row to the history.
    """

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        of_row = literal_column("CAST(xmax AS text)", Text).label("locked_by")
        row = select(*df.instances.c, of_row).where(*within).subquery("of_extension")
        root, execution = instances.alias("root"), executions.alias("execution")
        of_root = and_(
            execution.c.instance_id == root.c.instance_id, execution.c.execution_id == root.c.current_execution_id
        )
        joined = row.outerjoin(root, root.c.instance_id == cast(row.c.id, Text)).outerjoin(execution, of_root)
        engine = execution.c.status.label("engine_status")
        in_doubt = select(*row.c, engine).select_from(joined).where(not_(_surely_agrees(row, execution)))
        self._row = in_doubt.subquery("instance")
        self._last = last_event(self._row.c.id)
        self.key = (self._row.c.id,)

    @property
    def rows(self) -> FromClause:
        return self._row.outerjoin(self._last, true())

    @cached_property
    def may_differ(self) -> ColumnElement[bool]:
        """The row may not be what it should be."""
        row, beginning = self._row.c, self._last.c.beginning
        goes_on = row.engine_status.in_((RUNNING, CONTINUED_AS_NEW))
        agrees = case(
            (says(beginning, "OrchestrationCompleted"), row.status == "completed"),
            (
                says(beginning, "OrchestrationFailed"),
                case((says(beginning, "Cancelled"), row.status == "cancelled"), else_=_has_failed(row)),
            ),
            (self._last.c.event_id.is_(None), false()),
            # Another event than the last one may have ended it: then the engine's own row says so.
            else_=and_(row.status == "running", goes_on),
        )
        sound: ColumnElement[bool] = func.coalesce(and_(agrees, _has_its_end(row)), false())
        return not_(sound)

    @cached_property
    def role_is_gone(self) -> ColumnElement[bool]:
        """It is live, and the role that it runs as is none."""
        role = exists_lookup(_ROLES.c.oid == cast(self._row.c.submitted_by, _Oid))
        return case((self._row.c.status.in_(LIVE), not_(role)), else_=false())

    def output(self) -> Sequence[ColumnElement[Any]]:
        row = self._row.c
        role = select(_ROLES.c.rolname).where(_ROLES.c.oid == cast(row.submitted_by, _Oid)).scalar_subquery()
        return [
            *(row[name] for name in ("id", "status", "submitted_by")),
            *(row[name] for name in ("created_at", "updated_at", "completed_at", "locked_by")),
            cast(self._last.c.execution_id, BigInteger).label("execution_id"),
            self._last.c.event_id.label("event_id"),
            role.label("role"),
        ]


def _surely_agrees(row: FromClause, execution: FromClause) -> ColumnElement[bool]:
    """Return whether both rows say that the instance has ended, and how."""
    was_cancelled = func.left(execution.c.output, len(_CANCELLED)) == _CANCELLED
    agrees = case(
        (execution.c.status == COMPLETED, row.c.status == "completed"),
        (
            execution.c.status == FAILED,
            case((was_cancelled, row.c.status == "cancelled"), else_=_has_failed(row.c)),
        ),
    )
    sure: ColumnElement[bool] = func.coalesce(and_(agrees, _has_its_end(row.c)), false())
    return sure


def _has_its_end(row: Any) -> ColumnElement[bool]:
    has_end: ColumnElement[bool] = row.completed_at.is_not(None) == (row.status == "completed")
    return has_end


def _has_failed(row: Any) -> ColumnElement[bool]:
    """Return whether a row says that it has failed, or was cancelled before it ever ran."""
    failed: ColumnElement[bool] = row.status.in_(("failed", "cancelled"))
    return failed


class ExtensionInstanceFacts(Struct, frozen=True):
    """One row of pg_durable's instances; `root` is what the engine has of it, None where that cannot be read.

    `verdict` is what is wrong with the row, None where nothing is that could not be two writers' race or a transaction
    of somebody's. `may_be_stuck` is whether nothing could take on what should go on.
    """

    flavour: Flavour
    row: Mapping[str, Any]
    root: Root | None
    verdict: Verdict | None
    last_event_id: int | None
    last_event_digest: str | None
    role_exists: bool
    may_be_stuck: bool

    @property
    def key(self) -> Key:
        return {"id": self.row["id"]}

    @property
    def evidence(self) -> Mapping[str, Any]:
        root = self.root
        queued = None if root is None else {"start": root.start_queued, "cancel": root.cancel_queued}
        return {"last_event_id": self.last_event_id, "last_event_sha256": self.last_event_digest, "queued": queued}

    @property
    def drift(self) -> Drift | None:
        """In which way the row is wrong."""
        return None if self.verdict is None else self.verdict.drift

    @property
    def cause(self) -> str | None:
        """How that came about, as far as it shows."""
        return None if self.verdict is None else self.verdict.cause

    def wrong_where(self, *drifts: Drift) -> list[Compared[Any]]:
        """Return status and completed_at as they should be where the row is wrong in one of these ways."""
        return [self.status, self.completed_at] if self.drift in drifts else []

    @property
    def status(self) -> Compared[str | None]:
        expected = None if self.verdict is None else self.verdict.status
        return Compared("status", self.row["status"], expected, decided=self.verdict is not None)

    @property
    def completed_at(self) -> Compared[Any]:
        if self.verdict is None:
            return Compared("completed_at", self.row["completed_at"], None, decided=False)
        ms = self.verdict.completed_ms
        if ms is not None and self.row["completed_at"] is not None:
            return Compared("completed_at", self.row["completed_at"], self.row["completed_at"])
        return Compared("completed_at", self.row["completed_at"], None if ms is None else self.flavour.completed_at(ms))

    @property
    def updated_at(self) -> Compared[Any]:
        """When the row was last written to, which is told where the end should have been written."""
        at_ms = None if self.verdict is None else self.verdict.at_ms
        expected = None if at_ms is None else self.flavour.completed_at(at_ms)
        return Compared("updated_at", self.row["updated_at"], expected, decided=expected is not None)

    @property
    def engine(self) -> Compared[str]:
        """The root of the instance in the engine."""
        return presence("engine", self.drift not in (Drift.lost, Drift.gone))

    @property
    def role(self) -> Compared[str]:
        return presence("role", self.role_exists)


class ExtensionInstances(OfExtension[ExtensionInstanceSource, ExtensionInstanceFacts]):
    name = "pg_durable_instances"
    table = df.instances
    instance_name = "id"
    counted = False
    hashes = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> ExtensionInstanceSource:
        return ExtensionInstanceSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> ExtensionInstanceFacts:
        root, digest = root_of(reader, row.id, row.execution_id)
        verdict = None if root is None else judged(row.status, row.completed_at is not None, root)
        if verdict is not None and root is not None and not _is_settled(reader, row, root, verdict):
            verdict = None
        goes_on = verdict is not None and verdict.drift is Drift.ahead and row.execution_id is not None
        return ExtensionInstanceFacts(
            flavour=reader.flavour,
            row={name: getattr(row, name) for name in ("id", "status", "submitted_by", "updated_at", "completed_at")},
            root=root,
            verdict=verdict,
            last_event_id=row.event_id,
            last_event_digest=digest,
            role_exists=row.role is not None,
            may_be_stuck=goes_on and would_be_stuck(reader, row.id, row.execution_id),
        )


def _is_settled(reader: Reader, row: Any, root: Root, verdict: Verdict) -> bool:
    """Return whether what is wrong is no race between two writers, and nobody's transaction that is open."""
    match verdict.drift:
        case Drift.behind | Drift.differs if root.ended_ms is not None and root.ended_ms > reader.settled_before_ms:
            return False
        case Drift.lost if not reader.is_settled(row.created_at):
            return False
        case Drift.gone:
            return _should_be_kept(reader, row)
    return not _is_being_written(reader, row.locked_by)


def _is_being_written(reader: Reader, locked_by: str) -> bool:
    """Return whether a transaction of somebody else's that runs has written to a row, or locked it.

    A subtransaction has a number of its own, which no snapshot tells, but its lock does.
    """
    if locked_by == "0":
        return False
    return bool(reader.connection.execute(_TRANSACTION_RUNS, {"xmax": locked_by}).scalar_one())


def _should_be_kept(reader: Reader, row: Any) -> bool:
    """Return whether retention does not take an ended instance yet: it takes the engine's rows first, then this one."""
    ended_ms = reader.flavour.to_ms(row.completed_at or row.created_at)
    if ended_ms is None or ended_ms < reader.now_ms - (retention_days(reader) - 1) * _DAY_MS:
        return False

    def count() -> int:
        ended = select(func.count()).select_from(df.instances).where(df.instances.c.status.in_(ENDED))
        return int(reader.connection.execute(ended).scalar_one())

    return reader.once("pg_durable.ended", count) < _MOST_KEPT


EXTENSION_INSTANCES = ExtensionInstances()
