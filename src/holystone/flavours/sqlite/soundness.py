"""SQLite's indexes, compared with the tables that they are of.

An index is read by itself, without its table, for it has all that is asked of it: its columns and the row's number.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from holystone.duroxide.tables import metadata
from holystone.flavours.connector import Columns

_PRIME = 2_147_483_647
"""So many digests differ, and no sum of them overflows."""


def lying_indexes(connection: Connection, columns: Columns, instance_ids: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each index that does not show the rows of these instances as the table has them."""
    for table in sorted(metadata.tables.keys() & columns.keys()):
        by_index = dict(_indexes(connection, table)) if "instance_id" in columns[table] else {}
        if not by_index:
            continue
        of_instances = {"ids": json.dumps(list(instance_ids))}
        for index, indexed in by_index.items():
            through = _digests(connection, table, f"INDEXED BY {_quoted(index)}", indexed, of_instances)
            beside = _digests(connection, table, "NOT INDEXED", indexed, of_instances)
            if differing := {instance for instance, *_ in through ^ beside}:
                yield (
                    f"The index {index} does not show the rows of {table} as the table has them, such as those of the "
                    f"instance {min(differing)!r}. Run REINDEX, then PRAGMA integrity_check; restore a backup where "
                    "that still complains."
                )


def _indexes(connection: Connection, table: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the indexes of a table that begin with the instance, each with its columns."""
    listed = connection.execute(text(f"PRAGMA index_list({_quoted(table)})")).mappings().all()
    for index in listed:
        info = connection.execute(text(f"PRAGMA index_info({_quoted(index['name'])})")).mappings().all()
        names = [row["name"] for row in info]
        if names[:1] == ["instance_id"] and not index["partial"]:
            yield index["name"], names


def _digests(
    connection: Connection, table: str, road: str, indexed: Sequence[str], of_instances: Mapping[str, Any]
) -> set[tuple[Any, ...]]:
    """Return each instance with the number of its rows and a digest of their keys, as one road shows them."""
    digest = "rowid"
    for name in map(_quoted, indexed[1:]):
        said = f"coalesce(CAST({name} AS INTEGER), 0) % {_PRIME} + coalesce(length({name}), 0)"
        digest = f"({digest} % {_PRIME} * 31 + {said})"
    statement = text(  # the names are the database's own, and quoted
        f"SELECT instance_id, count(*), sum({digest} % {_PRIME}) FROM {_quoted(table)} {road} "  # noqa: S608
        "WHERE instance_id IN (SELECT value FROM json_each(:ids)) GROUP BY instance_id"
    )
    return {tuple(row) for row in connection.execute(statement, of_instances)}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
