"""What in a PostgreSQL store others have put on the engine's tables, and the state of its sequences and indexes."""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Row, column, func, select, table, text

from holystone.flavours.conditions import cannot_fail
from holystone.flavours.postgresql.introspection import THESE, of_these
from holystone.flavours.structure import FEW_NUMBERS, OURS, Objects

# What fires in a session with `session_replication_role = origin`, as all but those of replication are.
_FIRES = "IN ('O', 'A')"

_TRIGGERS = of_these(
    "SELECT pg_catalog.format('trigger %s on %s', g.tgname, t.relname), g.tgname,"
    " pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(g.oid, true),"
    " '^CREATE (CONSTRAINT )?TRIGGER .*?(?=BEFORE|AFTER|INSTEAD OF)', '')"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid",
    f"AND NOT g.tgisinternal AND g.tgenabled {_FIRES} ORDER BY g.tgname",
)
_RULES = of_these(
    "SELECT pg_catalog.format('rule %s on %s', r.rulename, t.relname), r.rulename,"
    " pg_catalog.regexp_replace(pg_catalog.pg_get_ruledef(r.oid, true), '^CREATE RULE .*? AS\\s+', '')"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = t.oid",
    f"AND r.rulename <> '_RETURN' AND r.ev_enabled {_FIRES} ORDER BY r.rulename",
)
_ROW_SECURITY = of_these(
    "SELECT pg_catalog.format('row security on %s', t.relname), '',"
    " CASE WHEN t.relforcerowsecurity THEN 'enabled and forced' ELSE 'enabled' END FROM pg_catalog.pg_class AS t",
    "AND t.relrowsecurity",
)
_INDEXES = of_these(
    "SELECT pg_catalog.format('index %s on %s', i.relname, t.relname) AS name, i.relname AS own_name, x.indisunique,"
    " x.indexprs IS NOT NULL AS computes, pg_catalog.pg_get_expr(x.indpred, x.indrelid, true) AS predicate,"
    " m.amname <> 'hash' AND EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS c WHERE c.attrelid = t.oid"
    " AND c.attnum = ANY (x.indkey) AND c.attname = ANY (:payloads)) AS bounded,"
    " pg_catalog.pg_get_indexdef(i.oid, 0, true) AS definition"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid"
    " JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = i.relam",
    "AND NOT x.indisprimary AND x.indisready ORDER BY i.relname",
)
_PAYLOADS = ("output", "event_data", "work_item", "custom_status", "value")
"""Columns that hold as much as users put in: an index row holds at most a third of a page."""

_SEQUENCES = text(
    "SELECT t.relname AS queue, s.relname AS sequence, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid AND c.attname = 'id'"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = c.attnum"
    " JOIN pg_catalog.pg_depend AS u ON u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND u.objid = d.oid"
    " AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " JOIN pg_catalog.pg_class AS s ON s.oid = u.refobjid AND s.relkind = 'S' AND s.relnamespace = n.oid"
    " JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = s.oid"
    " WHERE n.nspname = :schema AND t.relname = ANY (:tables) ORDER BY 1"
).bindparams(THESE)

_UNUSABLE = of_these(
    "SELECT pg_catalog.format('index %s on %s', i.relname, t.relname) AS name, pg_catalog.concat_ws(', ',"
    " CASE WHEN NOT x.indisvalid THEN 'not valid' END, CASE WHEN NOT x.indisready THEN 'not ready' END,"
    " CASE WHEN NOT x.indislive THEN 'not live' END, CASE WHEN NOT x.indimmediate THEN 'not immediate' END) AS state"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid"
    " JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid",
    "AND (x.indisprimary OR i.relname = ANY (:indexes))"
    " AND NOT (x.indisvalid AND x.indisready AND x.indislive AND x.indimmediate) ORDER BY i.relname",
)

QUEUES = ("orchestrator_queue", "worker_queue")


def interference(connection: Connection, schema: str, tables: Collection[str], own: Collection[str]) -> Objects:
    """Return what can stop, swallow or change a write to these tables; `own` are the engine's indexes."""
    named = {"schema": schema, "tables": list(tables)}
    found = {
        name: what
        for statement in (_TRIGGERS, _RULES, _ROW_SECURITY)
        for name, own_name, what in connection.execute(statement, named)
        if not own_name.startswith(OURS)
    }
    for index in connection.execute(_INDEXES, {**named, "payloads": list(_PAYLOADS)}):
        if index.own_name not in own and not index.own_name.startswith(OURS) and (risks := ", ".join(_risks(index))):
            found[index.name] = f"{index.definition.partition(' USING ')[2]}: {risks}"
    return found


def _risks(index: Row[Any]) -> Iterator[str]:
    if index.indisunique:
        yield "refuses rows that the engine may write twice"
    if index.computes:
        yield "fails where its expression does"
    if index.predicate is not None and not cannot_fail(index.predicate):
        yield "fails where its condition does"
    if index.bounded:
        yield "refuses long values"


def sequences(connection: Connection, schema: str) -> Objects:
    """Return the sequences of the queues whose next number is taken, or is one of the last, and why."""
    found = {}
    for queue, sequence, step, least, most, cycles in connection.execute(
        _SEQUENCES, {"schema": schema, "tables": list(QUEUES)}
    ):
        state = table(sequence, column("last_value"), column("is_called"), schema=schema)
        last, called = connection.execute(select(state.c.last_value, state.c.is_called)).one()
        highest = connection.execute(select(func.max(table(queue, column("id"), schema=schema).c.id))).scalar_one()
        following = last + step if called else last
        if highest is not None and following <= highest:
            found[f"sequence {sequence}"] = f"goes on with {following:,}, but {queue} has messages up to {highest:,}"
        elif step < 0:
            found[f"sequence {sequence}"] = f"counts down by {-step:,}"
        elif not least <= following <= most - FEW_NUMBERS:
            found[f"sequence {sequence}"] = f"ends at {most:,}, and has {max(most - last, 0):,} left after {last:,}"
        elif cycles:
            found[f"sequence {sequence}"] = f"begins again at {least:,} after {most:,}"
    return found


def unusable_indexes(connection: Connection, schema: str, tables: Collection[str], own: Collection[str]) -> Objects:
    """Return which of the engine's indexes PostgreSQL does not use or keep up to date, and why."""
    named = {"schema": schema, "tables": list(tables), "indexes": list(own)}
    return {row.name: row.state for row in connection.execute(_UNUSABLE, named)}
