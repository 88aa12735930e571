"""How often an instance has set or cleared its custom status, as far as its events tell.

Each turn that does so raises custom_status_version by one, however often it does so: `ack_orchestration_item` in
src/providers/sqlite.rs of microsoft/duroxide and in the functions of microsoft/duroxide-pg. Nothing else writes it.
"""

from msgspec import Struct
from sqlalchemy import select

from holystone.duroxide.release import Rule
from holystone.duroxide.releases import keeps
from holystone.duroxide.tables import history
from holystone.scan.reader import Reader
from holystone.scan.relations.decode import read_events

UPDATED = "CustomStatusUpdated"
"""The type of the event that each update appends."""


class StatusUpdates(Struct, frozen=True):
    """The updates that events tell; `are_all` is whether there were no others."""

    count: int
    are_all: bool


def status_updates(reader: Reader, instance_id: str) -> StatusUpdates:
    """Return the updates of all executions of an instance.

    There may be others where executions are pruned, where an event cannot be read, and where a version of the engine
    wrote that set the status without an event.
    """
    of_instance = history.c.instance_id == instance_id
    numbers = reader.connection.execute(select(history.c.execution_id).distinct().where(of_instance)).scalars().all()
    count, are_all = 0, set(numbers) == set(range(1, len(numbers) + 1))
    for number in numbers:
        rows = reader.history(instance_id, number)
        count += sum(row.type == UPDATED for row in rows)
        events = read_events(rows) or ()
        are_all &= bool(events)
        are_all &= not any(keeps(event["duroxide_version"], Rule.status_without_event) for event in events)
    return StatusUpdates(count, are_all)
