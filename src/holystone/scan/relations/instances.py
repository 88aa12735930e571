"""Instance facts: the row, and the executions that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, func, select

from holystone.duroxide.tables import executions, history, instances
from holystone.flavours import Flavour
from holystone.scan.compared import Compared, presence
from holystone.scan.reader import Reader
from holystone.scan.relation import Key, Relation
from holystone.scan.relations.running_executions import would_be_stuck


class InstanceSource:
    """The instances, each with the highest of its executions."""

    def __init__(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> None:
        self.flavour = flavour
        execution = executions.c
        # The last step down an index; SQLite takes longer over max.
        highest = (
            select(execution.execution_id)
            .where(execution.instance_id == instances.c.instance_id)
            .order_by(execution.execution_id.desc())
            .limit(1)
            .scalar_subquery()
        )
        columns = [instances.c.instance_id, instances.c.current_execution_id, highest.label("highest_execution_id")]
        self.rows: FromClause = select(*columns).where(*within).offset(0).subquery("instance")
        self.key = (self.rows.c.instance_id,)
        self.current_execution_id: ColumnElement[int] = self.rows.c.current_execution_id
        self.highest_execution_id: ColumnElement[int | None] = self.rows.c.highest_execution_id

    def output(self) -> Sequence[ColumnElement[Any]]:
        return list(self.rows.c)


class InstanceFacts(Struct, frozen=True):
    """One instance; `highest_execution_id` is None where it has no execution.

    `doubt` says why the highest one may not be the one that the engine was at, None where the histories bear it out.
    """

    instance_id: str
    current: int
    highest_execution_id: int | None
    doubt: str | None = None

    @property
    def key(self) -> Key:
        return {"instance_id": self.instance_id}

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {"highest_execution_id": self.highest_execution_id}

    @property
    def current_execution_id(self) -> Compared[int | None]:
        highest = self.highest_execution_id
        return Compared("current_execution_id", self.current, highest, decided=highest is not None)

    @property
    def executions(self) -> Compared[str]:
        return presence("executions", self.highest_execution_id is not None)


class Instances(Relation[InstanceSource, InstanceFacts]):
    name = "instances"
    table = instances
    reported = True

    def source(self, flavour: Flavour, within: Sequence[ColumnElement[bool]]) -> InstanceSource:
        return InstanceSource(flavour, within)

    def facts(self, reader: Reader, row: Any) -> InstanceFacts:
        highest = row.highest_execution_id
        if highest is not None:
            # An execution whose row is gone is one all the same; H008 reports it.
            newest = select(func.max(history.c.execution_id)).where(history.c.instance_id == row.instance_id)
            highest = max(highest, reader.connection.execute(newest).scalar_one() or highest)
        doubt = None
        if highest is not None and highest != row.current_execution_id:
            doubt = _doubt(reader, row.instance_id, row.current_execution_id, highest)
        return InstanceFacts(row.instance_id, row.current_execution_id, highest, doubt)


def _doubt(reader: Reader, instance_id: str, current: Any, highest: int) -> str | None:
    """Return why the histories do not bear out that the engine was at the highest execution, None where they do.

    It begins each execution from the one before, which has continued as new; prune takes the oldest ones away.
    """
    of_instance = history.c.instance_id == instance_id
    numbers = reader.connection.execute(select(history.c.execution_id).distinct().where(of_instance)).scalars().all()
    ends = reader.flavour.event_says_type(history.c.event_data, "OrchestrationContinuedAsNew")
    continued = set(
        reader.connection.execute(select(history.c.execution_id).distinct().where(of_instance, ends)).scalars()
    )
    if not all(isinstance(number, int) for number in [*numbers, highest]):
        return "its executions are not numbered"
    if highest not in numbers:
        return f"execution {highest} has no history"
    if len(numbers) != highest - min(numbers) + 1 or not continued.issuperset(set(numbers) - {highest}):
        return f"the executions before {highest} do not lead to it, each by continuing as new"
    # SQLite keeps what is no number, too.
    if (not isinstance(current, int) or current > highest) and highest in continued:
        return f"execution {highest} has continued as new, so a later one may be lost"
    if would_be_stuck(reader, instance_id, highest):
        return f"nothing could take execution {highest} on"
    return None


INSTANCES = Instances()
