"""The facts of given executions: what their rows say beside what their histories say."""

from collections.abc import Iterable

from sqlalchemy import and_, or_, select

from holystone.scan.reader import Reader
from holystone.scan.relations.executions import EXECUTIONS, ExecutionFacts
from holystone.store import Store
from holystone.store.tables import executions

_AT_A_TIME = 200


def facts_of(store: Store, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], ExecutionFacts]:
    """Return the facts of these executions, by instance and execution id; those that are gone are left out."""
    found: dict[tuple[str, int], ExecutionFacts] = {}
    wanted = list(keys)
    with store.snapshot() as connection:
        reader = Reader(store, connection)
        for start in range(0, len(wanted), _AT_A_TIME):
            these = or_(
                *(
                    and_(executions.c.instance_id == instance_id, executions.c.execution_id == execution_id)
                    for instance_id, execution_id in wanted[start : start + _AT_A_TIME]
                )
            )
            source = EXECUTIONS.source(store.flavour, [these])
            for row in connection.execute(select(*source.output()).select_from(source.rows)):
                facts = EXECUTIONS.facts(reader, row)
                found[facts.instance_id, facts.execution_id] = facts
    return found
