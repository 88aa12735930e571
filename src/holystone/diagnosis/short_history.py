"""Histories without their payloads' length: what a diagnosis keeps of each event, however long its texts are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import select

from holystone.duroxide.event import Event
from holystone.duroxide.tables import history
from holystone.errors import RecordError
from holystone.scan.long_texts import is_long, unless_long
from holystone.scan.reader import EventRow, Reader

LONGEST = 500
"""Characters of a payload's text that are kept."""
_AT_A_TIME = 500
_KEPT = 100_000
"""Events that are kept of all the histories together."""
_WHOLE = frozenset({"name", "instance", "parent_instance"})
"""Fields by which one event is told from others."""


@dataclass(frozen=True)
class ShortEvent(EventRow):
    """A row of history of which no long text is kept; `fault` is why the engine cannot read it, None where it can."""

    fields: dict[str, Any] | None = None
    fault: str | None = None

    @property
    def event(self) -> dict[str, Any] | None:
        return self.fields


@dataclass
class ShortReader(Reader):
    """A reader of histories, as all facts read them, that keeps the texts of events short, and several histories."""

    _histories: dict[tuple[str, int | None], Sequence[EventRow]] = field(default_factory=dict, repr=False)

    def history(self, instance_id: str, execution_id: int | None = None) -> Sequence[EventRow]:
        wanted = (instance_id, execution_id)
        if wanted not in self._histories:
            rows = list(self._short(*wanted))
            if sum(map(len, self._histories.values())) + len(rows) > _KEPT:
                self._histories.clear()
            self._histories[wanted] = rows
        return self._histories[wanted]

    def _short(self, instance_id: str, execution_id: int | None) -> Iterator[EventRow]:
        event = history.c
        conditions = [event.instance_id == instance_id]
        if execution_id is not None:
            conditions.append(event.execution_id == execution_id)
        texts = [unless_long(self.flavour, event.event_data), is_long(self.flavour, event.event_data)]
        rows = (
            select(event.execution_id, event.event_id, event.event_type, *texts)
            .where(*conditions)
            .order_by(event.execution_id, event.event_id)
            .execution_options(yield_per=_AT_A_TIME)
        )
        with self.connection.execute(rows) as result:
            for number, event_id, event_type, text, has_long in result:
                read = partial(self.event_text, instance_id, number, event_id)
                fields, fault = _parsed(read() if has_long else text)
                yield ShortEvent(number, event_id, event_type, None, read, fields, fault)


def _parsed(text: Any) -> tuple[dict[str, Any] | None, str | None]:
    if not isinstance(text, str):
        return None, "it is no text"
    try:
        fields = Event.from_json(text).fields
    except RecordError as error:
        return None, error.why
    return {name: value if name in _WHOLE else shortened(value) for name, value in fields.items()}, None


def shortened(value: Any) -> Any:
    """Return JSON with its texts cut."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    if isinstance(value, Mapping):
        return {name: shortened(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(one) for one in value]
    return value
