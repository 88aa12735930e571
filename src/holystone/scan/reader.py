"""What facts read beside their own row, in the snapshot of the scan."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select

from holystone.duroxide.event import parse_event
from holystone.duroxide.outcome import known_type
from holystone.duroxide.tables import executions, history
from holystone.flavours import Flavour
from holystone.flavours.structure import Objects
from holystone.scan.long_texts import is_long, unless_long
from holystone.store.open_store import OpenStore

RACE_WINDOW_SECONDS = 60
"""Age from which a row that lacks another one is no race between two writers any more."""
_REMEMBERED = 1_000

T = TypeVar("T")


@dataclass(frozen=True)
class EventRow:
    """A row of history as it stands; `event` is None where event_data is not an event that the engine can read.

    Of a long text nothing is kept: it is read whenever it is asked for.
    """

    execution_id: int
    event_id: int
    event_type: str
    text: Any
    read: Callable[[], Any] | None

    @property
    def event_data(self) -> Any:
        return self.text if self.read is None else self.read()

    @property
    def event(self) -> dict[str, Any] | None:
        return self._parsed if self.read is None else parse_event(self.event_data)

    @cached_property
    def _parsed(self) -> dict[str, Any] | None:
        return parse_event(self.text)

    @cached_property
    def type(self) -> str | None:
        """The type inside event_data, which is the truth about an event; None where it cannot be read.

        It is none that is known here where anything in the event may be a newer engine's.
        """
        event = self.event
        return None if event is None else known_type(event)


@dataclass
class Reader:
    """A connection in a snapshot of a store, with the history that was read last.

    Suspects of one execution come one after the other, so its history is read once for all of them. `begun_ms` is a
    time by the database's clock at which the snapshot had not been taken yet; where it is None, the clock is asked.
    What happened in the `race_window`, seconds before that, may be half of something that another writer is about to
    complete.
    """

    store: OpenStore
    connection: Connection
    begun_ms: int | None = None
    race_window: int = RACE_WINDOW_SECONDS
    took: dict[str, float] = field(default_factory=dict, repr=False)
    """Seconds that some looks took which are told of apart from all others, by the relation's name."""
    ahead: dict[str, Objects] = field(default_factory=dict, repr=False)
    """What came of such a look where it was made before its relation's turn."""
    _remembered: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    _read: tuple[Any, Sequence[EventRow]] = field(default=(None, ()), repr=False)

    @property
    def flavour(self) -> Flavour:
        return self.store.flavour

    @cached_property
    def now_ms(self) -> int:
        """The time by the database's clock in ms since the epoch: one for all that is judged in the snapshot."""
        return self.flavour.now_ms(self.connection) if self.begun_ms is None else self.begun_ms

    @property
    def settled_before_ms(self) -> int:
        """The time in ms before which whatever is seen must have happened to be no race."""
        return self.now_ms - self.race_window * 1_000

    def history(self, instance_id: str, execution_id: int | None = None) -> Sequence[EventRow]:
        """Return the rows of an execution's history in order; of all executions of the instance for None."""
        wanted = (instance_id, execution_id)
        if self._read[0] != wanted:
            conditions = [history.c.instance_id == instance_id]
            if execution_id is not None:
                conditions.append(history.c.execution_id == execution_id)
            columns = [history.c.execution_id, history.c.event_id, history.c.event_type]
            text = history.c.event_data
            texts = [unless_long(self.flavour, text), is_long(self.flavour, text)]
            rows = self.connection.execute(select(*columns, *texts).where(*conditions).order_by(*columns[:2]))
            self._read = (wanted, [self._event_row(instance_id, *row) for row in rows])
        return self._read[1]

    def _event_row(
        self, instance_id: str, execution_id: int, event_id: int, event_type: str, text: Any, has_long: bool | None
    ) -> EventRow:
        read = partial(self.event_text, instance_id, execution_id, event_id) if has_long else None
        return EventRow(execution_id, event_id, event_type, text, read)

    def event_text(self, instance_id: str, execution_id: int, event_id: int) -> Any:
        """Return the text of one event."""
        event = history.c
        key = (event.instance_id == instance_id, event.execution_id == execution_id, event.event_id == event_id)
        return self.long_text(select(event.event_data).where(*key))

    def output(self, instance_id: str, execution_id: int) -> Any:
        """Return the output of one execution."""
        row = executions.c
        key = (row.instance_id == instance_id, row.execution_id == execution_id)
        return self.long_text(select(row.output).where(*key))

    def long_text(self, statement: Select[Any]) -> Any:
        """Return the one value that a statement selects, which can be as long as a database takes one."""
        return self.flavour.long_text(self.connection, statement)

    def is_settled(self, moment: Any) -> bool:
        """Return whether a moment, as a column has it, is too long ago for a race; not where it cannot be read."""
        ms = self.flavour.to_ms(moment)
        return ms is not None and ms <= self.settled_before_ms

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what `read` returns, read once for suspects that share it: `key` says what it is."""
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = read()
        found: T = self._remembered[key]
        return found
