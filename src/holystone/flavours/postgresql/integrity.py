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
    " AS k) AS keys, ARRAY(SELECT pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_attribute AS a"
    " WHERE a.attrelid = x.indexrelid AND a.attnum <= x.indnkeyatts ORDER BY a.attnum) AS types,"
    " pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS condition, x.indoption::text ~ '[1-3]' AS turned"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid AND x.indisvalid"
    " AND x.indisready JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid"
    " JOIN pg_catalog.pg_am AS m ON m.oid = i.relam AND m.amname = 'btree'",
    "AND t.relkind = 'r' ORDER BY t.relname, i.relname",
)
_HASHED = {"text": 'hashtextextended({} COLLATE pg_catalog."C", {})', "bigint": "hashint8extended({}, {})"}
"""Type of a key -> its hash, which the number of the key makes another one; that of a text is of its bytes."""
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
    """Return how an index differs from its table; None also where the planner takes another with the same columns.

    Whatever is asked of the index is asked in one pass: to go through it costs more than to ask.
    """
    keys = ", ".join(index.keys)
    rows = f"{index.qualified} WHERE {index.condition or 'true'}"
    # Names come quoted from the catalogue, and keys and conditions as PostgreSQL writes them.
    these = f"SELECT {_named(index.keys, 'k')}"
    counted = f"SELECT pg_catalog.count(*), {_digest(index)}"
    there = f"{counted} FROM ({these} FROM {rows}) AS o"
    if index.turned:
        through = f"{counted}, 0 FROM ({these} FROM {rows} ORDER BY {keys} OFFSET 0) AS o"
    else:
        before = _named([f"pg_catalog.lag({key}) OVER w" for key in index.keys], "b")
        ordered = f"{these}, {before} FROM {rows} WINDOW w AS (ORDER BY {keys})"
        stray = f"pg_catalog.count(*) FILTER (WHERE {_is_out_of_order(index)})"
        through = f"{counted}, {stray} FROM ({ordered}) AS o"
    with _only(connection, _BY_INDEX):
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {through}").scalar_one()
        if f'"Index Name": "{index.name}"' not in json.dumps(plan):
            return None
        *found, strays = connection.exec_driver_sql(through).one()
    with _only(connection, _BY_TABLE):
        in_table = list(connection.exec_driver_sql(there).one())
    if found[0] != in_table[0]:
        return f"has {found[0]:,} rows, and the table {in_table[0]:,}"
    if found != in_table:
        return "has other values than the table"
    return f"has {strays:,} rows that are not in order" if strays else None


def _named(values: Sequence[str], letter: str) -> str:
    return ", ".join(f"{value} AS {letter}{number}" for number, value in enumerate(values))


def _digest(index: Row[Any]) -> str:
    """Return the sum of the hashes of all keys, in whatever order they come.

    Keys of other types than the engine's have their text hashed, which takes three times as long.
    """
    if not _HASHED.keys() >= set(index.types):
        text_of_keys = f"ROW({', '.join(f'k{number}' for number in range(len(index.keys)))})::pg_catalog.text"
        return f"pg_catalog.sum(pg_catalog.hashtext({text_of_keys})::pg_catalog.int8)"
    hashes = (_HASHED[name].format(f"k{number}", number) for number, name in enumerate(index.types))
    # NULL has no hash.
    return f"pg_catalog.sum({' # '.join(f'coalesce(pg_catalog.{of_key}, {n})' for n, of_key in enumerate(hashes))})"


def _is_out_of_order(index: Row[Any]) -> str:
    """Return the condition that a key does not come after the one before; the first one has none before it."""
    last, this = (", ".join(f"{letter}{number}" for number in range(len(index.keys))) for letter in "bk")
    # In a unique index no key comes twice; what is NULL compares with nothing, and is passed over.
    return f"ROW({this}) {'<=' if index.is_unique else '<'} ROW({last})"


@contextmanager
def _only(connection: Connection, without: Sequence[str]) -> Iterator[None]:
    """Have the planner do without some ways of reading, until the end of the context."""
    for value in ("off", "on"):
        connection.execute(select(*(func.set_config(name, value, True) for name in without)))
        if value == "off":
            yield
