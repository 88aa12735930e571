"""What the checks of pg_durable's tables cost beside the engine's: ``python -m bench.pg_durable --postgresql URL``.

The URL is that of an empty database, which is filled with instances of ten nodes each, as pg_durable's worker leaves
them: the engine makes its own schema, all rows are copies of one instance, made by the server. They are sound, so a
finding is a false alarm. Printed is what each selection of checks takes, and its ratio to the engine's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench.check import HOLYSTONE, Case, Group, run_group, table
from bench.engine_schema import POSTGRESQL_SCHEMA, engine
from holystone.duroxide.event import Event
from holystone.pg_durable import tables as df
from holystone.pg_durable.activities import LOAD_GRAPH, NODE_STATUS, ORCHESTRATION, STATUS
from holystone.scan.catalogue import checks
from holystone.scan.check import Level
from holystone.scan.relations.extension import OfExtension

SCHEMA = "_duroxide"
ID, BEGUN_MS, EVENT_MS = "@@@@@@@@", 1_760_000_000_000, 100
"""What stands for the id of an instance in its copies, which are as long, and the time of its first event."""
RESULT = '{"rows":[{"?column?":1}],"row_count":1}'
LIVE_ONE_IN = 20
"""One instance in so many waits for a signal at its third node; the others have completed."""


def nodes() -> dict[str, dict[str, Any]]:
    """The ten nodes of an instance: a chain of THEN and an IF, with six of SQL."""
    none = {"query": None, "result_name": None, "left_node": None, "right_node": None, "submitted_by": "postgres"}
    made: dict[str, dict[str, Any]] = {}
    for number in range(10):
        one: dict[str, Any] = {"id": f"{number:08x}", "node_type": "SQL", **none, "query": "SELECT 1"}
        if number < 4:
            sides = {"left_node": f"{number + 5:08x}", "right_node": f"{9 if number == 3 else number + 1:08x}"}
            one |= {"node_type": "THEN", "query": None, **sides}
        if number == 3:
            one |= {"node_type": "IF", "query": '{"condition_node":"00000004"}'}
        made[one["id"]] = one
    return made


def activity(name: str, given: Mapping[str, Any] | str, result: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = given if isinstance(given, str) else json.dumps(given, separators=(",", ":"))
    yield "ActivityScheduled", {"name": name, "input": text}
    yield "ActivityCompleted", {"result": result}


def payloads() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the events of an instance that completes, each by its type and its payload."""
    given = {"instance_id": ID, "label": "order", "vars": {}, "loop_iteration": 0}
    no_parent = {"parent_instance": None, "parent_id": None}
    yield "OrchestrationStarted", {"name": ORCHESTRATION, "version": "1.0.0", "input": json.dumps(given), **no_parent}
    graph = {"instance_id": ID, "root_node_id": "00000000", "nodes": nodes()}
    yield from activity(LOAD_GRAPH, ID, json.dumps(graph))
    yield from activity(STATUS, {"instance_id": ID, "status": "running"}, "Status updated to running")
    by = {"execution_id": f"{ID}::1"}
    for node in nodes().values():
        of_node = {"node_id": node["id"], "instance_id": ID}
        yield from activity(NODE_STATUS, of_node | {"status": "running"} | by, "Node status updated")
        if node["node_type"] == "SQL":
            call = {"query": "SELECT 1", "submitted_by": "postgres", "database": None}
            yield from activity("pg_durable::activity::execute-sql", call, RESULT)
        end = {"status": "completed", "result": RESULT}
        yield from activity(NODE_STATUS, of_node | end | by, "Node status updated")
    yield from activity(STATUS, {"instance_id": ID, "status": "completed"}, "Status updated to completed")
    yield "OrchestrationCompleted", {"output": RESULT}


def events() -> list[tuple[int, str]]:
    """The numbers and the texts of these events."""
    made: list[tuple[int, str]] = []
    for number, (kind, payload) in enumerate(payloads(), 1):
        event = Event.new(
            kind,
            event_id=number,
            source_event_id=number - 1 if kind == "ActivityCompleted" else None,
            instance_id=ID,
            execution_id=1,
            timestamp_ms=BEGUN_MS + number * EVENT_MS,
            duroxide_version="0.1.30",
            **payload,
        )
        made.append((number, event.to_json()))
    return made


def fill(url: str, number: int) -> None:
    """Make both schemas, with so many instances."""
    import psycopg
    from sqlalchemy import make_url
    from sqlalchemy.schema import CreateTable

    engine(POSTGRESQL_SCHEMA, url, SCHEMA)
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA df")
        for one in df.metadata.sorted_tables:
            connection.execute(str(CreateTable(one).compile(dialect=dialect)).encode())
        connection.execute(
            "CREATE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE sql AS $$ SELECT '_duroxide'::text $$"
        )
        connection.execute("CREATE TEMP TABLE event (event_id bigint, data text)")
        connection.execute("CREATE TEMP TABLE node (LIKE df.nodes)")
        connection.execute(
            "CREATE TEMP TABLE instance AS SELECT lpad(to_hex(n::bigint * 2654435761 % 4294967296), 8, '0') AS id,"
            f" n % {LIVE_ONE_IN} = 0 AS is_live, to_timestamp({BEGUN_MS / 1000}) AS at"
            f" FROM generate_series(1, {number}) n"
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO event VALUES (%s, %s)", events())
            for node in nodes().values():
                columns = ", ".join(node)
                cursor.execute(
                    f"INSERT INTO node (instance_id, {columns}) VALUES (%s, {', '.join(['%s'] * len(node))})".encode(),
                    [ID, *node.values()],
                )
        for statement in COPIES:
            connection.execute(statement.encode())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


# A live one has its events up to the write of its third node: its end is yet to come, and a signal is awaited there.
_LIVE_EVENTS = 5 + 2 * 4 + 2
_WAITS = json.dumps(
    {
        "event_id": _LIVE_EVENTS + 1,
        "source_event_id": None,
        "instance_id": ID,
        "execution_id": 1,
        "timestamp_ms": BEGUN_MS + (_LIVE_EVENTS + 1) * EVENT_MS,
        "duroxide_version": "0.1.30",
        "type": "ExternalSubscribed",
        "name": "go",
    },
    separators=(",", ":"),
)
COPIES = (
    f"INSERT INTO {SCHEMA}.instances (instance_id, orchestration_name, orchestration_version, current_execution_id,"
    f" created_at, updated_at) SELECT id, '{ORCHESTRATION}', '1.0.0', 1, at, at FROM instance",
    f"INSERT INTO {SCHEMA}.executions (instance_id, execution_id, status, output, started_at, completed_at,"
    " duroxide_version_major, duroxide_version_minor, duroxide_version_patch)"
    f" SELECT id, 1, CASE WHEN is_live THEN 'Running' ELSE 'Completed' END, CASE WHEN NOT is_live THEN '{RESULT}' END,"
    " at, CASE WHEN NOT is_live THEN at + interval '6 s' END, 0, 1, 30 FROM instance",
    f"INSERT INTO {SCHEMA}.history (instance_id, execution_id, event_id, event_type, event_data, created_at)"
    f" SELECT i.id, 1, e.event_id, 'Event', replace(e.data, '{ID}', i.id), i.at FROM instance i JOIN event e"
    f" ON NOT i.is_live OR e.event_id <= {_LIVE_EVENTS}",
    f"INSERT INTO {SCHEMA}.history (instance_id, execution_id, event_id, event_type, event_data, created_at)"
    f" SELECT id, 1, {_LIVE_EVENTS + 1}, 'Event', replace('{_WAITS}', '{ID}', id), at FROM instance WHERE is_live",
    "INSERT INTO df.instances (id, label, root_node, status, submitted_by, created_at, updated_at, completed_at)"
    " SELECT id, 'order', '00000000', CASE WHEN is_live THEN 'running' ELSE 'completed' END, 'postgres', at, at,"
    " CASE WHEN NOT is_live THEN at END FROM instance",
    "INSERT INTO df.nodes (instance_id, id, node_type, query, left_node, right_node, status, result, submitted_by,"
    " created_at, updated_at, status_details) SELECT i.id, n.id, n.node_type, n.query, n.left_node, n.right_node,"
    " CASE WHEN NOT i.is_live OR n.id < '00000002' THEN 'completed' WHEN n.id = '00000002' THEN 'running'"
    " ELSE 'pending' END,"
    f" CASE WHEN NOT i.is_live OR n.id < '00000002' THEN '{RESULT}'::jsonb END, n.submitted_by, i.at, i.at,"
    " CASE WHEN NOT i.is_live OR n.id <= '00000002' THEN jsonb_build_object('execution_id', i.id || '::1') END"
    " FROM instance i CROSS JOIN node n",
)


def groups(url: str, levels: list[str]) -> list[Group]:
    """The commands to be timed, by level: the engine's checks first, then pg_durable's, then all of them."""
    made = []
    for level in levels:
        of_level = [one for one in checks() if one.level <= Level[level]]
        of_extension = ",".join(one.id for one in of_level if isinstance(one.relations[0], OfExtension))
        command = (*HOLYSTONE, "check", url, "--level", level)
        cases = [
            Case("engine", (*command, "--ignore", of_extension)),
            Case("pg_durable", (*command, "--select", of_extension)),
            Case("all", command),
        ]
        made.append(Group(f"level {level}", cases))
    return made


def main() -> None:
    """Fill the database where it is empty, and time the checks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgresql", metavar="URL", required=True)
    parser.add_argument("--instances", metavar="N", type=int, default=100_000)
    parser.add_argument("--runs", metavar="N", type=int, default=3)
    parser.add_argument("--filled", action="store_true", help="the database has been filled before")
    parser.add_argument("--level", action="append", choices=("quick", "standard", "deep"))
    given = parser.parse_args()
    if not given.filled:
        fill(given.postgresql, given.instances)
    for group in groups(given.postgresql, given.level or ["standard"]):
        run_group(group, given.runs)
        print(table(group))


if __name__ == "__main__":
    main()
