"""The tables of pg_durable that tell of instances, declared once.

Sources in microsoft/pg_durable: src/lib.rs, and sql/pg_durable--*.sql, by which older ones are upgraded.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, DateTime, MetaData, Table, Text, cast
from sqlalchemy.types import UserDefinedType

from holystone.duroxide import tables as engine

SCHEMA = "df"

NO_EXTENSION = "there is no pg_durable in this database"
"""Why a store has nothing for checks of these tables, where it is no wonder."""

metadata = MetaData(schema=SCHEMA)


class Printed(UserDefinedType[str]):
    """A value of a type of PostgreSQL's, as the text that PostgreSQL prints of it and reads again."""

    cache_ok = True

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def get_col_spec(self, **kw: Any) -> str:
        return self.type_name

    def column_expression(self, colexpr: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(colexpr, Text)

    def bind_expression(self, bindvalue: BindParameter[Any]) -> ColumnElement[Any]:
        return cast(bindvalue, self)


instances = Table(
    "instances",
    metadata,
    Column("id", Text, primary_key=True),
    Column("label", Text),
    Column("root_node", Text, nullable=False),
    Column("status", Text),
    Column("submitted_by", Printed("REGROLE"), nullable=False),
    Column("database", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
)

nodes = Table(
    "nodes",
    metadata,
    Column("instance_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("node_type", Text, nullable=False),
    Column("query", Text),
    Column("result_name", Text),
    Column("left_node", Text),
    Column("right_node", Text),
    Column("status", Text),
    Column("result", Printed("JSONB")),
    Column("error", Text),
    Column("submitted_by", Printed("REGROLE")),
    Column("database", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("status_details", Printed("JSONB")),
)

_LATER_COLUMNS = {"status_details"}
"""Columns that 0.2.4 added."""

REQUIRED_COLUMNS: Mapping[str, frozenset[str]] = {
    table.fullname: frozenset(column.name for column in table.c if column.name not in _LATER_COLUMNS)
    for table in (instances, nodes)
}
"""Table, with its schema -> the columns of it that each version has that works with the engine's provider."""

TABLES: Mapping[str, Table] = {**engine.metadata.tables, **metadata.tables}
"""Name -> table, of all that repairs write to: the engine's by their names, these with their schema."""


def instance_columns(table: str) -> tuple[str, ...]:
    """Return the columns of a table that name an instance, its own or the parent."""
    return ("id",) if table == instances.fullname else ("instance_id", "parent_instance_id")
