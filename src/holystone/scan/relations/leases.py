"""Lease facts: who holds an instance, a message, an activity or a session, and until when.

Sources: `fetch_*`, `renew_*` and `abandon_*` in src/providers/sqlite.rs of microsoft/duroxide and in the functions of
microsoft/duroxide-pg. Both flavours take an instance or a session only once its lock has ended, and an activity once
its lock has ended or where it has no token. SQLite never looks at the lock of a message; PostgreSQL stamps it with the
lock of its instance, and passes over a message whose lock has not ended even where that of its instance has.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Table, and_, cast, false, not_, null, or_, select, true

from holystone.duroxide.tables import instance_locks, orchestrator_queue, sessions, worker_queue
from holystone.flavours import Flavour
from holystone.scan.compared import Compared
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.row_facts import RowFacts

ENDLESS = "no-end"
"""Cause: there is a token without an end."""
_COLUMNS = ("id", "instance_id", "session_id", "lock_token", "locked_until")


class LeaseSource:
    """The rows of a table that has locks."""

    def __init__(self, flavour: Flavour, table: Table, within: Conditions) -> None:
        self.flavour = flavour
        self._decides = table is not orchestrator_queue or flavour.messages_carry_expiry
        self._is_message = table is orchestrator_queue
        columns: Sequence[ColumnElement[Any]]
        if table.name in flavour.stored:
            columns = [one for one in flavour.columns_of(table) if one.name in _COLUMNS]
            self.rows: FromClause = select(*columns).where(*within).subquery("lease")
        else:
            columns = [cast(null(), one.type).label(one.name) for one in table.columns if one.name in _COLUMNS]
            self.rows = select(*columns).where(false()).subquery("lease")
        self._lease = self.rows.c
        self.key = [self._lease[column.name] for column in table.primary_key]

    @property
    def lasting(self) -> ColumnElement[bool]:
        """It does not end, or keeps others off though nobody holds it."""
        if not self._decides:
            return false()
        return and_(self._is_taken, or_(not_(self._may_end), not_(self._is_of_turn)))

    @property
    def _is_taken(self) -> ColumnElement[bool]:
        return self._lease.lock_token.is_not(None) if "lock_token" in self._lease else true()

    @property
    def _may_end(self) -> ColumnElement[bool]:
        return self.flavour.times.is_lease(self._lease.locked_until)

    @property
    def _is_of_turn(self) -> ColumnElement[bool]:
        """Of a message: its lock has ended, or is that of a turn, so that whoever has it can ack and abandon it."""
        if not self._is_message:
            return true()
        of_turn = and_(
            instance_locks.c.instance_id == self._lease.instance_id,
            instance_locks.c.lock_token == self._lease.lock_token,
        )
        return or_(not_(self.flavour.times.is_held(self._lease.locked_until)), exists_lookup(of_turn))

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*self._lease, self._may_end.label("may_end"), self._is_of_turn.label("is_of_turn")]


class LeaseFacts(RowFacts, frozen=True):
    """One lock, by the columns that tell its row from others.

    `cause` says why no engine can have left it so, None where one can. `is_of_message` where the row is a queue's,
    which is there without a lock as well; `is_of_worker` where it is an activity's or a session's.
    """

    key: Key
    lock_token: Any
    end: Any
    cause: str | None
    is_of_message: bool
    is_of_worker: bool

    @property
    def locked_until(self) -> Compared[Any]:
        should_be = "an end that has come" if self.cause == "of-no-turn" else "an end within a day"
        return Compared("locked_until", self.end, should_be, decided=self.cause is not None)


class Leases(Relation[LeaseSource, LeaseFacts]):
    """The locks in one table."""

    follows_acks = False
    counted = False

    def __init__(self, table: Table) -> None:
        # A relation is made for each of the tables, which are told apart by their names.
        self.table = table  # type: ignore[misc]
        self.name = f"{table.name}_leases"  # type: ignore[misc]

    @property
    def range_column(self) -> Column[Any]:
        column: Column[Any] = self.table.c.get("id", default=next(iter(self.table.primary_key)))
        return column

    def source(self, flavour: Flavour, within: Conditions) -> LeaseSource:
        return LeaseSource(flavour, self.table, within)

    def facts(self, reader: Reader, row: Any) -> LeaseFacts:
        names = [name for name in ("instance_id", "session_id", "id") if name in row._mapping and name in self._key]
        return LeaseFacts(
            {name: row._mapping[name] for name in names},
            row._mapping.get("lock_token"),
            row.locked_until,
            _cause(row),
            is_of_message=self.table in (orchestrator_queue, worker_queue),
            is_of_worker=self.table in (worker_queue, sessions),
        )

    @property
    def _key(self) -> Sequence[str]:
        return ("session_id",) if self.table is sessions else ("instance_id", "id")

    def of_instances(self, flavour: Flavour, pattern: str) -> Conditions:
        """Return the condition; a session is of no instance."""
        return [false()] if self.table is sessions else super().of_instances(flavour, pattern)

    def key_ranges_of(self, flavour: Flavour, instances: Sequence[str]) -> Iterator[Conditions]:
        """Yield the conditions; a session is of no instance."""
        return iter(()) if self.table is sessions else super().key_ranges_of(flavour, instances)


def _cause(row: Any) -> str | None:
    if not row.may_end:
        if row.locked_until is None:
            return ENDLESS
        return "too-far" if isinstance(row.locked_until, int | float) else "no-number"
    return None if row.is_of_turn else "of-no-turn"


LEASES = tuple(map(Leases, (instance_locks, orchestrator_queue, worker_queue, sessions)))
