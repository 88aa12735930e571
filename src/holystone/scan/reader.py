"""What facts read beside their own row, in the snapshot of the scan."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, select

from holystone.store import Store
from holystone.store.events import parse
from holystone.store.flavours import Flavour
from holystone.store.tables import history


@dataclass(frozen=True)
class EventRow:
    """A row of history as it stands; `event` is None where event_data is not an event that can be read."""

    execution_id: int
    event_id: int
    event_type: str
    event_data: str

    @cached_property
    def event(self) -> dict[str, Any] | None:
        return parse(self.event_data) if isinstance(self.event_data, str) else None

    @property
    def type(self) -> str | None:
        """The type inside event_data, which is the truth about an event; None where it cannot be read."""
        return None if self.event is None else self.event["type"]


@dataclass
class Reader:
    """A connection in a snapshot of a store, with the history that was read last.

    Suspects of one execution come one after the other, so its history is read once for all of them.
    """

    store: Store
    connection: Connection
    _read: tuple[Any, Sequence[EventRow]] = field(default=(None, ()), repr=False)

    @property
    def flavour(self) -> Flavour:
        return self.store.flavour

    def history(self, instance_id: str, execution_id: int | None = None) -> Sequence[EventRow]:
        """Return the rows of an execution's history in order; of all executions of the instance for None."""
        wanted = (instance_id, execution_id)
        if self._read[0] != wanted:
            conditions = [history.c.instance_id == instance_id]
            if execution_id is not None:
                conditions.append(history.c.execution_id == execution_id)
            columns = [history.c.execution_id, history.c.event_id, history.c.event_type, history.c.event_data]
            rows = self.connection.execute(select(*columns).where(*conditions).order_by(*columns[:2]))
            self._read = (wanted, [EventRow(*row) for row in rows])
        return self._read[1]
