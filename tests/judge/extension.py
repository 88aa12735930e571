"""The worker of pg_durable judges repairs of its tables: python tests/judge/extension.py URL.

The URL is that of a database with the extension, which is built and started by hand: README.md says how. Everything
here is asked of it by its functions, as its users do. Instances in each state are started, and what the worker has
written of them is what is right. Then, round by round, rows of `df.instances` and `df.nodes` are damaged, and repaired
by what is called safe, or made anew; each row has to come out as the worker wrote it, but for times. At the end what
lives is signalled or cancelled, and the worker takes it to its end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg

import holystone
from holystone.scan.catalogue import Selection
from holystone.scan.check import Level

Row = dict[str, Any]
Rows = dict[tuple[str, ...], Row]
"""A table: key -> the row, each value as text."""

GRAPHS: Mapping[str, str] = {
    "one": "'SELECT 1'",
    "chain": "'SELECT 1' ~> 'SELECT 2' ~> 'SELECT 3.50::numeric'",
    "fails": "'SELECT 1' ~> 'SELECT 1/0' ~> 'SELECT 3'",
    "join": "'SELECT 1' & 'SELECT 2'",
    "race": "df.sleep(600) | 'SELECT 1'",
    "branch": "df.if('SELECT true', 'SELECT ''yes''', 'SELECT ''no''')",
    "loop-ends": "df.loop('SELECT 1' ~> df.break('{\"is\": \"over\"}'))",
    "waits": "'SELECT 1' ~> df.wait_for_signal('go') ~> 'SELECT 2'",
    "join-waits": "('SELECT 1' ~> df.wait_for_signal('go')) & 'SELECT 2'",
    "sleeps": "'SELECT 1' ~> df.sleep(86400)",
    "cancelled": "df.wait_for_signal('go') ~> 'SELECT 1'",
}
"""What is started, by its label."""
LIVE = ("waits", "join-waits", "sleeps")
OF_EACH = 3
DEEP = Selection(level=Level.deep, race_window=0)
_PATIENCE_SECONDS = 60
KEYS: Mapping[str, tuple[str, ...]] = {"df.instances": ("id",), "df.nodes": ("instance_id", "id")}
STATUSES = (None, "pending", "running", "completed", "failed", "cancelled")


class Extension:
    """A database in which the worker of pg_durable is at work."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def start(self, graph: str, label: str) -> str:
        return str(self.execute(f"SELECT df.start({graph}, %s)", label)[0][0])

    def statuses(self) -> dict[str, str]:
        return dict(self.execute("SELECT id, status FROM df.instances"))

    def rows(self, table: str, *key: str) -> Rows:
        found = (row for (row,) in self.execute(f"SELECT to_jsonb(t) - 'updated_at' FROM {table} AS t"))
        return {tuple(row[name] for name in key): row for row in found}

    def wait(self, what: str, ended: set[str]) -> None:
        """Wait until these instances have ended, and nothing is written any more."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            left = ended - {one for one, status in self.statuses().items() if status not in ("pending", "running")}
            if not left:
                break
            time.sleep(0.5)
        else:
            raise SystemExit(f"{what}: {sorted(left)} have not ended")
        time.sleep(2)


def start_all(extension: Extension) -> dict[str, str]:
    """Start instances of each kind and let them come to rest; return instance -> label."""
    started = {extension.start(graph, label): label for label, graph in GRAPHS.items() for _ in range(OF_EACH)}
    time.sleep(3)
    for instance, label in started.items():
        if label == "cancelled":
            extension.execute("SELECT df.cancel(%s, 'not wanted')", instance)
    extension.wait("the first ones", {one for one, label in started.items() if label not in LIVE})
    return started


def damage(extension: Extension, draw: random.Random) -> list[str]:
    """Alter one to three rows, or take all rows of an instance away, and return what was done in words."""
    done = []
    ids = sorted(extension.statuses())
    nodes = sorted(extension.execute("SELECT instance_id, id FROM df.nodes"))
    for _ in range(draw.randint(1, 3)):
        one, (instance, node) = draw.choice(ids), draw.choice(nodes)
        match draw.choice(("status", "status", "end", "node", "result", "rows")):
            case "status":
                status = draw.choice(STATUSES)
                # A failed one that says cancelled is none: so it is where it is cancelled before it ever runs.
                legal = "%s = 'cancelled' AND status = 'failed'"
                extension.execute(
                    f"UPDATE df.instances SET status = %s WHERE id = %s AND ({legal}) IS NOT TRUE", status, one, status
                )
                done.append(f"status of {one} is {status}")
            case "end":
                end = "CASE WHEN completed_at IS NULL THEN now() END"
                extension.execute(f"UPDATE df.instances SET completed_at = {end} WHERE id = %s", one)
                done.append(f"completed_at of {one}")
            case "node":
                status = draw.choice(("pending", "running", "completed", "failed"))
                kept = "CASE WHEN %s IN ('completed', 'failed') THEN result END"
                extension.execute(
                    f"UPDATE df.nodes SET status = %s, result = {kept} WHERE instance_id = %s AND id = %s",
                    *(status, status, instance, node),
                )
                done.append(f"status of node {node} of {instance} is {status}")
            case "result":
                extension.execute(
                    "UPDATE df.nodes SET result = '{\"forged\": 1}' WHERE instance_id = %s AND id = %s"
                    " AND status IN ('completed', 'failed')",
                    *(instance, node),
                )
                done.append(f"result of node {node} of {instance}")
            case _:
                extension.execute(
                    "WITH gone AS (DELETE FROM df.nodes WHERE instance_id = %s) DELETE FROM df.instances WHERE id = %s",
                    *(one, one),
                )
                done.append(f"rows of {one}")
    return done


def differences(right: Rows, found: Rows) -> list[str]:
    """Return in words in which columns rows are not what they should be; times may differ a little."""
    wrong = [f"{key}: is there, and was not" for key in found.keys() - right.keys()]
    for key, row in right.items():
        there = found.get(key)
        if there is None:
            wrong.append(f"{key}: is gone")
            continue
        for column, value in row.items():
            if there[column] != value and not (column.endswith("_at") and _about_the_same(there[column], value)):
                wrong.append(f"{key}: {column} is {there[column]!r}, and was {value!r}")
    return wrong


def _about_the_same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)).total_seconds() < 2


def judge(extension: Extension, rounds: int, seed: int) -> dict[str, Any]:
    """Go through the rounds, and return how many rows were repaired, by check, and what came out otherwise."""
    draw = random.Random(seed)
    repaired: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(rounds):
        right = {table: extension.rows(table, *key) for table, key in KEYS.items()}
        done = damage(extension, draw)
        plan = holystone.plan(extension.url, DEEP)
        repaired.update(change.check for change in plan.changes)
        report = holystone.apply(extension.url, plan, DEEP, unsafe=["rebuild-df-rows"])
        found = [
            *(f"{change.check} was not repaired: {why}" for change, why in report.skipped),
            *(one for table, key in KEYS.items() for one in differences(right[table], extension.rows(table, *key))),
        ]
        wrong += [f"round {number} ({'; '.join(done)}): {one}" for one in found]
    return {"rounds": rounds, "repaired": dict(sorted(repaired.items())), "wrong": wrong}


def cancel_and_roll_back(extension: Extension) -> str:
    """Have `df.cancel` rolled back, which leaves a row that says running for ever; return the instance."""
    instance = extension.start(GRAPHS["waits"], "cancelled in vain")
    time.sleep(2)
    with psycopg.connect(extension.url) as connection:
        connection.execute("SELECT df.cancel(%s, 'not wanted')", [instance])
        connection.rollback()
    time.sleep(3)
    return instance


def finish(extension: Extension, started: Mapping[str, str]) -> dict[str, list[str]]:
    """Signal or cancel what lives, and return label -> the statuses in which the worker leaves its instances."""
    for instance, label in started.items():
        if label in ("waits", "join-waits"):
            extension.execute("SELECT df.signal(%s, 'go', '{}')", instance)
        elif label in LIVE:
            extension.execute("SELECT df.cancel(%s, 'not wanted')", instance)
    extension.wait("what was signalled or cancelled", set(started))
    statuses: dict[str, set[str]] = {}
    for instance, status in extension.statuses().items():
        statuses.setdefault(started.get(instance, "others"), set()).add(status)
    return {label: sorted(some) for label, some in statuses.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    extension = Extension(given.url)
    started = start_all(extension)
    said = {"at first": found_in(extension)}
    judged = judge(extension, given.rounds, given.seed)
    in_vain = cancel_and_roll_back(extension)
    said["after a df.cancel that was rolled back"] = found_in(extension)
    holystone.apply(extension.url, holystone.plan(extension.url, DEEP), DEEP)
    judged["its status"] = extension.statuses()[in_vain]
    judged["ended"] = finish(extension, started)
    said["at the end"] = found_in(extension)
    print(json.dumps({**judged, "found": said}, indent=1))
    return 1 if judged["wrong"] or said["at first"] or said["at the end"] else 0


def found_in(extension: Extension) -> list[str]:
    """Return what a deep check finds that is more than a remark."""
    report = holystone.check(extension.url, DEEP)
    assert report.verdict != "incomplete"
    return sorted(f"{one.check} {one.instance_id}" for one in report.findings if one.severity != "info")


if __name__ == "__main__":
    sys.exit(main())
