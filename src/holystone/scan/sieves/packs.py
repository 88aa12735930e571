"""Packed histories: an execution's events in one row, so that all of them are read at once.

Most histories of a store are sound, and to see that in Python is much quicker than to ask a database about each event:
what is not surely sound is looked at once more, with care.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Select, func, select

from holystone.scan.relation import Conditions
from holystone.store.error_details import is_known
from holystone.store.event import EVENT_SHAPES
from holystone.store.events import TERMINAL
from holystone.store.flavours import Flavour
from holystone.store.references import REFERS_TO
from holystone.store.tables import history

if TYPE_CHECKING:
    from msgspec import Struct

_REMEMBERED = 1_000
_START = "OrchestrationStarted"

Kinds = tuple["type[Struct]", ...]


class _Form(NamedTuple):
    """What the types of a history's events ask for: the column event_type, and what each event may refer to."""

    event_types: str
    event_ids: str
    sources: Sequence[tuple[int, "type[Struct]"]]
    """Places of events that refer to an earlier one, and what that has to be."""
    failures: Sequence[int]
    """Places of events with the details of a failure."""


class Packs:
    """Packs the histories of a flavour's stores, and reads them."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        # Few forms make up most of a store.
        self._form = lru_cache(_REMEMBERED)(self._form_of)

    def select(self, within: Conditions) -> Select[Any]:
        """Return the select of the executions that have history, with the ids, types and texts of events in lines."""
        key = (history.c.instance_id, history.c.execution_id)
        columns = (history.c.event_id, history.c.event_type, history.c.event_data)
        lines = [self._flavour.lines(column, history.c.event_id).label(column.name) for column in columns]
        texts = func.count().filter(self._flavour.is_text(history.c.event_data)).label("texts")
        return select(*key, *lines, texts).where(*within).group_by(*key)

    def sound_events(self, pack: Any) -> "Sequence[Any] | None":
        """Return the events of a row of `select` as structs; None unless the history surely is as the engine writes it.

        Then each event is to the letter what the engine writes, stands where its ids say, in a row of its type, and
        after the one that it refers to; they are numbered through, from the start on, and nothing follows an end.
        """
        from holystone.store.event_structs import read_lines

        instance_id, execution_id, event_ids, event_types, event_data, texts = pack
        events = read_lines(event_data)
        if events is None or texts != len(events) or self._flavour.may_not_survive(event_data):
            return None
        kinds = tuple(map(type, events))
        form = self._form(kinds)
        if form is None or event_types != form.event_types or event_ids != form.event_ids:
            return None
        for event_id, event in enumerate(events, 1):
            if event.event_id != event_id or event.instance_id != instance_id or event.execution_id != execution_id:
                return None
        for place, wanted in form.sources:
            source_id = events[place].source_event_id
            if source_id is None or not 0 < source_id <= place or kinds[source_id - 1] is not wanted:
                return None
        if not all(is_known(events[place].details) for place in form.failures):
            return None
        return events

    def _form_of(self, kinds: Kinds) -> _Form | None:
        """Return the form of a history with such events; None where the engine writes none."""
        from holystone.store.event_structs import EVENT_STRUCTS

        names = [kind.__name__ for kind in kinds]
        if not names or names[0] != _START or any(name in TERMINAL for name in names[:-1]):
            return None
        sources = [(place, EVENT_STRUCTS[REFERS_TO[name]]) for place, name in enumerate(names) if name in REFERS_TO]
        failures = [place for place, name in enumerate(names) if "details" in EVENT_SHAPES[name]]
        return _Form("\n".join(map(self._flavour.event_type_column, names)), _numbered(len(names)), sources, failures)


@lru_cache(_REMEMBERED)
def _numbered(count: int) -> str:
    return "\n".join(map(str, range(1, count + 1)))
