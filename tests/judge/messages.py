"""What is left in the queues of a store once the engine has gone on with it, message by message."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

import psycopg

from judge.damages import NOT_KNOWN
from judge.stores import Place, Row

QUEUES = ("orchestrator_queue", "worker_queue")
SAME_TIME_MS = 60_000
"""Times that are not further apart are the same: an engine that comes to a message later, puts it off for later."""

Message = tuple[str, str, str]
"""The queue, the instance and the work item of a message."""
Left = Mapping[Message, list[int | None]]
"""The messages that are left, each with its due times in ms, None for what is no time."""


def left_in(place: Place) -> Left:
    """Return the messages that are left in a store; none where its queues cannot be read."""
    found: dict[Message, list[int | None]] = defaultdict(list)
    try:
        rows = place.rows(QUEUES)
    except (sqlite3.Error, psycopg.Error):
        return {}
    for queue, messages in rows.items():
        for row in messages:
            found[queue, str(row["instance_id"]), _item(row)].append(_ms(row.get("visible_at")))
    return found


def _item(row: Row) -> str:
    """The work item as text, whatever the spaces that a database prints it with, and without what no engine reads."""
    try:
        return json.dumps(json.loads(row["work_item"], object_hook=_known), sort_keys=True)
    except (TypeError, ValueError):
        return repr(row["work_item"])


def _known(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != NOT_KNOWN}


def _ms(value: Any) -> int | None:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return round(value) if isinstance(value, int | float) and isfinite(value) else None


def lost(right: Left, was: Left, now: Left) -> list[Message]:
    """Return the messages that are left where all is right, and were left, and are not left now."""
    return [one for one, times in was.items() if len(now.get(one, ())) < min(len(times), len(right.get(one, ())))]


def otherwise_due(right: Left, now: Left) -> list[tuple[Message, int | None, int]]:
    """Return the messages that are left as often as is right and due at another time, with that and the right one."""
    found = []
    for one, times in right.items():
        others = now.get(one, [])
        if len(others) != len(times) or len(times) > 1:
            continue
        [time], [other] = times, others
        if time is not None and (other is None or abs(time - other) > SAME_TIME_MS):
            found.append((one, other, time))
    return found


def named(message: Message) -> str:
    """A message in a few words."""
    queue, instance, item = message
    return f"{queue} of {instance}: {item[:100]}"
