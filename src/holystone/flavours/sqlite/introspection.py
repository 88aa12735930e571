"""What the tables of a SQLite store are made of, as its pragmas tell it, and the declarations where none does."""

import re
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.util import LRUCache

from holystone.flavours.lineage import Facts

_COLUMNS = text(
    'SELECT t.name, t.sql, c.name, upper(c.type), c."notnull", c.dflt_value, c.pk, c.hidden'
    " FROM sqlite_master AS t, pragma_table_xinfo(t.name) AS c"
    " WHERE t.type = 'table' AND t.name IN :tables ORDER BY t.name, c.cid"
).bindparams(bindparam("tables", expanding=True))

_INDEXES = text(
    'SELECT t.name, i.name, i.origin, i."unique", d.sql,'
    " group_concat(coalesce(k.name, 'an expression') || CASE k.\"desc\" WHEN 1 THEN ' desc' ELSE '' END"
    " || CASE k.coll WHEN 'BINARY' THEN '' ELSE ' collate ' || k.coll END, ', ')"
    " FROM sqlite_master AS t, pragma_index_list(t.name) AS i, pragma_index_xinfo(i.name) AS k"
    " LEFT JOIN sqlite_master AS d ON d.type = 'index' AND d.name = i.name"
    " WHERE t.type = 'table' AND t.name IN :tables AND k.key = 1 GROUP BY t.name, i.name"
).bindparams(bindparam("tables", expanding=True))

_REFERENCES = text(
    'SELECT t.name, group_concat(f."from", \', \'), f."table",'
    " group_concat(coalesce(f.\"to\", 'its key'), ', '), f.on_delete"
    " FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f"
    " WHERE t.type = 'table' AND t.name IN :tables GROUP BY t.name, f.id"
).bindparams(bindparam("tables", expanding=True))

_VIEWS = text("SELECT name FROM sqlite_master WHERE type = 'view' AND name IN :tables").bindparams(
    bindparam("tables", expanding=True)
)
# Views have no foreign keys, and a virtual table has no root page; its module may not be there.
_REFERENCED = text(
    'SELECT t.name, group_concat(f."from", \', \'), f."table", f.on_delete'
    " FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f"
    " WHERE t.type = 'table' AND t.rootpage > 0 AND t.name NOT IN :tables AND f.\"table\" IN :tables"
    " GROUP BY t.name, f.id"
).bindparams(bindparam("tables", expanding=True))

_DECLARATIONS = text("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid")

_WORD = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|\w+|\S", re.DOTALL)


_KNOWN: LRUCache[tuple[object, ...], Facts] = LRUCache(50)
"""Facts, by the tables that they are of and by all declarations of the database: of many stores these are the same."""


def read(connection: Connection, tables: Collection[str]) -> Facts:
    """Return the facts of these tables.

    They are what SQLite makes of the declarations, and of nothing else: where these are known, so are the facts.
    """
    declarations = tuple(map(tuple, connection.execute(_DECLARATIONS)))
    key = (tuple(sorted(tables)), declarations)
    try:
        return _KNOWN[key]
    except KeyError:
        return _KNOWN.setdefault(key, _read(connection, tables))


def _read(connection: Connection, tables: Collection[str]) -> Facts:
    facts: dict[str, str] = {}
    keys: dict[str, dict[int, str]] = {}
    declarations: dict[str, str] = {}
    for table, sql, column, kind, not_null, default, key, hidden in connection.execute(
        _COLUMNS, {"tables": list(tables)}
    ):
        words = [kind, "not null" if not_null else "", "" if default is None else f"default {default}"]
        words.append("generated" if hidden else "")
        facts[f"column {table}.{column}"] = " ".join(filter(None, words))
        declarations[table] = sql
        if key:
            keys.setdefault(table, {})[key] = column
    for table, sql in declarations.items():
        words = list(_words(sql))
        for check in _checks(words):
            facts[f"check {table} ({check})"] = ""
        if columns := keys.get(table):
            counter = " autoincrement" if "AUTOINCREMENT" in map(str.upper, words) else ""
            facts[f"key {table}"] = f"({', '.join(columns[place] for place in sorted(columns))}){counter}"
        for place, word in enumerate(words[:-1]):
            if word.upper() == "COLLATE" and words[place + 1].upper() != "BINARY":
                facts[f"collation {words[place + 1].upper()} in {table}"] = ""
            elif word.upper() == "CONFLICT" and words[place - 1].upper() == "ON":
                facts[f"clause ON CONFLICT {words[place + 1].upper()} in {table}"] = ""
        if options := words[len(words) - words[::-1].index(")") :]:
            facts[f"table {table}"] = " ".join(options).lower()
    for table, index, origin, unique, sql, columns in connection.execute(_INDEXES, {"tables": list(tables)}):
        if origin == "u":
            facts[f"unique {table} ({columns})"] = ""
        elif origin == "c":
            condition = predicate(sql)
            parts = ["unique " if unique else "", f"on {table} ({columns})", f" where {condition}" if condition else ""]
            facts[f"index {index}"] = "".join(parts)
    for table, columns, other, others, on_delete in connection.execute(_REFERENCES, {"tables": list(tables)}):
        action = "" if on_delete == "NO ACTION" else f" on delete {on_delete.lower()}"
        facts[f"foreign key {table} ({columns})"] = f"references {other} ({others}){action}"
    for table, columns, other, on_delete in connection.execute(_REFERENCED, {"tables": list(tables)}):
        facts[f"foreign key {table} ({columns})"] = f"references {other} on delete {on_delete.lower()}"
    for view in connection.execute(_VIEWS, {"tables": list(tables)}).scalars():
        facts[f"view {view}"] = ""
    return facts


def _words(sql: str) -> Iterator[str]:
    """Yield the words and signs of a declaration, without its comments."""
    for found in _WORD.finditer(sql):
        if not found[0].startswith(("--", "/*")):
            yield found[0]


def _checks(words: list[str]) -> Iterator[str]:
    """Yield what is between the parentheses of each CHECK."""
    for place, word in enumerate(words):
        if word.upper() == "CHECK" and words[place + 1 : place + 2] == ["("]:
            yield _joined(_inside(words[place + 1 :]))


def _inside(words: list[str]) -> list[str]:
    """Return the words between the parenthesis that they begin with and the one that closes it."""
    depth = 0
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return words[1:place]
    return words[1:]


def predicate(sql: str) -> str:
    """Return the condition of a partial index, nothing for an index of all rows."""
    words = list(_words(sql))
    upper = [word.upper() for word in words]
    return _joined(words[upper.index("WHERE") + 1 :]) if "WHERE" in upper else ""


def _joined(words: list[str]) -> str:
    """Return the words in one way of writing them, whatever spaces were between them."""
    said = " ".join(words)
    for sign in ("> =", "< =", "< >", "! =", "= =", "| |"):
        said = said.replace(sign, sign.replace(" ", ""))
    return said.replace("( ", "(").replace(" )", ")")
