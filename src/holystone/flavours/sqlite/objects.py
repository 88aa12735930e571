"""What in a SQLite store others have put on the engine's tables, and the state of what numbers its messages."""

from collections.abc import Collection, Iterator

from sqlalchemy import BigInteger, Connection, bindparam, column, func, select, table, text

from holystone.flavours.conditions import cannot_fail
from holystone.flavours.sqlite.introspection import predicate
from holystone.flavours.structure import FEW_NUMBERS, OURS, Objects

_TRIGGERS = text(
    "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN :tables ORDER BY name"
).bindparams(bindparam("tables", expanding=True))
_INDEXES = text(
    'SELECT t.name AS "table", i.name AS "index", i."unique" AS is_unique, d.sql,'
    " (SELECT min(k.cid) FROM pragma_index_xinfo(i.name) AS k) = -2 AS computes"
    " FROM sqlite_master AS t, pragma_index_list(t.name) AS i"
    " JOIN sqlite_master AS d ON d.type = 'index' AND d.name = i.name"
    " WHERE t.type = 'table' AND t.name IN :tables AND i.origin = 'c' ORDER BY i.name"
).bindparams(bindparam("tables", expanding=True))

QUEUES = ("orchestrator_queue", "worker_queue")
_LAST = 2**63 - 1


def interference(connection: Connection, tables: Collection[str], own: Collection[str]) -> Objects:
    """Return what can stop, swallow or change a write to these tables; `own` are the engine's indexes."""
    named = {"tables": sorted(tables)}
    found = {}
    for name, on, sql in connection.execute(_TRIGGERS, named):
        if not name.startswith(OURS):
            found[f"trigger {name} on {on}"] = " ".join(sql.split())
    for on, name, is_unique, sql, computes in connection.execute(_INDEXES, named):
        if name not in own and not name.startswith(OURS):
            risks = ", ".join(_risks(bool(is_unique), bool(computes), predicate(sql)))
            if risks:
                found[f"index {name} on {on}"] = f"{' '.join(sql.split())}: {risks}"
    return found


def _risks(is_unique: bool, computes: bool, condition: str) -> Iterator[str]:
    if is_unique:
        yield "refuses rows that the engine may write twice"
    if computes:
        yield "fails where its expression does"
    if not cannot_fail(condition):
        yield "fails where its condition does"


def sequences(connection: Connection) -> Objects:
    """Return the queues that have come near to the last number which SQLite can give to a row."""
    found = {}
    numbers = table("sqlite_sequence", column("name"), column("seq", BigInteger()))
    for queue in QUEUES:
        given = connection.execute(select(func.max(numbers.c.seq)).where(numbers.c.name == queue)).scalar_one()
        highest = connection.execute(select(func.max(table(queue, column("id")).c.id))).scalar_one()
        last = max(given or 0, highest or 0)
        if last > _LAST - FEW_NUMBERS:
            found[f"sequence of {queue}"] = f"ends at {_LAST:,}, and has {_LAST - last:,} left after {last:,}"
    return found
