"""Facts of a copy on which nobody works yet, as after a restore: what becomes of it as soon as somebody does.

Sources in microsoft/duroxide: `fetch_orchestration_item` and `fetch_work_item` in src/providers/sqlite.rs, and in the
functions of microsoft/duroxide-pg: what is visible is taken at once, and what is locked when the lock has ended.
"""

from sqlalchemy import ColumnElement, Table, TableClause, and_, column, func, not_, select

from holystone.duroxide.event_types import RUNNING
from holystone.duroxide.tables import executions, instance_locks, orchestrator_queue, sessions, worker_queue
from holystone.flavours import Flavour
from holystone.flavours.structure import Objects
from holystone.scan.reader import Reader
from holystone.scan.relations.objects import StoreObjects


class DueWork(StoreObjects):
    """What dispatchers and workers take up as soon as there are any."""

    name = "due_work"
    kind = "work"

    def objects(self, reader: Reader) -> Objects:
        flavour, message, activity = reader.flavour, orchestrator_queue.c, worker_queue.c
        is_due = _is_due(flavour, message.visible_at)
        is_timer = flavour.messages.is_kind(message.work_item, "TimerFired")
        in_hand = activity.lock_token.is_not(None)
        may_run = [_is_due(flavour, activity.visible_at)] if flavour.has(activity.visible_at) else []
        return {
            **_numbers(reader, "timers", orchestrator_queue, "fire at once", is_due, is_timer),
            **_numbers(reader, "messages", orchestrator_queue, "are taken at once", is_due, not_(is_timer)),
            **_numbers(reader, "activities", worker_queue, "run at once", *may_run, not_(in_hand)),
            # A worker has had them, and may have done what they are for.
            **_numbers(reader, "activities in hand", worker_queue, "run once more", in_hand),
        }


class HeldLocks(StoreObjects):
    """What waits for a lock to end whose owner works on another copy, or not any more."""

    name = "held_locks"
    kind = "locks"

    def objects(self, reader: Reader) -> Objects:
        flavour = reader.flavour
        found: dict[str, str] = {}
        for what, table in (("instances", instance_locks), ("activities", worker_queue), ("sessions", sessions)):
            if table.name in flavour.stored:
                held = flavour.times.is_held(table.c.locked_until)
                found |= _numbers(reader, what, table, "are locked", held)
        return found


class OtherStores(StoreObjects):
    """Stores of the same database in which executions of this one run as well."""

    name = "other_stores"
    kind = "store"
    dispensable = True  # a role may be refused what others keep there

    def objects(self, reader: Reader) -> Objects:
        found: dict[str, str] = {}
        for schema in reader.flavour.structure.other_stores(reader.connection):
            # Not a Table: SQLAlchemy translates the schemas of those, and refuses one with a bracket in its name.
            columns = [column(one.name, one.type) for one in executions.c]
            other = TableClause(executions.name, *columns, schema=schema).c
            same = [other[name] == executions.c[name] for name in ("instance_id", "execution_id", "started_at")]
            runs = and_(executions.c.status == RUNNING, other.status == RUNNING)
            found |= _numbers(reader, f"schema {schema}", executions, "of its executions run here too", *same, runs)
        return found


def _is_due(flavour: Flavour, visible_at: ColumnElement[object]) -> ColumnElement[bool]:
    return and_(flavour.times.comes(visible_at), flavour.times.due_ms(visible_at) <= flavour.times.clock_ms)


def _numbers(reader: Reader, what: str, table: Table, state: str, *conditions: ColumnElement[bool]) -> Objects:
    """Return how many rows of a table meet conditions, as the state of what they are; nothing where none does."""
    count = select(func.count()).select_from(table).where(*conditions)
    number = reader.connection.execute(count).scalar_one()
    return {what: f"{number:,} {state}"} if number else {}


DUE_WORK = DueWork()
HELD_LOCKS = HeldLocks()
OTHER_STORES = OtherStores()
