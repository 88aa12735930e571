"""Whether a PostgreSQL schema says the same through its indexes as beside them.

With the extension amcheck its own bt_index_check tells of rows that an index lacks. It passes over those that the table
lacks, as where a page of it was lost and reads as an empty one. So each index is also read in its own order and
compared with the table: how many rows, whether they are the same, and whether the order is the one of today's
collation. Of indexes with the same columns that is the one which the planner chooses.

Only from pages that VACUUM has marked as all-visible does an index show its rows by itself; for all others PostgreSQL
looks into the table, and forgets the entry where there is nothing.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.exc import DBAPIError

from holystone.flavours.postgresql.introspection import of_these
from holystone.flavours.savepoint import savepoint
from holystone.flavours.structure import Objects

_CORRUPTED = ("XX001", "XX002")

_AMCHECK = text(
    "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension AS e"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace JOIN pg_catalog.pg_proc AS p"
    " ON p.pronamespace = n.oid AND p.proname = 'bt_index_check' AND p.pronargs = 2"
    " WHERE e.extname = 'amcheck' AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')"
)
_INDEXES = of_these(
    "SELECT x.indexrelid AS oid, i.relname AS name, t.relname AS on_table, x.indisunique AS is_unique,"
    " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname) AS qualified,"
    " ARRAY(SELECT pg_catalog.pg_get_indexdef(x.indexrelid, k, true) FROM pg_catalog.generate_series(1, x.indnkeyatts)"
    " AS k) AS keys, pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS condition, x.indoption::text ~ '[1-3]' AS turned"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid AND x.indisvalid"
    " AND x.indisready JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid"
    " JOIN pg_catalog.pg_am AS m ON m.oid = i.relam AND m.amname = 'btree'",
    "AND t.relkind = 'r' ORDER BY t.relname, i.relname",
)
_BY_TABLE = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")
_BY_INDEX = ("enable_seqscan", "enable_bitmapscan", "enable_sort")


def damages(connection: Connection, schema: str, tables: Collection[str]) -> Objects:
    """Return the indexes of these tables that lie, and how."""
    return dict(_lying(connection, schema, tables))


def _lying(connection: Connection, schema: str, tables: Collection[str]) -> Iterator[tuple[str, str]]:
    amcheck = connection.execute(_AMCHECK).scalar_one_or_none()
    for index in connection.execute(_INDEXES, {"schema": schema, "tables": list(tables)}).all():
        name, fault = f"index {index.name} on {index.on_table}", None
        try:
            with savepoint(connection):
                if amcheck is not None:
                    connection.execute(text(f"SELECT {amcheck}.bt_index_check(:index, true)"), {"index": index.oid})
                fault = _fault(connection, index)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _CORRUPTED:
                raise
            fault = str(error.orig).splitlines()[0]
        if fault is not None:
            yield name, fault


def _fault(connection: Connection, index: Row[Any]) -> str | None:
    """Return how an index differs from its table; None also where the planner takes another with the same columns."""
    keys = ", ".join(index.keys)
    rows = f"{index.qualified} WHERE {index.condition or 'true'}"
    same = f"pg_catalog.sum(pg_catalog.hashtext(ROW({keys})::pg_catalog.text)::pg_catalog.int8)"
    counted = f"SELECT pg_catalog.count(*), {same} FROM"
    # Names come quoted from the catalogue, and keys and conditions as PostgreSQL writes them.
    through = f"{counted} (SELECT {keys} FROM {rows} ORDER BY {keys} OFFSET 0) AS i"  # noqa: S608
    with _only(connection, _BY_INDEX):
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {through}").scalar_one()
        if f'"Index Name": "{index.name}"' not in json.dumps(plan):
            return None
        found = connection.exec_driver_sql(through).one()
        stray = 0 if index.turned else connection.exec_driver_sql(_out_of_order(index, keys, rows)).scalar_one()
    with _only(connection, _BY_TABLE):
        there = connection.exec_driver_sql(f"{counted} {rows}").one()
    if found[0] != there[0]:
        return f"has {found[0]:,} rows, and the table {there[0]:,}"
    if found != there:
        return "has other values than the table"
    return f"has {stray:,} rows that are not in order" if stray else None


def _out_of_order(index: Row[Any], keys: str, rows: str) -> str:
    before = ", ".join(f"pg_catalog.lag({key}) OVER w AS b{number}" for number, key in enumerate(index.keys))
    these = ", ".join(f"{key} AS k{number}" for number, key in enumerate(index.keys))
    last, this = (", ".join(f"{letter}{number}" for number in range(len(index.keys))) for letter in "bk")
    # In a unique index no key comes twice; what is NULL compares with nothing, and is passed over.
    ordered = f"SELECT {these}, {before} FROM {rows} WINDOW w AS (ORDER BY {keys})"  # noqa: S608
    wrong = f"ROW({this}) {'<=' if index.is_unique else '<'} ROW({last})"
    return f"SELECT pg_catalog.count(*) FROM ({ordered}) AS o WHERE {wrong}"  # noqa: S608


@contextmanager
def _only(connection: Connection, without: Sequence[str]) -> Iterator[None]:
    """Have the planner do without some ways of reading, until the end of the context."""
    for value in ("off", "on"):
        connection.execute(select(*(func.set_config(name, value, True) for name in without)))
        if value == "off":
            yield
