"""What the tables of a PostgreSQL store are made of, as PostgreSQL's own catalogue tells it."""

import re
from collections.abc import Collection, Sequence

from sqlalchemy import ARRAY, Connection, Text, TextClause, bindparam, text

from holystone.store.flavours.lineage import Facts

_THESE = bindparam("tables", type_=ARRAY(Text))


def _of_these(what: str, which: str) -> TextClause:
    """Return a statement on tables of the schema, which it may call t; both parts are constants."""
    among = (
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
        " WHERE n.nspname = :schema AND t.relkind IN ('r', 'p') AND t.relname = ANY (:tables) "
    )
    return text(what + among + which).bindparams(_THESE)


_COLUMNS = _of_these(
    "SELECT t.relname, c.attname, pg_catalog.format_type(c.atttypid, c.atttypmod), c.attnotnull,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid, true), c.attgenerated::text || c.attidentity::text"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid"
    " LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = c.attnum",
    "AND c.attnum > 0 AND NOT c.attisdropped",
)

_CONSTRAINTS = _of_these(
    "SELECT t.relname, c.contype::text, pg_catalog.pg_get_constraintdef(c.oid, true)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.oid",
    "AND c.contype IN ('p', 'c', 'f', 'x')",
)

_INDEXES = _of_these(
    "SELECT t.relname, i.relname, x.indisunique, x.indisvalid, pg_catalog.pg_get_indexdef(i.oid, 0, true)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid"
    " JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid",
    "AND NOT x.indisprimary",
)

_TRIGGERS = _of_these(
    "SELECT 'trigger ' || g.tgname || ' on ' || t.relname FROM pg_catalog.pg_class AS t"
    " JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal",
    "ORDER BY g.tgname",
)

_FUNCTIONS = text(
    "SELECT p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' FROM pg_catalog.pg_proc AS p"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = :schema"
)

_TABLES = text(
    "SELECT 'table ' || t.relname FROM pg_catalog.pg_class AS t"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " WHERE n.nspname = :schema AND t.relkind IN ('r', 'p', 'f') AND t.relname <> ALL (:tables) ORDER BY t.relname"
).bindparams(_THESE)

_SEQUENCE = re.compile(r"nextval\('.*'::regclass\)")
_BY = re.compile(r" USING btree (\(.*)$| USING (\w+ \(.*)$", re.DOTALL)
_KINDS = {"c": "check", "f": "foreign key", "x": "exclude"}


def read(connection: Connection, schema: str, tables: Collection[str]) -> Facts:
    """Return the facts of these tables, and of all functions of the schema."""
    facts: dict[str, str] = {}
    named = {"schema": schema, "tables": list(tables)}
    for table, column, kind, not_null, default, made in connection.execute(_COLUMNS, named):
        words = [kind, "not null" if not_null else ""]
        if default is not None:
            # The name of the sequence holds the schema's, or not, by the search path.
            words.append(f"default {_SEQUENCE.sub('nextval', default)}")
        words.append("generated" if made else "")
        facts[f"column {table}.{column}"] = " ".join(filter(None, words))
    for table, kind, definition in connection.execute(_CONSTRAINTS, named):
        if kind == "p":
            facts[f"key {table}"] = definition.removeprefix("PRIMARY KEY ")
        else:
            facts[f"{_KINDS[kind]} {table} {definition}"] = ""
    for table, index, unique, valid, definition in connection.execute(_INDEXES, named):
        found = _BY.search(definition)
        assert found is not None
        words = ["unique" if unique else "", f"on {table}", found[1] or found[2], "" if valid else "(invalid)"]
        facts[f"index {index}"] = " ".join(filter(None, words)).replace(" WHERE ", " where ")
    for function in connection.execute(_FUNCTIONS, named).scalars():
        facts[f"function {function}"] = ""
    return facts


def additions(connection: Connection, schema: str, tables: Collection[str]) -> Sequence[str]:
    """Return the other tables of the schema, and the triggers on these."""
    named = {"schema": schema, "tables": list(tables)}
    return [*connection.execute(_TABLES, named).scalars(), *connection.execute(_TRIGGERS, named).scalars()]
