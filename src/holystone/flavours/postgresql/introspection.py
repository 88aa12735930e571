"""What the tables of a PostgreSQL store are made of, as PostgreSQL's own catalogue tells it."""

import re
from collections.abc import Collection, Sequence

from sqlalchemy import ARRAY, Connection, Text, TextClause, bindparam, text

from holystone.flavours.lineage import Facts

THESE = bindparam("tables", type_=ARRAY(Text))


def of_these(what: str, which: str) -> TextClause:
    """Return a statement on tables of the schema, which it may call t; both parts are constants."""
    among = (
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
        " WHERE n.nspname = :schema AND t.relkind IN ('r', 'p', 'f', 'v', 'm') AND t.relname = ANY (:tables) "
    )
    return text(what + among + which).bindparams(THESE)


_KINDS_OF_TABLES = of_these(
    "SELECT t.relname, CASE t.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'"
    " WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'unlogged table' END FROM pg_catalog.pg_class AS t",
    "AND (t.relkind <> 'r' OR t.relpersistence <> 'p')",
)

_COLUMNS = of_these(
    "SELECT t.relname, c.attname, pg_catalog.format_type(c.atttypid, c.atttypmod), c.attnotnull,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid, true), c.attgenerated::text || c.attidentity::text,"
    " (SELECT max(CASE WHEN sn.nspname = :schema THEN 'nextval' ELSE"
    " pg_catalog.format('nextval of %s.%s', sn.nspname, s.relname) END) FROM pg_catalog.pg_depend AS u"
    " JOIN pg_catalog.pg_class AS s ON s.oid = u.refobjid AND s.relkind = 'S'"
    " JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace"
    " WHERE u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND u.objid = d.oid"
    " AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass),"
    " CASE WHEN c.attcollation <> y.typcollation THEN l.collname END"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid"
    " JOIN pg_catalog.pg_type AS y ON y.oid = c.atttypid"
    " LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = c.attcollation"
    " LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = c.attnum",
    "AND c.attnum > 0 AND NOT c.attisdropped ORDER BY t.relname, c.attnum",
)

_CONSTRAINTS = of_these(
    "SELECT t.relname, c.contype::text, pg_catalog.pg_get_constraintdef(c.oid, true)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.oid",
    "AND c.contype IN ('p', 'c', 'f', 'x')",
)

_REFERENCES = text(
    "SELECT r.relname, pg_catalog.pg_get_constraintdef(c.oid, true) FROM pg_catalog.pg_constraint AS c"
    " JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid JOIN pg_catalog.pg_class AS t ON t.oid = c.confrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND n.nspname = :schema"
    " AND t.relname = ANY (:tables) AND (r.relnamespace <> n.oid OR r.relname <> ALL (:tables))"
).bindparams(THESE)

_FAMILY = text(
    "SELECT CASE WHEN n.nspname = :schema AND t.relname = ANY (:tables) THEN"
    " pg_catalog.format('child %s of %s', c.relname, t.relname)"
    " ELSE pg_catalog.format('parent %s of %s', t.relname, c.relname) END FROM pg_catalog.pg_inherits AS h"
    " JOIN pg_catalog.pg_class AS t ON t.oid = h.inhparent JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid JOIN pg_catalog.pg_namespace AS m ON m.oid = c.relnamespace"
    " WHERE t.relkind IN ('r', 'p', 'f') AND ((n.nspname = :schema AND t.relname = ANY (:tables))"
    " OR (m.nspname = :schema AND c.relname = ANY (:tables)))"
).bindparams(THESE)

# Such an UPDATE or DELETE fails: "does not have a replica identity and publishes updates".
_UNIDENTIFIED = of_these(
    "SELECT pg_catalog.format('publication %s of %s without a replica identity', p.pubname, t.relname)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_publication AS p ON p.pubupdate OR p.pubdelete",
    "AND t.relkind = 'r' AND t.relpersistence = 'p' AND (p.puballtables OR EXISTS (SELECT 1 FROM"
    " pg_catalog.pg_publication_tables AS l WHERE l.pubname = p.pubname AND l.schemaname = n.nspname"
    " AND l.tablename = t.relname)) AND (t.relreplident = 'n' OR (t.relreplident = 'i' AND NOT EXISTS (SELECT 1"
    " FROM pg_catalog.pg_index AS x WHERE x.indrelid = t.oid AND x.indisreplident)))",
)

_INDEXES = of_these(
    "SELECT t.relname, i.relname, x.indisunique, x.indisvalid, pg_catalog.pg_get_indexdef(i.oid, 0, true)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid"
    " JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid",
    "AND NOT x.indisprimary",
)

_TRIGGERS = of_these(
    "SELECT 'trigger ' || g.tgname || ' on ' || t.relname FROM pg_catalog.pg_class AS t"
    " JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal",
    "ORDER BY g.tgname",
)

_TABLES = text(
    "SELECT 'table ' || t.relname FROM pg_catalog.pg_class AS t"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace"
    " WHERE n.nspname = :schema AND t.relkind IN ('r', 'p', 'f') AND t.relname <> ALL (:tables) ORDER BY t.relname"
).bindparams(THESE)

_SEQUENCE = re.compile(r"nextval\('.*'::regclass\)")
_BY = re.compile(r" USING btree (\(.*)$| USING (\w+ \(.*)$", re.DOTALL)
_KINDS = {"c": "check", "f": "foreign key", "x": "exclude"}


def read(connection: Connection, schema: str, tables: Collection[str]) -> Facts:
    """Return the facts of these tables."""
    facts: dict[str, str] = {}
    named = {"schema": schema, "tables": list(tables)}
    for table, kind in connection.execute(_KINDS_OF_TABLES, named):
        facts[f"{kind} {table}"] = ""
    for table, column, kind, not_null, default, made, sequence, collation in connection.execute(_COLUMNS, named):
        words = [kind, "not null" if not_null else "", f"collate {collation}" if collation else ""]
        if default is not None:
            # The name of the sequence holds the schema's, or not, by the search path.
            words.append(f"default {_SEQUENCE.sub(sequence, default) if sequence else default}")
        words.append("generated" if made else "")
        facts[f"column {table}.{column}"] = " ".join(filter(None, words))
    for table, kind, definition in connection.execute(_CONSTRAINTS, named):
        if kind == "p":
            facts[f"key {table}"] = definition.removeprefix("PRIMARY KEY ")
        else:
            facts[f"{_KINDS[kind]} {table} {definition}"] = ""
    for table, definition in connection.execute(_REFERENCES, named):
        facts[f"foreign key {table} {definition}"] = ""
    for statement in (_FAMILY, _UNIDENTIFIED):
        facts.update(dict.fromkeys(connection.execute(statement, named).scalars(), ""))
    for table, index, unique, valid, definition in connection.execute(_INDEXES, named):
        found = _BY.search(definition)
        assert found is not None
        words = ["unique" if unique else "", f"on {table}", found[1] or found[2], "" if valid else "(invalid)"]
        facts[f"index {index}"] = " ".join(filter(None, words)).replace(" WHERE ", " where ")
    return facts


def additions(connection: Connection, schema: str, tables: Collection[str]) -> Sequence[str]:
    """Return the other tables of the schema, and the triggers on these."""
    named = {"schema": schema, "tables": list(tables)}
    return [*connection.execute(_TABLES, named).scalars(), *connection.execute(_TRIGGERS, named).scalars()]
