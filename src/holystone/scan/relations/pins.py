"""Pin facts: the version of the engine that an execution which may go on is pinned to, beside the event that says it.

Sources in microsoft/duroxide: `compute_execution_metadata` in src/runtime/mod.rs, which takes the version from the
start event; `fetch_orchestration_item` in src/providers/sqlite.rs and in the functions of microsoft/duroxide-pg, which
asks for those from 0.0.0 up to the dispatcher's own, or NULL; and the dispatcher in
src/runtime/dispatchers/orchestration.rs, which asks the event once more.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, and_, false, func, literal, or_, select

from holystone.duroxide.engine_version import EngineVersion, engine_version
from holystone.duroxide.event import parse_event
from holystone.duroxide.event_types import FAILED, START
from holystone.duroxide.releases import is_newer
from holystone.duroxide.tables import VERSION_COLUMNS, executions, instances, not_completed
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.digest import digest_of
from holystone.scan.event_text import event_text
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation

if TYPE_CHECKING:
    from sqlalchemy.sql.base import ReadOnlyColumnCollection


class PinSource:
    """The current executions, each with the first event of its history; NULL where there is none."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        columns = ("instance_id", "execution_id", "status", *VERSION_COLUMNS)
        picked = select(*(executions.c[name] for name in columns)).where(
            not_completed(executions.c.status), executions.c.status != FAILED, *within
        )
        # The offset changes no row, and has the few that may go on picked out before anything is asked about them.
        row = picked.offset(0).subquery("execution").c
        current = and_(instances.c.instance_id == row.instance_id, instances.c.current_execution_id == row.execution_id)
        start_data = event_text(row.instance_id, row.execution_id, 1).label("start_data")
        self.rows: FromClause = select(*row, start_data).where(current).subquery("pin")
        self.key = (self.rows.c.instance_id, self.rows.c.execution_id)

    @property
    def surely_agrees(self) -> ColumnElement[bool]:
        """The row names no version at all, or that of the event."""
        return is_pinned_as_told(self.flavour, self.rows.c)

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self.rows.c)


def is_pinned_as_told(flavour: Flavour, row: "ReadOnlyColumnCollection[str, Any]") -> ColumnElement[bool]:
    """Return whether a row names no version at all, or the one in the text `start_data` beside it; never NULL."""
    numbers = [row[name] for name in VERSION_COLUMNS]
    major, minor, patch = map(flavour.messages.digits, numbers)
    version = major.concat(".").concat(minor).concat(".").concat(patch)
    says = flavour.messages.contains(row.start_data, literal('"duroxide_version":"').concat(version).concat('"'))
    return or_(and_(*(number.is_(None) for number in numbers)), func.coalesce(says, false()))


class PinFacts(Struct, frozen=True):
    """One execution that has not completed or failed: its row, and the version of the event that began it.

    `version` is None where the event does not tell one. `may_be_newer` is whether that is newer than all known here.
    """

    row: Mapping[str, Any]
    version: EngineVersion | None
    may_be_newer: bool
    start_digest: str

    @property
    def key(self) -> Key:
        return {name: self.row[name] for name in ("instance_id", "execution_id")}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"start_event_sha256": self.start_digest}

    @property
    def pinned(self) -> Sequence[Compared[Any]]:
        """The columns of the version."""
        # Engines before 0.1.17 pinned nothing, nor does one that fails what it could not begin.
        if self.version is None or all(self.row[name] is None for name in VERSION_COLUMNS):
            return []
        return [
            Compared(name, self.row[name], number) for name, number in zip(VERSION_COLUMNS, self.version, strict=True)
        ]


class Pins(Relation[PinSource, PinFacts]):
    name = "pins"
    table = executions
    needs: ClassVar[Mapping[str, Collection[str]]] = {"executions": VERSION_COLUMNS}
    # They are the rows of another relation, too.
    counted = False

    def source(self, flavour: Flavour, within: Conditions) -> PinSource:
        return PinSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> PinFacts:
        digest = digest_of(row.start_data)
        start = parse_event(row.start_data)
        if start is None or start["type"] != START:
            return PinFacts(row._mapping, None, may_be_newer=False, start_digest=digest)
        named = start["duroxide_version"]
        return PinFacts(row._mapping, engine_version(named), may_be_newer=is_newer(named), start_digest=digest)


PINS = Pins()
