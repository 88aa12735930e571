"""Lock facts: the engine's lock of an instance, and whether there is anything left that it could be for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, not_, select

from holystone.duroxide.tables import instance_locks, instances, orchestrator_queue
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.exists_lookup import exists_lookup
from holystone.scan.reader import Reader
from holystone.scan.relation import Conditions, Key, Relation
from holystone.scan.row_facts import RowFacts


class LockSource:
    """The rows of instance_locks."""

    def __init__(self, flavour: Flavour, within: Conditions) -> None:
        self.flavour = flavour
        self.rows: FromClause = select(instance_locks).where(*within).subquery("lock")
        self.key = (self.rows.c.instance_id,)

    @property
    def orphan(self) -> ColumnElement[bool]:
        """There is no such instance, and no message that could make one."""
        instance_id = self.rows.c.instance_id
        return and_(
            not_(exists_lookup(instances.c.instance_id == instance_id)),
            not_(exists_lookup(orchestrator_queue.c.instance_id == instance_id)),
        )

    def output(self) -> Sequence[ColumnElement[Any]]:
        return [*self.key, self.rows.c.locked_until, self.orphan.label("orphan")]


class LockFacts(RowFacts, frozen=True):
    """One lock; `orphan` is whether it has expired long ago and there is nothing left that it could be for."""

    instance_id: str
    orphan: bool

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def instance(self) -> Compared[str]:
        return presence("instance", not self.orphan)


class Locks(Relation[LockSource, LockFacts]):
    name = "instance_locks"
    table = instance_locks
    rows_are_of_table = True
    follows_acks = False

    def source(self, flavour: Flavour, within: Conditions) -> LockSource:
        return LockSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> LockFacts:
        expired = isinstance(row.locked_until, int) and row.locked_until <= reader.settled_before_ms
        return LockFacts(row.instance_id, bool(row.orphan) and expired)


LOCKS = Locks()
